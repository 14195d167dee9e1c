//! How much is logged, which can be changed while a process runs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::reload;

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

/// The level in force, and the way to another.
#[derive(Clone)]
pub(crate) struct Levels {
    current: Arc<Mutex<LogLevel>>,
    filter: Option<reload::Handle<Targets, Registry>>,
}

impl Levels {
    /// Begins with a level; what is logged goes through the filter.
    pub(super) fn new(level: LogLevel) -> (reload::Layer<Targets, Registry>, Self) {
        let (layer, filter) = reload::Layer::new(targets(level));
        let levels = Self {
            current: Arc::new(Mutex::new(level)),
            filter: Some(filter),
        };
        (layer, levels)
    }

    /// Levels that nothing is logged by.
    #[cfg(test)]
    pub(crate) fn unheard(level: LogLevel) -> Self {
        Self {
            current: Arc::new(Mutex::new(level)),
            filter: None,
        }
    }

    /// The level in force.
    pub(crate) fn get(&self) -> LogLevel {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs by another level from now on.
    pub(crate) fn set(&self, level: LogLevel) -> Result<(), reload::Error> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(filter) = &self.filter {
            filter.reload(targets(level))?;
        }
        *current = level;
        Ok(())
    }
}

impl fmt::Debug for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Levels({})", self.get().name())
    }
}

fn targets(level: LogLevel) -> Targets {
    // What fails in the libraries below comes back as an error and is told once, by us.
    let libraries = match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::INFO,
        LogLevel::Error | LogLevel::Warn | LogLevel::Info => LevelFilter::OFF,
    };
    let ours = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_default(libraries)
        .with_targets(PARTS.map(|part| (part, ours)))
}
