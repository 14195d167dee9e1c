//! What a process tells of itself beside its metrics: logs to stderr (stdout belongs to the commands' results), and traces
//! to a collector if there is one.

mod collector;
mod levels;

use std::io;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::args::LogLevel;
use crate::output::Colours;

pub(crate) use collector::{Collector, Source};
pub(crate) use levels::Levels;

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to start logging")]
    Start(#[source] TryInitError),
}

/// Starts logging for the whole process.
pub(crate) fn start(level: LogLevel) -> anyhow::Result<Levels> {
    let (filter, levels) = Levels::new(level);
    tracing_subscriber::registry()
        .with(filter)
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(io::stderr)
                .with_ansi(Colours::of_stderr() == Colours::On),
        )
        .try_init()
        .map_err(Error::Start)?;
    Ok(levels)
}
