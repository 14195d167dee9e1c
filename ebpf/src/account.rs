//! What became of the frames about each entry, counted beside the entry and not by processor: few frames at a time are
//! about one address. Behind real calls, so that the keys are on nobody else's stack.

use core::arch::asm;

use aya_ebpf::{bindings::__sk_buff, programs::TcContext};
use lightship_abi::{
    arp, echo,
    kind::Kind,
    layout::{ResponderV4Key, ResponderV6Key},
    ndp,
    outcome::{EntryOutcomes, OUTCOME_SLOTS, Outcome},
    verdict::Station,
    wakeup,
};

use crate::{frame, tables};

/// Notes what became of a frame, and reads it back: the verifier then knows no more what it is, and walks what follows
/// once instead of once for each outcome.
#[inline(always)]
pub(crate) fn noted(outcome: i32) -> Option<u32> {
    let note = tables::note()?;
    // SAFETY: the pointer came from the map and is valid while the program runs.
    let place = unsafe { &raw mut (*note).outcome };
    // SAFETY: as above.
    unsafe { place.write_volatile(outcome.cast_unsigned()) };
    // SAFETY: as above.
    Some(unsafe { place.read_volatile() })
}

/// Counts a frame, after its reply was written if there is one. Frames that are too short to name an address, or that name
/// one that is not ours, are counted nowhere here.
#[inline(always)]
pub(crate) fn count(skb: *mut __sk_buff, kind: Kind, slot: u32) {
    let answered = slot == Outcome::AnsweredEcho.slot();
    match kind {
        Kind::Other => {}
        Kind::Arp => {
            // A reply's sender is what the request asked for, and who tells of our address is its sender too.
            if !count_v4(skb, arp::SENDER_AT, slot) {
                count_v4(skb, arp::TARGET_AT, slot);
            }
        }
        Kind::Solicitation | Kind::Advertisement => count_v6(skb, ndp::TARGET_AT, slot),
        Kind::EchoV4 if answered => {
            count_v4(skb, echo::SOURCE_V4_AT, slot);
        }
        Kind::EchoV4 => {
            count_v4(skb, echo::TARGET_V4_AT, slot);
        }
        Kind::EchoV6 if answered => count_v6(skb, echo::SOURCE_V6_AT, slot),
        Kind::EchoV6 => count_v6(skb, echo::TARGET_V6_AT, slot),
    }
}

/// Counts a frame on the entry of the address at `at`; whether there is such an entry.
#[inline(never)]
fn count_v4(skb: *mut __sk_buff, at: usize, slot: u32) -> bool {
    let ctx = &TcContext::new(skb);
    let Ok(address) = ctx.load::<[u8; 4]>(at) else {
        return false;
    };
    let key = ResponderV4Key::new(address, frame::arrival(ctx).ifindex);
    match tables::outcomes_v4(&key) {
        Some(outcomes) => {
            increment(outcomes, slot);
            true
        }
        None => false,
    }
}

/// As [`count_v4`].
#[inline(never)]
fn count_v6(skb: *mut __sk_buff, at: usize, slot: u32) {
    let ctx = &TcContext::new(skb);
    let Ok(address) = ctx.load::<[u8; 16]>(at) else {
        return;
    };
    let key = ResponderV6Key::new(address, frame::arrival(ctx).ifindex);
    if let Some(outcomes) = tables::outcomes_v6(&key) {
        increment(outcomes, slot);
    }
}

/// Adds one to the counter of a slot. Each slot has an instruction of its own, which no compiler merges with another's: a
/// number that the verifier does not know, added to a pointer, makes it walk all that came before again and again where
/// CAP_PERFMON is missing.
#[inline(always)]
fn increment(outcomes: *mut EntryOutcomes, slot: u32) {
    macro_rules! by_slot {
        ($($slot:literal)*) => {
            match slot {
                $($slot => add_one::<{ 8 * $slot }>(outcomes),)*
                _ => {}
            }
        };
    }
    const { assert!(OUTCOME_SLOTS == 32) }
    by_slot!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
}

#[inline(always)]
fn add_one<const OFFSET: i16>(outcomes: *mut EntryOutcomes) {
    // SAFETY: the pointer came from the map and is valid while the program runs; the counter at the offset is within the
    // value, and every processor changes it by atomic additions only.
    unsafe {
        asm!(
            "lock *(u64 *)({outcomes} + {offset}) += {one}",
            outcomes = in(reg) outcomes,
            offset = const OFFSET,
            one = in(reg) 1_u64,
        );
    }
}

/// Whether user space is to be told that somebody says to have an entry's address. If so, that is remembered.
#[inline(always)]
pub(crate) fn is_due_v4(key: &ResponderV4Key, station: Station, now_ns: u64) -> bool {
    is_due(tables::outcomes_v4(key), station, now_ns)
}

/// As [`is_due_v4`].
#[inline(always)]
pub(crate) fn is_due_v6(key: &ResponderV6Key, station: Station, now_ns: u64) -> bool {
    is_due(tables::outcomes_v6(key), station, now_ns)
}

/// Members are heard apart from strangers: a stranger that shouts does not drown them.
#[inline(always)]
fn is_due(outcomes: Option<*mut EntryOutcomes>, station: Station, now_ns: u64) -> bool {
    if !tables::has_room_for_conflicts() {
        return false;
    }
    let Some(outcomes) = outcomes else {
        return true;
    };
    // Both are read and both written: the verifier lets nobody who lacks CAP_PERFMON choose between two places.
    // SAFETY: the pointer came from the map and is valid while the program runs.
    let stranger = unsafe { (&raw const (*outcomes).stranger_told_ns).read_volatile() };
    // SAFETY: as above.
    let member = unsafe { (&raw const (*outcomes).member_told_ns).read_volatile() };
    let (last, strangers, members) = match station {
        Station::Member => (member, stranger, now_ns),
        Station::Stranger | Station::Own => (stranger, now_ns, member),
    };
    if !wakeup::is_due(last, now_ns) {
        return false;
    }
    // SAFETY: as above; another processor that tells at the same moment costs a record more.
    unsafe { (&raw mut (*outcomes).stranger_told_ns).write_volatile(strangers) };
    // SAFETY: as above.
    unsafe { (&raw mut (*outcomes).member_told_ns).write_volatile(members) };
    true
}
