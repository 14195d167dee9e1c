//! The decision about one frame, in one place: the kernel asks its maps, tests ask tables of their own.

use crate::{
    fence::{HoldValue, Tombstone},
    layout::{ResponderV4Key, ResponderV6Key},
    liveness::Gate,
    mac::MacAddress,
    outcome::Outcome,
    signal::Raw,
};

pub mod arp;
pub mod echo;
pub mod ndp;
pub mod told;

use told::Teller;

/// What the decision needs to know. Each question is asked at most once, the cheap and selective ones first.
pub trait Tables {
    /// What is found for one of our addresses; the kernel's is a pointer to its counter.
    type Entry;

    /// The entry of an IPv4 address on an interface, if it is ours there.
    fn entry_v4(&self, key: &ResponderV4Key) -> Option<Self::Entry>;

    /// The entry of an IPv6 address on an interface, if it is ours there.
    fn entry_v6(&self, key: &ResponderV6Key) -> Option<Self::Entry>;

    /// Whether an IPv4 address is ours on an interface. Asked of senders, whose addresses hardly ever are: the kernel
    /// has a cheaper way to tell that they are not.
    #[inline(always)]
    fn is_entry_v4(&self, key: &ResponderV4Key) -> bool {
        self.entry_v4(key).is_some()
    }

    /// The hardware address an interface answers with, if it may answer.
    fn interface(&self, ifindex: u32) -> Option<MacAddress>;

    /// Whether the agent has shown itself recently.
    fn gate(&self) -> Gate;

    /// What user space knows of the binding of an IPv4 entry, or that it is unknown.
    fn hold_v4(&self, key: &ResponderV4Key) -> HoldValue;

    /// What user space knows of the binding of an IPv6 entry, or that it is unknown.
    fn hold_v6(&self, key: &ResponderV6Key) -> HoldValue;

    /// The claim that an IPv4 entry yielded to last, or that there was none.
    fn tombstone_v4(&self, key: &ResponderV4Key) -> Tombstone;

    /// The claim that an IPv6 entry yielded to last, or that there was none.
    fn tombstone_v6(&self, key: &ResponderV6Key) -> Tombstone;

    /// Whose station this is.
    fn station(&self, mac: MacAddress) -> Station;

    /// `CLOCK_MONOTONIC` in nanoseconds.
    fn now_ns(&self) -> u64;

    /// Asks for leave to send one echo reply.
    fn leave_to_echo(&self) -> Leave;
}

/// Whose a station is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Station {
    /// Nobody's that we know.
    Stranger,
    /// Another member's: its claims count.
    Member,
    /// This node's own.
    Own,
}

/// The key of an entry, of either family.
trait Key {
    fn hold<T: Tables>(&self, tables: &T) -> HoldValue;
    fn tombstone<T: Tables>(&self, tables: &T) -> Tombstone;

    /// Whether the entry yielded to a claim that still stands.
    #[inline(always)]
    fn is_fenced<T: Tables>(&self, tables: &T) -> bool {
        let tombstone = self.tombstone(tables);
        // Nearly always there is none, and no second question.
        tombstone.time_ns != 0 && tombstone.stands(self.hold(tables))
    }
}

impl Key for ResponderV4Key {
    #[inline(always)]
    fn hold<T: Tables>(&self, tables: &T) -> HoldValue {
        tables.hold_v4(self)
    }

    #[inline(always)]
    fn tombstone<T: Tables>(&self, tables: &T) -> Tombstone {
        tables.tombstone_v4(self)
    }
}

impl Key for ResponderV6Key {
    #[inline(always)]
    fn hold<T: Tables>(&self, tables: &T) -> HoldValue {
        tables.hold_v6(self)
    }

    #[inline(always)]
    fn tombstone<T: Tables>(&self, tables: &T) -> Tombstone {
        tables.tombstone_v6(self)
    }
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
    /// The same, for another node's wire watch: not counted on the entry.
    AnswerProbe,
    /// The frame tells where one of our addresses is: judge that by [`told::judge`].
    Judge(Teller),
    /// Hand the frame, which is untouched, to the next program.
    Pass(Outcome),
    /// Take the frame off the wire: it is for us alone, and is not answered.
    Drop(Outcome),
}

impl<E> Verdict<E> {
    /// To answer a request with this signal for an entry.
    #[inline(always)]
    fn answer(entry: E, signal: Raw) -> Self {
        if signal.is_probe() {
            Self::AnswerProbe
        } else {
            Self::Answer(entry)
        }
    }
}
