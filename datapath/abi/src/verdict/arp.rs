//! The decision about an ARP frame.

use super::{Key as _, Tables, Verdict, told::Teller};
use crate::{
    arp::{self, FRAME_LEN, Glance, Operation, Pair, Unfit},
    layout::ResponderV4Key,
    liveness::Gate,
    mac::MacAddress,
    outcome::Outcome,
    signal::{self, Raw},
};

/// How a frame is about one of our addresses.
#[derive(Debug, PartialEq, Eq)]
pub enum About<E> {
    /// It tells of it: its sender says to have it.
    Told,
    /// It asks for it.
    Asked(ResponderV4Key, E),
}

/// How a frame is about one of our addresses on `ifindex`, by the part of it that tells; none if it is about others'. Who
/// says to have one of ours is looked at first, whatever it asks.
#[inline(always)]
pub fn about<T: Tables>(glance: &Glance, ifindex: u32, tables: &T) -> Option<About<T::Entry>> {
    let sender = ResponderV4Key::new(glance.sender(), ifindex);
    let target = ResponderV4Key::new(glance.target(), ifindex);
    if sender.ip4 != 0 && tables.is_entry_v4(&sender) {
        return Some(About::Told);
    }
    if glance.is_reply() || sender.ip4 == target.ip4 {
        return None;
    }
    let entry = tables.entry_v4(&target)?;
    Some(About::Asked(target, entry))
}

/// Decides about the first bytes of an ARP frame that came in on `ifindex`, and makes them the reply if the verdict is
/// to answer. `padding` reads what may be a signal behind them.
#[inline(always)]
pub fn decide<T: Tables>(
    frame: &mut [u8; FRAME_LEN],
    ifindex: u32,
    padding: impl FnOnce() -> Option<[u8; signal::LEN]>,
    tables: &T,
) -> Verdict<T::Entry> {
    let Some(about) = about(&Glance::of(frame), ifindex, tables) else {
        return Verdict::Pass(Outcome::PassedNoEntry);
    };
    let operation = match arp::parse(frame) {
        Ok(operation) => operation,
        Err(Unfit::Malformed) => return Verdict::Pass(Outcome::PassedMalformed),
        Err(Unfit::Operation) => return Verdict::Pass(Outcome::PassedOperation),
    };
    match about {
        About::Told => {
            let (source, hardware) = (arp::source(frame), arp::sender_hardware(frame));
            Verdict::Judge(teller(source, hardware, padding()))
        }
        // A reply is about its sender alone.
        About::Asked(..) if operation == Operation::Reply => Verdict::Pass(Outcome::PassedNoEntry),
        About::Asked(key, entry) => answer(frame, key, entry, padding, tables),
    }
}

/// Decides about a frame that was seen to ask for an entry before it was read: answers it, or says that all of it is to be
/// looked at by [`decide`]. Its bytes may have changed since, where a sender shares them with the kernel: it is gone by
/// what was read.
#[inline(always)]
pub fn answer_at_once<T: Tables>(
    frame: &mut [u8; FRAME_LEN],
    (seen, ifindex, entry): (Pair, u32, T::Entry),
    padding: impl FnOnce() -> Option<[u8; signal::LEN]>,
    tables: &T,
) -> Option<T::Entry> {
    if Glance::of(frame).pair() != seen || arp::parse(frame) != Ok(Operation::Request) {
        return None;
    }
    let key = ResponderV4Key {
        ip4: seen.target,
        ifindex,
    };
    match answer(frame, key, entry, padding, tables) {
        Verdict::Answer(entry) => Some(entry),
        _ => None,
    }
}

/// Decides about a sound request for an entry, and makes the frame the reply if the verdict is to answer.
#[inline(always)]
fn answer<T: Tables>(
    frame: &mut [u8; FRAME_LEN],
    key: ResponderV4Key,
    entry: T::Entry,
    padding: impl FnOnce() -> Option<[u8; signal::LEN]>,
    tables: &T,
) -> Verdict<T::Entry> {
    let ifindex = key.ifindex;
    let Some(mac) = tables.interface(ifindex) else {
        return Verdict::Pass(Outcome::PassedUnknownInterface);
    };
    let destination = arp::destination(frame);
    if destination != MacAddress::BROADCAST && destination != mac {
        return Verdict::Pass(Outcome::PassedForeignDestination);
    }
    if key.is_fenced(tables) {
        return Verdict::Pass(Outcome::Fenced);
    }
    if tables.gate() == Gate::Closed {
        return Verdict::Pass(Outcome::Gated);
    }
    let verdict = Verdict::answer(entry, signal(padding()));
    arp::make_reply(frame, mac);
    verdict
}

/// Who tells of its address by a frame that was found sound: from this station by its Ethernet header, with this
/// hardware address for the sender's and this behind it.
#[inline(always)]
#[must_use]
pub fn teller(source: MacAddress, hardware: MacAddress, padding: Option<[u8; signal::LEN]>) -> Teller {
    Teller::new(source, hardware, signal(padding))
}

#[inline(always)]
fn signal(padding: Option<[u8; signal::LEN]>) -> Raw {
    padding.map_or(Raw::NONE, |bytes| Raw::of(&bytes))
}
