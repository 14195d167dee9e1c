//! How a data path is opened.

use std::{path::PathBuf, time::Duration};

use lightship_abi::layout::DEFAULT_CAPACITY;

pub use lightship_abi::kind::Ping;

/// Where bpffs is mounted unless it was said otherwise.
pub const BPFFS: &str = "/sys/fs/bpf";

/// Where the responder is put into the kernel's way of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// TCX where the kernel has it, else clsact.
    Automatic,
    /// TCX ingress, first in order: Linux 6.6 or newer.
    Tcx,
    /// The clsact qdisc's ingress, as a filter of priority 1.
    Clsact,
}

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
    /// Where the responder is put.
    pub hook: Hook,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bpffs: PathBuf::from(BPFFS),
            max_liveness: Duration::from_secs(15),
            map_capacity: DEFAULT_CAPACITY,
            ping: Ping::Answered,
            hook: Hook::Automatic,
        }
    }
}
