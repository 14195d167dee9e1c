//! Every decision Lightship takes, as pure functions and state machines.
//!
//! Events and the time come in, decisions with their reasons come out. Nothing here knows Kubernetes' client, a
//! clock, a socket or randomness, so whole clusters can be simulated and every answer can be asserted as a value.

pub mod announcing;
pub mod binding;
pub mod cilium;
pub mod election;
pub mod finding;
pub mod groups;
pub mod heartbeat;
pub mod interfaces;
pub mod inventory;
pub mod ipam;
pub mod members;
pub mod names;
pub mod placement;
pub mod selector;
pub mod service;
#[cfg(test)]
mod simulation;
pub mod succession;
pub mod time;
pub mod timing;
pub mod watch;
