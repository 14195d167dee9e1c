//! What the responder in the kernel and its loader in user space must agree on, byte for byte: names, map layout and
//! the decision about a frame. Nothing here allocates, panics or knows which side it runs on, so the decision that
//! the kernel executes is the one that native tests search.
#![no_std]
#![expect(
    clippy::inline_always,
    reason = "the kernel's verifier takes no aggregates across real calls"
)]

#[cfg(test)]
extern crate std;

pub mod arp;
pub mod bucket;
pub mod checksum;
pub mod echo;
pub mod fence;
pub mod ipv6;
pub mod kind;
pub mod layout;
pub mod liveness;
pub mod mac;
pub mod names;
pub mod ndp;
pub mod order;
pub mod outcome;
pub mod signal;
pub mod suffix;
pub mod trace;
pub mod verdict;
pub mod wakeup;
pub mod yielded;
