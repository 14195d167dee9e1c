//! The decision about one ARP frame, in one place: the kernel asks its maps, tests ask tables of their own.

use crate::{
    arp::{self, FRAME_LEN, Intent, NotRequest},
    layout::ResponderV4Key,
    liveness::Gate,
    mac::MacAddress,
    outcome::Outcome,
};

/// What the decision needs to know. Each question is asked at most once, the cheap and selective ones first.
pub trait Tables {
    /// What is found for one of our addresses; the kernel's is a pointer to its counter.
    type Entry;

    /// The entry of an address on an interface, if it is ours there.
    fn entry(&self, key: ResponderV4Key) -> Option<Self::Entry>;

    /// The hardware address an interface answers with, if it may answer.
    fn interface(&self, ifindex: u32) -> Option<MacAddress>;

    /// Whether the agent has shown itself recently.
    fn gate(&self) -> Gate;
}

/// What to do with a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<E> {
    /// Send the frame, which is now the reply, back out of the interface it came in on, and count it on the entry.
    Answer(E),
    /// Hand the frame, which is untouched, to the next program.
    Pass(Outcome),
}

/// Decides about the first bytes of an ARP frame that came in on `ifindex`, and makes them the reply if the verdict is
/// to answer.
#[inline(always)]
pub fn decide<T: Tables>(frame: &mut [u8; FRAME_LEN], ifindex: u32, tables: &T) -> Verdict<T::Entry> {
    let request = match arp::parse(frame) {
        Ok(request) => request,
        Err(NotRequest::Malformed) => return Verdict::Pass(Outcome::PassedMalformed),
        Err(NotRequest::Operation) => return Verdict::Pass(Outcome::PassedOperation),
    };
    let Some(entry) = tables.entry(ResponderV4Key::new(request.target, ifindex)) else {
        return Verdict::Pass(Outcome::PassedNoEntry);
    };
    if request.intent == Intent::Claim {
        return Verdict::Pass(Outcome::PassedClaim);
    }
    let Some(mac) = tables.interface(ifindex) else {
        return Verdict::Pass(Outcome::PassedUnknownInterface);
    };
    if request.destination != MacAddress::BROADCAST && request.destination != mac {
        return Verdict::Pass(Outcome::PassedForeignDestination);
    }
    if tables.gate() == Gate::Closed {
        return Verdict::Pass(Outcome::Gated);
    }
    arp::make_reply(frame, mac);
    Verdict::Answer(entry)
}
