//! The decision about an ARP frame.

use super::{Tables, Verdict};
use crate::{
    arp::{self, FRAME_LEN, Intent, NotRequest},
    layout::ResponderV4Key,
    liveness::Gate,
    mac::MacAddress,
    outcome::Outcome,
};

/// Decides about the first bytes of an ARP frame that came in on `ifindex`, and makes them the reply if the verdict is
/// to answer.
#[inline(always)]
pub fn decide<T: Tables>(frame: &mut [u8; FRAME_LEN], ifindex: u32, tables: &T) -> Verdict<T::Entry> {
    let Some(entry) = tables.entry_v4(&ResponderV4Key::new(arp::target(frame), ifindex)) else {
        return Verdict::Pass(Outcome::PassedNoEntry);
    };
    let request = match arp::parse(frame) {
        Ok(request) => request,
        Err(NotRequest::Malformed) => return Verdict::Pass(Outcome::PassedMalformed),
        Err(NotRequest::Operation) => return Verdict::Pass(Outcome::PassedOperation),
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
