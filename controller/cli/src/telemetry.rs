//! Logs, to stderr: stdout belongs to the commands' results.

use std::io::{self, IsTerminal as _};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::args::LogLevel;

/// The crates whose logs are ours.
const PARTS: [&str; 6] = [
    "lightship",
    "lightship_operator",
    "lightship_agent",
    "lightship_datapath",
    "lightship_edge",
    "lightship_core",
];

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to start logging")]
    Start(#[source] TryInitError),
}

/// Starts logging for the whole process.
pub(crate) fn start(level: LogLevel) -> anyhow::Result<()> {
    // What fails in the libraries below comes back as an error and is told once, by us.
    let libraries = match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::INFO,
        LogLevel::Error | LogLevel::Warn | LogLevel::Info => LevelFilter::OFF,
    };
    let filter = Targets::new()
        .with_default(libraries)
        .with_targets(PARTS.map(|part| (part, filter(level))));
    tracing_subscriber::registry()
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(io::stderr)
                .with_ansi(io::stderr().is_terminal()),
        )
        .with(filter)
        .try_init()
        .map_err(Error::Start)?;
    Ok(())
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
