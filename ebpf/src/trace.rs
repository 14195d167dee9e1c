//! Shows frames to whoever looks on: `lightship_abi::trace`. A frame is noted before it is judged, in a place of this
//! processor's own, so that it is shown as it came in; what was noted goes into the ring with what became of it. Nothing
//! is handed from one to the other through the program: the verifier would walk all that lies between once more.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::{bindings::__sk_buff, helpers::bpf_skb_load_bytes, programs::TcContext};
use lightship_abi::{
    arp, echo, ipv6,
    kind::Kind,
    ndp,
    trace::{COPIED, Record},
    verdict::Tables as _,
};

use crate::{
    frame,
    tables::{self, Kernel},
};

/// Whether a frame is about the address that is looked for.
#[inline(always)]
fn is_wanted(skb: *mut __sk_buff, kind: Kind) -> bool {
    match kind {
        Kind::Other => false,
        Kind::Arp => is_v4(skb, arp::TARGET_AT) || is_v4(skb, arp::SENDER_AT),
        Kind::Solicitation | Kind::Advertisement => is_v6(skb, ndp::TARGET_AT),
        Kind::EchoV4 => is_v4(skb, echo::TARGET_V4_AT),
        Kind::EchoV6 => is_v6(skb, echo::TARGET_V6_AT),
    }
}

#[inline(always)]
fn is_v4(skb: *mut __sk_buff, at: usize) -> bool {
    let address = TcContext::new(skb).load::<[u8; 4]>(at);
    address.is_ok_and(|[a, b, c, d]| is_filtered([u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0]), 0]))
}

#[inline(always)]
fn is_v6(skb: *mut __sk_buff, at: usize) -> bool {
    let address = TcContext::new(skb).load::<[u8; 16]>(at);
    address.is_ok_and(|octets| is_filtered([ipv6::word(&octets, 0), ipv6::word(&octets, 8)]))
}

#[inline(always)]
fn is_filtered(address: [u64; 2]) -> bool {
    // SAFETY: the pointer came from the map and is valid while the program runs.
    tables::filter().is_some_and(|filter| unsafe { (*filter).address } == address)
}

/// Notes a frame as it came in, if somebody wants to see it.
#[inline(never)]
pub(crate) fn begin(skb: *mut __sk_buff, kind: Kind) -> u32 {
    if tables::is_tracing()
        && let Some(note) = tables::note()
    {
        if is_wanted(skb, kind) {
            describe(skb, note);
        } else {
            // SAFETY: the pointer came from the map and is valid while the program runs.
            unsafe { (&raw mut (*note).length).write(0) };
        }
    }
    0
}

/// Shows what was noted, once what became of it is noted too.
#[inline(never)]
pub(crate) fn end() -> u32 {
    if tables::is_tracing()
        && let Some(note) = tables::note()
        // SAFETY: the pointer came from the map and is valid while the program runs.
        && unsafe { (*note).length } != 0
    {
        // SAFETY: as above.
        if !tables::show(unsafe { &*note }) {
            lose();
        }
        // SAFETY: as above.
        unsafe { (&raw mut (*note).length).write(0) };
    }
    0
}

/// Writes all of a record but the outcome.
#[inline(always)]
fn describe(skb: *mut __sk_buff, record: *mut Record) {
    let arrival = frame::arrival(&TcContext::new(skb));
    // SAFETY: the caller's pointer is to a whole record in a map.
    unsafe { (&raw mut (*record).time_ns).write(Kernel.now_ns()) };
    // SAFETY: as above.
    unsafe { (&raw mut (*record).ifindex).write(arrival.ifindex) };
    // SAFETY: as above.
    unsafe { (&raw mut (*record).outcome).write(0) };
    // SAFETY: as above.
    unsafe { (&raw mut (*record).length).write(arrival.length as u32) };
    // SAFETY: as above.
    let head = unsafe { &raw mut (*record).head };
    let mut copied = 0;
    let mut step = 0;
    while step < COPIED.len() {
        // SAFETY: there is room for as many bytes; the helper writes them all or says that it failed.
        if unsafe { bpf_skb_load_bytes(skb.cast(), 0, head.cast(), COPIED[step] as u32) } == 0 {
            copied = COPIED[step] as u32;
            break;
        }
        step += 1;
    }
    // SAFETY: as above.
    unsafe { (&raw mut (*record).copied).write(copied) };
    // SAFETY: as above.
    unsafe { (&raw mut (*record).pad).write([0; 2]) };
}

/// Counts a frame that could not be shown.
#[inline(always)]
fn lose() {
    if let Some(filter) = tables::filter() {
        // SAFETY: the pointer came from the map and is valid while the program runs; the program only adds to it.
        let lost = unsafe { &raw mut (*filter).lost };
        // SAFETY: as above.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(lost, 1) };
    }
}
