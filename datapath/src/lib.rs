//! The node's part of the data path: loads the responder, keeps it attached, and feeds its maps.
//!
//! What should be ([`plan::Desired`]) and what is ([`plan::Observed`]) go into [`plan::plan`], which is pure; the
//! actions that come out go into [`Datapath::execute`], which alone changes the kernel. Everything that answers frames
//! is pinned and outlives this process: dropping a [`Datapath`] changes nothing, opening one again adopts what is there.

mod announce;
mod assigned;
mod attach;
mod cleanup;
mod conversation;
pub mod devices;
mod entry;
mod execute;
mod groups;
mod host;
mod loader;
pub mod maps;
mod observe;
mod options;
mod pins;
pub mod plan;
pub mod probe;
mod readiness;
pub mod trace;
mod wakeups;

pub use announce::AnnounceError;
pub use attach::AttachError;
pub use cleanup::{CleanupError, cleanup};
pub use entry::{Entry, Group, InterfaceIndex};
pub use execute::{ExecuteError, Failure};
pub use groups::GroupError;
pub use host::{Examined, HostError, examine};
pub use lightship_abi::{fence::Tombstone, mac::MacAddress, order::Order, outcome::Outcome, signal::Signal};
pub use loader::{Datapath, OpenError, monotonic_ns};
pub use maps::MapsError;
pub use observe::ObserveError;
pub use options::{BPFFS, Hook, Options, Ping};
pub use wakeups::{Wakeup, WakeupKind, Wakeups};
