//! How a data path is opened.

use std::{path::PathBuf, time::Duration};

use lightship_abi::layout::DEFAULT_CAPACITY;

pub use lightship_abi::kind::Ping;

/// How a data path is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where bpffs is mounted.
    pub bpffs: PathBuf,
    /// How long after the last beat the responder goes on answering.
    pub max_liveness: Duration,
    /// How many entries (addresses times interfaces) the responder's map of each family holds. An existing map keeps its
    /// own.
    pub map_capacity: u32,
    /// Whether echo requests to held addresses are answered: up to [`lightship_abi::bucket::PER_SECOND`] a second on
    /// each processor, and [`lightship_abi::bucket::BURST`] at once.
    pub ping: Ping,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bpffs: PathBuf::from("/sys/fs/bpf"),
            max_liveness: Duration::from_secs(15),
            map_capacity: DEFAULT_CAPACITY,
            ping: Ping::Answered,
        }
    }
}
