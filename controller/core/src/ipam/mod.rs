//! Address management: pools and services come in, addresses with their reasons come out.
//!
//! [`Ipam`] is the only place that decides which service has which address. It never gives an address to two
//! services that may not share it, and never takes one away without a [`Cause`].

mod adopt;
mod block;
mod buckets;
mod conflict;
mod coverage;
mod fill;
mod free;
mod freeze;
mod holders;
mod intervals;
mod machine;
mod pages;
mod pool;
mod pools;
mod range;
mod serve;
mod services;
mod settle;
mod sharing;
#[cfg(test)]
mod tests;
mod verdict;
mod waiting;

pub use block::{Block, BlockError, BlockText, FirstLast};
pub use conflict::Conflict;
pub use free::Free;
pub use machine::{Allocation, Given, Ipam};
pub use pool::{Admission, Counts, PoolReport, PoolSpec};
pub use range::{Family, Range};
pub use services::Id;
pub use sharing::{Clash, DifferentPods, Namespaces, Port, Protocol, Sharing, SharingKey, Traffic};
pub use verdict::{Cause, Kind, Missed, Reason, Released, Verdict};
