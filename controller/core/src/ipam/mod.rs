//! Address management: pools and services come in, addresses with their reasons come out.
//!
//! [`Ipam`] is the only place that decides which service has which address. It never gives an address to two
//! services and never takes one away without a [`Cause`].

mod allocator;
mod block;
mod conflict;
mod free;
mod pool;
mod range;
#[cfg(test)]
mod tests;
mod verdict;

pub use allocator::{Allocation, Given, Ipam};
pub use block::{Block, BlockError, BlockText, FirstLast};
pub use conflict::Conflict;
pub use pool::{Admission, Counts, PoolReport, PoolSpec};
pub use range::{Family, Range};
pub use verdict::{Cause, Missed, Reason, Released, Verdict};
