//! What can end the agent, or fail in it and be tried again.

use std::time::Duration;

use lightship_datapath::devices::DeviceError;
use lightship_datapath::probe::ProbeError;
use lightship_datapath::{MapsError, ObserveError, OpenError};
use thiserror::Error;

/// A failed operation.
#[derive(Debug, Error)]
pub enum Error {
    /// The datapath could not be opened: the node lacks something.
    #[error("failed to open the datapath")]
    Open(#[source] OpenError),
    /// The node's devices could not be listed or watched.
    #[error("failed to watch the node's network devices")]
    Devices(#[source] DeviceError),
    /// Nothing can be asked or heard on the wire.
    #[error("failed to open the socket that watches other holders: grant CAP_NET_RAW")]
    Probes(#[source] ProbeError),
    /// A descriptor cannot be waited for.
    #[error("failed to wait for what the kernel tells")]
    Readiness(#[source] std::io::Error),
    /// The responder could not be told that this agent lives; it falls silent without.
    #[error("failed to beat the responder's liveness")]
    Beat(#[source] MapsError),
    /// What the kernel holds could not be read.
    #[error("failed to read what the kernel holds")]
    Observe(#[source] ObserveError),
    /// The heartbeat could not be read or written.
    #[error(
        "failed to write the heartbeat {lease}: check that the API server is reachable and the shipped RBAC applied"
    )]
    Heartbeat {
        /// Name of the lease.
        lease: String,
        /// What the API server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("failed to write the heartbeat within {0:?}: the API server did not answer")]
    HeartbeatDeadline(Duration),
    /// The inventory could not be turned into JSON.
    #[error("failed to encode the inventory")]
    Inventory(#[source] serde_json::Error),
}
