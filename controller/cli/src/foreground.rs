//! What the operator and the agent share while they run: a runtime, the signals, the admin server.

use std::future::Future;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::admin::{Admin, Shown};

/// A runtime for a part that runs until told to stop.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start the async runtime")
}

/// Runs the work beside its admin server. Whichever ends first ends the other; the work's own reason comes first.
pub(crate) async fn run<E>(
    work: impl Future<Output = Result<(), E>>,
    admin: Admin,
    shown: Shown,
    stop: CancellationToken,
) -> anyhow::Result<()>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let work = async {
        let result = work.await;
        stop.cancel();
        result
    };
    let server = async {
        let result = admin.serve(shown, stop.clone()).await;
        stop.cancel();
        result
    };
    let (work, server) = tokio::join!(work, server);
    work?;
    server?;
    Ok(())
}
