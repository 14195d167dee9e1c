//! Being told to stop: SIGTERM (the kubelet) and SIGINT (a person).

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Why signals cannot be heard.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to listen for {name}")]
    Listen { name: &'static str, source: io::Error },
}

/// A token that is cancelled by the first such signal. Must be called inside a runtime.
pub(crate) fn stop() -> Result<CancellationToken, Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|source| Error::Listen {
        name: "SIGTERM",
        source,
    })?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|source| Error::Listen {
        name: "SIGINT",
        source,
    })?;
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!("stopping, told to by {name}");
        stop.cancel();
    });
    Ok(token)
}
