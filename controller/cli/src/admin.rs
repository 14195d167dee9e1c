//! The admin server: whether the process lives (`/healthz`) and can work (`/readyz`), its figures (`/metrics`,
//! `OpenMetrics`), its settings (`/config`) and how much it logs (`/log`, which takes another level by `PUT`).
//!
//! The port is bound before anything is started, so that an address in use is found first.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::serve::IncomingStream;
use clap::ValueEnum as _;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::args::{AdminAddress, LogLevel};
use crate::settings::Settings;
use crate::telemetry::Levels;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Why there is no admin server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "failed to listen on {address}: where another Lightship runs on this node, as a second installation would have it, \
         remove one of them; where another program has the address, choose another --admin-address"
    )]
    Bind { address: SocketAddr, source: io::Error },
    #[error("failed to serve the admin address")]
    Serve(#[source] io::Error),
}

/// What the server shows.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) ready: watch::Receiver<bool>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) settings: Settings,
    pub(crate) levels: Levels,
}

/// How long an address that is in use may take to become free.
const PATIENCE: Duration = Duration::from_secs(3);

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// A bound port, not yet served.
#[derive(Debug)]
pub(crate) struct Admin(TcpListener);

impl Admin {
    /// Listens. A process that was killed keeps its address until the kernel has closed all it had, which takes a packet
    /// socket some tens of milliseconds: its successor waits for it a little.
    pub(crate) async fn bind(AdminAddress(address): AdminAddress) -> Result<Self, Error> {
        let patient_until = Instant::now() + PATIENCE;
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => return Ok(Self(listener)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < patient_until => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(source) => return Err(Error::Bind { address, source }),
            }
        }
    }

    /// Where it listens; tells the port when none was chosen.
    #[cfg(test)]
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves until told to stop.
    pub(crate) async fn serve(self, shown: Shown, stop: CancellationToken) -> Result<(), Error> {
        let service = router(shown).into_make_service_with_connect_info::<Asker>();
        axum::serve(self.0, service)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await
            .map_err(Error::Serve)
    }
}

fn router(shown: Shown) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route(
            "/config",
            get(async |State(shown): State<Shown>| shown.settings.logging(shown.levels.get()).render()),
        )
        .route(
            "/log",
            get(async |State(shown): State<Shown>| format!("{}\n", shown.levels.get().name())).put(set_level),
        )
        .with_state(shown)
}

async fn readyz(State(shown): State<Shown>) -> Response {
    if *shown.ready.borrow() {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready yet\n").into_response()
    }
}

async fn metrics(State(shown): State<Shown>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &shown.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// Who asks, as far as the connection tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asker {
    /// Somebody in the same pod; for an agent, on the same node.
    Here,
    /// Somebody else.
    Elsewhere,
}

impl Connected<IncomingStream<'_, TcpListener>> for Asker {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        let asked = stream.io().local_addr().map(|address| address.ip());
        match asked {
            Ok(asked) if asked == stream.remote_addr().ip() => Self::Here,
            _ => Self::Elsewhere,
        }
    }
}

/// Changes how much is logged. The port is for whoever can reach it, but this only for who is in the pod already.
async fn set_level(
    State(shown): State<Shown>,
    ConnectInfo(asker): ConnectInfo<Asker>,
    body: String,
) -> Response {
    if asker != Asker::Here {
        let why = "ask from within the pod: kubectl exec POD -- lightship config log-level LEVEL\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let Ok(level) = LogLevel::from_str(body.trim(), true) else {
        let why = format!(
            "{:?} is no level: error, warn, info, debug or trace\n",
            body.trim()
        );
        return (StatusCode::BAD_REQUEST, why).into_response();
    };
    match shown.levels.set(level) {
        Ok(()) => format!("{}\n", level.name()).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests;
