//! The decision about a neighbour solicitation.

use super::{Arrival, Tables, Verdict};
use crate::{
    ipv6,
    layout::ResponderV6Key,
    liveness::Gate,
    ndp::{self, FRAME_LEN, Intent, Options, Unfit},
    outcome::Outcome,
};

/// Decides about a neighbour solicitation whose first [`ndp::HEAD_LEN`] bytes are in `frame`, and makes `frame` the
/// advertisement if the verdict is to answer. The advertisement is then the whole frame to send, whatever the
/// solicitation's length was.
#[inline(always)]
pub fn decide<T: Tables>(
    frame: &mut [u8; FRAME_LEN],
    arrival: Arrival,
    options: &impl Options,
    tables: &T,
) -> Verdict<T::Entry> {
    let target = ndp::target(frame);
    let Some(entry) = tables.entry_v6(&ResponderV6Key::new(target, arrival.ifindex)) else {
        return Verdict::Pass(Outcome::PassedNoEntry);
    };
    let solicitation = match ndp::parse(frame, arrival.length, options) {
        Ok(solicitation) => solicitation,
        Err(Unfit::Malformed) => return Verdict::Pass(Outcome::PassedMalformed),
        Err(Unfit::HopLimit) => return Verdict::Pass(Outcome::PassedHopLimit),
        Err(Unfit::Checksum) => return Verdict::Pass(Outcome::PassedChecksum),
        Err(Unfit::TooLong) => return Verdict::Pass(Outcome::PassedTooLong),
    };
    if solicitation.intent == Intent::Claim {
        return Verdict::Pass(Outcome::PassedClaim);
    }
    let Some(mac) = tables.interface(arrival.ifindex) else {
        return Verdict::Pass(Outcome::PassedUnknownInterface);
    };
    let group = ipv6::stations(ipv6::solicited_node(target));
    if solicitation.destination != group && solicitation.destination != mac {
        return Verdict::Pass(Outcome::PassedForeignDestination);
    }
    if tables.gate() == Gate::Closed {
        return Verdict::Pass(Outcome::Gated);
    }
    ndp::make_advertisement(frame, mac, solicitation.intent);
    Verdict::Answer(entry)
}
