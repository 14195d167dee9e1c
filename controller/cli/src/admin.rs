//! The admin server: whether the process lives (`/healthz`) and can work (`/readyz`), its figures (`/metrics`,
//! `OpenMetrics`) and its settings (`/config`).
//!
//! The port is bound before anything is started, so that an address in use is found first.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::args::AdminAddress;
use crate::settings::Settings;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Why there is no admin server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to listen on {address}; choose another --admin-address")]
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
        axum::serve(self.0, router(shown))
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
            get(async |State(shown): State<Shown>| shown.settings.render()),
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

#[cfg(test)]
mod tests;
