//! The decision about an echo request. Replies are not counted on the entry, whose counter means address resolution.

use super::{Arrival, Key, Leave, Tables, Verdict};
use crate::{
    echo::{self, V4_LEN, V6_LEN},
    layout::{ResponderV4Key, ResponderV6Key},
    liveness::Gate,
    mac::MacAddress,
    outcome::Outcome,
};

/// Decides about the first bytes of an IPv4 frame with an echo request, and makes them the reply if the verdict is to
/// answer. No outcome is counted for addresses that are not ours: the node's own pings pay for no more than a look-up.
#[inline(always)]
pub fn decide_v4<T: Tables>(frame: &mut [u8; V4_LEN], arrival: Arrival, tables: &T) -> Option<Verdict<()>> {
    let key = ResponderV4Key::new(echo::target_v4(frame), arrival.ifindex);
    tables.entry_v4(&key)?;
    let answerable = |mac| echo::is_answerable_v4(frame, arrival.length, mac);
    let verdict = decide(&key, arrival, tables, answerable);
    if verdict == Verdict::Answer(()) {
        echo::make_reply_v4(frame);
    }
    Some(verdict)
}

/// As [`decide_v4`].
#[inline(always)]
pub fn decide_v6<T: Tables>(frame: &mut [u8; V6_LEN], arrival: Arrival, tables: &T) -> Option<Verdict<()>> {
    let key = ResponderV6Key::new(echo::target_v6(frame), arrival.ifindex);
    tables.entry_v6(&key)?;
    let answerable = |mac| echo::is_answerable_v6(frame, arrival.length, mac);
    let verdict = decide(&key, arrival, tables, answerable);
    if verdict == Verdict::Answer(()) {
        echo::make_reply_v6(frame);
    }
    Some(verdict)
}

#[inline(always)]
fn decide<T: Tables, K: Key>(
    key: &K,
    arrival: Arrival,
    tables: &T,
    answerable: impl FnOnce(MacAddress) -> bool,
) -> Verdict<()> {
    let Some(mac) = tables.interface(arrival.ifindex) else {
        return Verdict::Pass(Outcome::PassedUnknownInterface);
    };
    if !answerable(mac) {
        return Verdict::Pass(Outcome::PassedEcho);
    }
    if key.is_fenced(tables) {
        return Verdict::Pass(Outcome::Fenced);
    }
    if tables.gate() == Gate::Closed {
        return Verdict::Pass(Outcome::Gated);
    }
    // Dropped, not passed: nobody behind us has the address, and the node would route the frame back to the wire.
    if tables.leave_to_echo() == Leave::Refused {
        return Verdict::Drop(Outcome::LimitedEcho);
    }
    Verdict::Answer(())
}
