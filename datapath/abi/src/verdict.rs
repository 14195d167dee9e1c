//! The decision about one frame, in one place: the kernel asks its maps, tests ask tables of their own.

use crate::{
    layout::{ResponderV4Key, ResponderV6Key},
    liveness::Gate,
    mac::MacAddress,
    outcome::Outcome,
};

pub mod arp;
pub mod echo;
pub mod ndp;

/// What the decision needs to know. Each question is asked at most once, the cheap and selective ones first.
pub trait Tables {
    /// What is found for one of our addresses; the kernel's is a pointer to its counter.
    type Entry;

    /// The entry of an IPv4 address on an interface, if it is ours there.
    fn entry_v4(&self, key: &ResponderV4Key) -> Option<Self::Entry>;

    /// The entry of an IPv6 address on an interface, if it is ours there.
    fn entry_v6(&self, key: &ResponderV6Key) -> Option<Self::Entry>;

    /// The hardware address an interface answers with, if it may answer.
    fn interface(&self, ifindex: u32) -> Option<MacAddress>;

    /// Whether the agent has shown itself recently.
    fn gate(&self) -> Gate;

    /// Asks for leave to send one echo reply.
    fn leave_to_echo(&self) -> Leave;
}

/// Whether one more echo reply may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It may.
    Granted,
    /// Too many were sent of late.
    Refused,
}

/// Where a frame came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The interface.
    pub ifindex: u32,
    /// How long the whole frame is, padding included.
    pub length: usize,
}

/// What to do with a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<E> {
    /// Send the frame, which is now the reply, back out of the interface it came in on, and count it on the entry.
    Answer(E),
    /// Hand the frame, which is untouched, to the next program.
    Pass(Outcome),
    /// Take the frame off the wire: it is for us alone, and is not answered.
    Drop(Outcome),
}
