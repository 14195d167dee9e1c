//! The responder: a classifier at the head of TCX ingress that answers ARP requests, neighbour solicitations and
//! echo requests for the addresses in its maps and hands everything else, untouched, to the next program. It decides nothing itself: `lightship_abi::verdict` does, on
//! the tables below, so what runs here is what the native tests search.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(
    clippy::inline_always,
    reason = "the kernel's verifier takes no aggregates across real calls"
)]
#![expect(
    missing_docs,
    reason = "the attribute on the program drops the documentation of what it makes public"
)]
#![expect(
    internal_features,
    reason = "AtomicU64 has no additions for this target, which lacks compare-and-swap"
)]

mod frame;
mod tables;

use aya_ebpf::{bindings::__sk_buff, macros::classifier, programs::TcContext};
use lightship_abi::{
    arp, echo,
    kind::{self, Kind},
    layout::{ResponderV4Key, ResponderV6Key},
    ndp,
    outcome::Outcome,
    verdict::{self, Arrival, Tables as _, Verdict},
};
use tables::{Counter, Kernel};

/// `TCX_NEXT`: go on with the next program. Returning 0 (`TCX_PASS`) would end the chain before the node's network
/// plugin. The classic classifier reads the same number as `TC_ACT_UNSPEC`, with the same meaning.
const NEXT: i32 = -1;

/// `TCX_DROP`, which is `TC_ACT_SHOT`.
const DROP: i32 = 2;

/// The name is a contract: `lightship_abi::names::INGRESS_PROGRAM`.
///
/// What answers is behind real calls, whose stack frames the kernel counts apart.
#[classifier]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the attribute hands the context over"
)]
#[expect(
    unreachable_pub,
    reason = "the loader reaches it through the object's symbol table"
)]
pub fn lightship_ingress(ctx: TcContext) -> i32 {
    let kind = kind::of(frame::ethertype(&ctx), tables::ping(), || frame::glance(&ctx));
    match kind {
        Kind::Other => NEXT,
        // Its VLAN's own interface will see it.
        _ if frame::is_tagged(&ctx) => pass(Outcome::PassedTagged),
        // Most that is asked is asked of others: it pays for one look-up and no call.
        Kind::Arp if is_for_others(&ctx) => pass(Outcome::PassedNoEntry),
        Kind::Arp => request(ctx.skb.skb),
        Kind::Solicitation if is_for_others_v6(ctx.skb.skb) => pass(Outcome::PassedNoEntry),
        Kind::Solicitation => solicitation(ctx.skb.skb),
        Kind::EchoV4 => echo_v4(ctx.skb.skb),
        Kind::EchoV6 => echo_v6(ctx.skb.skb),
    }
}

/// Whether an ARP frame asks for an address that is not ours, as far as can be seen in place. What cannot is left to the
/// decision, which sees the same first.
#[inline(always)]
fn is_for_others(ctx: &TcContext) -> bool {
    let ifindex = frame::arrival(ctx).ifindex;
    frame::in_place::<{ arp::TARGET_AT }, 4>(ctx)
        .is_some_and(|target| Kernel.entry_v4(&ResponderV4Key::new(target, ifindex)).is_none())
}

/// As [`is_for_others`], of a solicitation: apart, because its key would take too much of everybody's stack.
#[inline(never)]
fn is_for_others_v6(skb: *mut __sk_buff) -> bool {
    let ctx = &TcContext::new(skb);
    let ifindex = frame::arrival(ctx).ifindex;
    frame::in_place::<{ ndp::TARGET_AT }, 16>(ctx)
        .is_some_and(|target| Kernel.entry_v6(&ResponderV6Key::new(target, ifindex)).is_none())
}

#[inline(never)]
fn request(skb: *mut __sk_buff) -> i32 {
    let ctx = &TcContext::new(skb);
    let Some(mut frame) = frame::read::<{ arp::FRAME_LEN }, _>(ctx) else {
        return pass(Outcome::PassedShort);
    };
    let arrival = frame::arrival(ctx);
    match verdict::arp::decide(&mut frame, arrival.ifindex, &Kernel) {
        Verdict::Answer(counter) => {
            if frame::write(ctx, &frame).is_err() {
                return drop_frame(Outcome::FailedWrite);
            }
            answered(&counter, arrival)
        }
        Verdict::Pass(outcome) => pass(outcome),
        Verdict::Drop(outcome) => drop_frame(outcome),
    }
}

#[inline(never)]
fn solicitation(skb: *mut __sk_buff) -> i32 {
    let ctx = &TcContext::new(skb);
    let Some(mut frame) = frame::read::<{ ndp::HEAD_LEN }, { ndp::FRAME_LEN }>(ctx) else {
        return pass(Outcome::PassedShort);
    };
    let arrival = frame::arrival(ctx);
    match verdict::ndp::decide(&mut frame, arrival, &frame::Rest(ctx), &Kernel) {
        Verdict::Answer(counter) => {
            if frame::resize(ctx, ndp::FRAME_LEN as u32).is_err() || frame::write(ctx, &frame).is_err() {
                return drop_frame(Outcome::FailedWrite);
            }
            answered(&counter, arrival)
        }
        Verdict::Pass(outcome) => pass(outcome),
        Verdict::Drop(outcome) => drop_frame(outcome),
    }
}

#[inline(never)]
fn echo_v4(skb: *mut __sk_buff) -> i32 {
    let ctx = &TcContext::new(skb);
    let Some(mut frame) = frame::read::<{ echo::V4_LEN }, _>(ctx) else {
        return NEXT;
    };
    let arrival = frame::arrival(ctx);
    let verdict = verdict::echo::decide_v4(&mut frame, arrival, &Kernel);
    echoed(ctx, &frame, verdict, arrival)
}

#[inline(never)]
fn echo_v6(skb: *mut __sk_buff) -> i32 {
    let ctx = &TcContext::new(skb);
    let Some(mut frame) = frame::read::<{ echo::V6_LEN }, _>(ctx) else {
        return NEXT;
    };
    let arrival = frame::arrival(ctx);
    let verdict = verdict::echo::decide_v6(&mut frame, arrival, &Kernel);
    echoed(ctx, &frame, verdict, arrival)
}

#[inline(always)]
fn echoed<const N: usize>(
    ctx: &TcContext,
    frame: &[u8; N],
    verdict: Option<Verdict<()>>,
    arrival: Arrival,
) -> i32 {
    match verdict {
        None => NEXT,
        Some(Verdict::Answer(())) => {
            if frame::write(ctx, frame).is_err() {
                return drop_frame(Outcome::FailedWrite);
            }
            tables::count(Outcome::AnsweredEcho);
            frame::send_back(arrival.ifindex)
        }
        Some(Verdict::Pass(outcome)) => pass(outcome),
        Some(Verdict::Drop(outcome)) => drop_frame(outcome),
    }
}

#[inline(always)]
fn answered(counter: &Counter, arrival: Arrival) -> i32 {
    counter.increment();
    tables::count(Outcome::Answered);
    frame::send_back(arrival.ifindex)
}

#[inline(always)]
fn pass(outcome: Outcome) -> i32 {
    tables::count(outcome);
    NEXT
}

#[inline(always)]
fn drop_frame(outcome: Outcome) -> i32 {
    tables::count(outcome);
    DROP
}

/// The kernel takes programs under the GPL; the crate is offered under it beside Apache-2.0. None of the helpers used
/// here asks for it (`bpf_ktime_get_ns` has not since Linux 5.8).
// SAFETY: the section and the symbol are those the loader reads the licence from, and nothing else defines them.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";

/// Never reached: the verifier refuses a program that could loop here.
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
