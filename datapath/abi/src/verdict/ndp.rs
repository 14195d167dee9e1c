//! The decision about a neighbour solicitation, and about an advertisement.

use super::{Arrival, Key as _, Tables, Verdict, told::Teller};
use crate::{
    ipv6,
    layout::ResponderV6Key,
    liveness::Gate,
    mac::MacAddress,
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
    let key = ResponderV6Key::new(target, arrival.ifindex);
    let Some(entry) = tables.entry_v6(&key) else {
        return Verdict::Pass(Outcome::PassedNoEntry);
    };
    let solicitation = match ndp::parse(frame, arrival.length, options) {
        Ok(solicitation) => solicitation,
        Err(unfit) => return Verdict::Pass(passed(unfit)),
    };
    if solicitation.intent == Intent::Claim {
        // It asks, so it is nobody's claim; but it writes from our address.
        return Verdict::Judge(Teller::writing(ndp::source(frame)));
    }
    let Some(mac) = tables.interface(arrival.ifindex) else {
        return Verdict::Pass(Outcome::PassedUnknownInterface);
    };
    let group = ipv6::stations(ipv6::solicited_node(target));
    if solicitation.destination != group && solicitation.destination != mac {
        return Verdict::Pass(Outcome::PassedForeignDestination);
    }
    if key.is_fenced(tables) {
        return Verdict::Pass(Outcome::Fenced);
    }
    if tables.gate() == Gate::Closed {
        return Verdict::Pass(Outcome::Gated);
    }
    ndp::make_advertisement(frame, mac, solicitation.intent);
    Verdict::answer(entry, solicitation.signal)
}

/// Reads a neighbour advertisement whose first [`ndp::HEAD_LEN`] bytes are in `frame`: who tells, to be judged by
/// [`super::told::judge`].
///
/// # Errors
/// Why it is passed without.
#[inline(always)]
pub fn hear<T: Tables>(
    frame: &[u8; FRAME_LEN],
    arrival: Arrival,
    options: &impl Options,
    tables: &T,
) -> Result<Teller, Outcome> {
    let key = ResponderV6Key::new(ndp::target(frame), arrival.ifindex);
    if tables.entry_v6(&key).is_none() {
        return Err(Outcome::PassedNoEntry);
    }
    let told = ndp::parse_advertisement(frame, arrival.length, options).map_err(passed)?;
    Ok(Teller::new(told.source, told.hardware, told.signal))
}

/// Who tells by an advertisement that was found sound, as [`ndp::told`].
#[inline(always)]
pub fn teller(source: MacAddress, payload: u16, options: &impl Options) -> Teller {
    let told = ndp::told(source, payload, options);
    Teller::new(told.source, told.hardware, told.signal)
}

#[inline(always)]
const fn passed(unfit: Unfit) -> Outcome {
    match unfit {
        Unfit::Malformed => Outcome::PassedMalformed,
        Unfit::HopLimit => Outcome::PassedHopLimit,
        Unfit::Checksum => Outcome::PassedChecksum,
        Unfit::TooLong => Outcome::PassedTooLong,
    }
}
