//! The lab as a library, and the scenario tests that run in it.
//!
//! A [`Lab`] is a whole cluster on one machine: a real control plane, nodes that are network, mount and UTS namespaces
//! joined by real bridges, kube-proxy on each of them, Lightship's own processes under the shipped RBAC, and a client
//! outside the cluster. Everything is driven by the tools a person would use; nothing here knows Lightship's insides,
//! save that a [`segment`] has a responder without the cluster around it.
#![expect(
    clippy::missing_errors_doc,
    reason = "every function that drives a tool fails when the tool does, and the error carries what it said"
)]

pub mod backend;
pub mod binaries;
pub mod chart;
pub mod client;
pub mod command;
pub mod eventually;
pub mod figures;
pub mod gateway;
pub mod journey;
pub mod lab;
pub mod metrics;
pub mod objects;
pub mod process;
pub mod scene;
pub mod segment;
pub mod snapshot;

pub use eventually::eventually;
pub use lab::{Lab, Options};
