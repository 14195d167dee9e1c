//! What the operator and the agent share while they run: a runtime, the signals, the admin server.

use std::future::Future;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::admin::{Admin, Shown};

/// How long requests under way may take after the work has ended.
const FAREWELL: Duration = Duration::from_millis(500);

/// A runtime for a part that runs until told to stop.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start the async runtime")
}

/// Runs the work beside its admin server, which is there until the work has ended: a part that takes its time to stop
/// is still alive. A server that fails stops the work; the work's own reason comes first.
pub(crate) async fn run<E>(
    work: impl Future<Output = Result<(), E>>,
    admin: Admin,
    shown: Shown,
    stop: CancellationToken,
) -> anyhow::Result<()>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let worked = CancellationToken::new();
    let work = async {
        let result = work.await;
        worked.cancel();
        result
    };
    let server = async {
        let result = tokio::select! {
            result = admin.serve(shown, worked.clone()) => result,
            // Somebody who holds a connection open does not hold the process.
            () = async { worked.cancelled().await; time::sleep(FAREWELL).await } => Ok(()),
        };
        stop.cancel();
        result
    };
    let (work, server) = tokio::join!(work, server);
    work?;
    server?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use prometheus_client::registry::Registry;
    use tokio::net::TcpStream;
    use tokio::sync::watch;

    use super::*;
    use crate::args::{AdminAddress, LogLevel};
    use crate::settings::Settings;
    use crate::telemetry::Levels;

    #[tokio::test]
    async fn an_open_connection_does_not_keep_a_stopped_part_alive() {
        let address: AdminAddress = "127.0.0.1:0".parse().unwrap();
        let admin = Admin::bind(address).await.unwrap();
        let _held = TcpStream::connect(admin.address().unwrap()).await.unwrap();
        let ready = watch::Sender::new(true).subscribe();
        let shown = Shown {
            ready,
            registry: Arc::new(Registry::default()),
            settings: Settings::default(),
            levels: Levels::unheard(LogLevel::Info),
        };
        let stop = CancellationToken::new();
        let told = stop.clone();
        let work = async move {
            told.cancelled().await;
            Ok::<(), Infallible>(())
        };
        let running = tokio::spawn(run(work, admin, shown, stop.clone()));
        stop.cancel();
        time::timeout(FAREWELL * 10, running)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}
