//! The responder: a classifier at the head of TCX ingress that answers ARP requests, neighbour solicitations and
//! echo requests for the addresses in its maps, yields them to the claims of other members, and hands everything else,
//! untouched, to the next program. It decides nothing itself: `lightship_abi::verdict` does, on the tables below, so what
//! runs here is what the native tests search.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch, core_intrinsics)]
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

mod account;
mod at_once;
mod frame;
mod tables;
mod trace;

use core::mem::MaybeUninit;

use at_once::Seen;
use aya_ebpf::{bindings::__sk_buff, macros::classifier, programs::TcContext};
use lightship_abi::{
    arp, echo, ipv6,
    kind::{self, Kind},
    layout::{ResponderV4Key, ResponderV6Key},
    mac::MacAddress,
    ndp,
    outcome::{OUTCOME_SLOTS, Outcome},
    verdict::{
        self, Tables as _, Verdict,
        told::{Judgement, Teller},
    },
    wakeup::{CONFLICT, Wakeup, YIELDED},
};
use tables::Kernel;

/// `TCX_NEXT`: go on with the next program. Returning 0 (`TCX_PASS`) would end the chain before the node's network
/// plugin. The classic classifier reads the same number as `TC_ACT_UNSPEC`, with the same meaning.
const NEXT: i32 = -1;

/// `TCX_DROP`, which is `TC_ACT_SHOT`.
const DROP: i32 = 2;

/// What is returned, in place of an outcome's slot, of a frame that is none of ours.
const FOREIGN: i32 = -1;

/// What is returned, in place of an outcome's slot, of a sound frame that tells where an address of ours is: the stack has
/// no room to judge that from within.
const TELLS: i32 = -2;

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
    let skb = ctx.skb.skb;
    let is_for_others = match kind {
        Kind::Other => return NEXT,
        // Its VLAN's own interface will see it.
        _ if frame::is_of_a_vlan(&ctx) => {
            trace::begin(skb, kind);
            return conclude(skb, kind, slot(Outcome::PassedTagged));
        }
        // Most that is asked is asked of others: it pays for one look-up and no call.
        Kind::Arp => match at_once::seen(&ctx) {
            Seen::ForOthers => true,
            Seen::Asks(request, counter) if !tables::is_tracing() => {
                let verdict = at_once::answer(skb, counter.0, request.sender, request.target);
                if verdict != at_once::UNDECIDED {
                    return verdict;
                }
                false
            }
            Seen::Asks(..) | Seen::More => false,
        },
        Kind::Solicitation | Kind::Advertisement => is_for_others_v6(skb),
        Kind::EchoV4 | Kind::EchoV6 => false,
    };
    if is_for_others {
        return pass(Outcome::PassedNoEntry);
    }
    trace::begin(skb, kind);
    let outcome = judge(skb, kind);
    conclude(skb, kind, outcome)
}

/// Decides about a frame and carries the decision out, save for where it goes: the slot of its outcome, or [`FOREIGN`].
#[inline(always)]
fn judge(skb: *mut __sk_buff, kind: Kind) -> i32 {
    match kind {
        Kind::Other => FOREIGN,
        Kind::Arp => match request(skb) {
            TELLS => told_v4(skb),
            outcome => outcome,
        },
        Kind::Solicitation => match solicitation(skb) {
            TELLS => told_by_writing(skb),
            outcome => outcome,
        },
        Kind::Advertisement => match advertisement(skb) {
            TELLS => told_v6(skb),
            outcome => outcome,
        },
        Kind::EchoV4 => echo_v4(skb),
        Kind::EchoV6 => echo_v6(skb),
    }
}

/// Counts what became of a frame, and lets it go there.
#[inline(never)]
fn conclude(skb: *mut __sk_buff, kind: Kind, outcome: i32) -> i32 {
    let Some(slot) = account::noted(outcome).filter(|slot| *slot < OUTCOME_SLOTS) else {
        return NEXT;
    };
    tables::count(slot);
    // The entry counts its answers itself, and a VLAN's frames are about another's entries.
    if slot != Outcome::Answered.slot() && slot != Outcome::PassedTagged.slot() {
        account::count(skb, kind, slot);
    }
    trace::end();
    if slot == Outcome::Answered.slot()
        || slot == Outcome::AnsweredProbe.slot()
        || slot == Outcome::AnsweredEcho.slot()
    {
        return frame::send_back(&TcContext::new(skb));
    }
    if slot == Outcome::FailedWrite.slot() || slot == Outcome::LimitedEcho.slot() {
        return DROP;
    }
    NEXT
}

/// Whether a message of neighbour discovery is about none of our addresses, as far as can be seen in place: apart, because
/// its key would take too much of everybody's stack.
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
        return slot(Outcome::PassedShort);
    };
    let ifindex = frame::arrival(ctx).ifindex;
    match verdict::arp::decide(&mut frame, ifindex, || frame::padding(ctx), &Kernel) {
        Verdict::Answer(counter) => match frame::write(ctx, &frame) {
            Ok(()) => {
                counter.increment();
                slot(Outcome::Answered)
            }
            Err(_) => slot(Outcome::FailedWrite),
        },
        Verdict::AnswerProbe => written(frame::write(ctx, &frame), Outcome::AnsweredProbe),
        Verdict::Judge(_) => TELLS,
        Verdict::Pass(outcome) | Verdict::Drop(outcome) => slot(outcome),
    }
}

#[inline(never)]
fn solicitation(skb: *mut __sk_buff) -> i32 {
    let ctx = &TcContext::new(skb);
    let Some(mut frame) = frame::read::<{ ndp::HEAD_LEN }, { ndp::FRAME_LEN }>(ctx) else {
        return slot(Outcome::PassedShort);
    };
    match verdict::ndp::decide(&mut frame, frame::arrival(ctx), &frame::Rest(ctx), &Kernel) {
        Verdict::Answer(counter) => match write_advertisement(ctx, &frame) {
            Ok(()) => {
                counter.increment();
                slot(Outcome::Answered)
            }
            Err(_) => slot(Outcome::FailedWrite),
        },
        Verdict::AnswerProbe => written(write_advertisement(ctx, &frame), Outcome::AnsweredProbe),
        Verdict::Judge(_) => TELLS,
        Verdict::Pass(outcome) | Verdict::Drop(outcome) => slot(outcome),
    }
}

#[inline(always)]
fn write_advertisement(ctx: &TcContext, frame: &[u8; ndp::FRAME_LEN]) -> Result<(), i64> {
    frame::resize(ctx, ndp::FRAME_LEN as u32)?;
    frame::write(ctx, frame)
}

#[inline(never)]
fn advertisement(skb: *mut __sk_buff) -> i32 {
    let ctx = &TcContext::new(skb);
    let mut head = MaybeUninit::uninit();
    let Some(frame) = frame::read_into::<{ ndp::HEAD_LEN }, { ndp::FRAME_LEN }>(ctx, &mut head) else {
        return slot(Outcome::PassedShort);
    };
    match verdict::ndp::hear(frame, frame::arrival(ctx), &frame::Rest(ctx), &Kernel) {
        Ok(_) => TELLS,
        Err(outcome) => slot(outcome),
    }
}

/// Judges who tells of its own address by an ARP frame.
#[inline(never)]
fn told_v4(skb: *mut __sk_buff) -> i32 {
    let ctx = &TcContext::new(skb);
    let (Ok(source), Ok(hardware), Ok(address)) = (
        ctx.load(arp::SOURCE_AT),
        ctx.load(arp::SENDER_HARDWARE_AT),
        ctx.load::<[u8; 4]>(arp::SENDER_AT),
    ) else {
        return FOREIGN;
    };
    let teller = verdict::arp::teller(MacAddress(source), MacAddress(hardware), frame::padding(ctx));
    let ifindex = frame::arrival(ctx).ifindex;
    let key = ResponderV4Key::new(address, ifindex);
    match verdict::told::judge(&key, ifindex, teller, &Kernel) {
        Judgement::Yield(tombstone, told) => {
            tables::leave_v4(&key, &tombstone);
            tables::wake(Wakeup::v4(YIELDED, ifindex, address, told));
            slot(Outcome::YieldedClaim)
        }
        Judgement::Report(told, station) => {
            if account::is_due_v4(&key, station, told.time_ns) {
                tables::wake(Wakeup::v4(CONFLICT, ifindex, address, told));
            }
            slot(Outcome::PassedConflict)
        }
        Judgement::Ignore(outcome) => slot(outcome),
    }
}

/// Judges who tells of an address by a neighbour advertisement.
#[inline(never)]
fn told_v6(skb: *mut __sk_buff) -> i32 {
    let ctx = &TcContext::new(skb);
    let (Ok(source), Ok(payload)) = (ctx.load(ndp::STATION_AT), ctx.load(ipv6::LENGTH_AT)) else {
        return FOREIGN;
    };
    let payload = u16::from_be_bytes(payload);
    judge_v6(
        ctx,
        verdict::ndp::teller(MacAddress(source), payload, &frame::Rest(ctx)),
    )
}

/// Judges who asks for an address of ours from that very address.
#[inline(never)]
fn told_by_writing(skb: *mut __sk_buff) -> i32 {
    let ctx = &TcContext::new(skb);
    let Ok(source) = ctx.load(ndp::STATION_AT) else {
        return FOREIGN;
    };
    judge_v6(ctx, Teller::writing(MacAddress(source)))
}

#[inline(always)]
fn judge_v6(ctx: &TcContext, teller: Teller) -> i32 {
    let Ok(address) = ctx.load::<[u8; 16]>(ndp::TARGET_AT) else {
        return FOREIGN;
    };
    let ifindex = frame::arrival(ctx).ifindex;
    let key = ResponderV6Key::new(address, ifindex);
    match verdict::told::judge(&key, ifindex, teller, &Kernel) {
        Judgement::Yield(tombstone, told) => {
            tables::leave_v6(&key, &tombstone);
            tables::wake(Wakeup::v6(YIELDED, ifindex, address, told));
            slot(Outcome::YieldedClaim)
        }
        Judgement::Report(told, station) => {
            if account::is_due_v6(&key, station, told.time_ns) {
                tables::wake(Wakeup::v6(CONFLICT, ifindex, address, told));
            }
            slot(Outcome::PassedConflict)
        }
        Judgement::Ignore(outcome) => slot(outcome),
    }
}

#[inline(never)]
fn echo_v4(skb: *mut __sk_buff) -> i32 {
    let ctx = &TcContext::new(skb);
    let Some(mut frame) = frame::read::<{ echo::V4_LEN }, _>(ctx) else {
        return FOREIGN;
    };
    let verdict = verdict::echo::decide_v4(&mut frame, frame::arrival(ctx), &Kernel);
    echoed(ctx, &frame, verdict)
}

#[inline(never)]
fn echo_v6(skb: *mut __sk_buff) -> i32 {
    let ctx = &TcContext::new(skb);
    let Some(mut frame) = frame::read::<{ echo::V6_LEN }, _>(ctx) else {
        return FOREIGN;
    };
    let verdict = verdict::echo::decide_v6(&mut frame, frame::arrival(ctx), &Kernel);
    echoed(ctx, &frame, verdict)
}

#[inline(always)]
fn echoed<const N: usize>(ctx: &TcContext, frame: &[u8; N], verdict: Option<Verdict<()>>) -> i32 {
    match verdict {
        // A ping tells of no address.
        None | Some(Verdict::Judge(_)) => FOREIGN,
        Some(Verdict::Answer(()) | Verdict::AnswerProbe) => {
            written(frame::write(ctx, frame), Outcome::AnsweredEcho)
        }
        Some(Verdict::Pass(outcome) | Verdict::Drop(outcome)) => slot(outcome),
    }
}

/// What became of a frame that was to be answered.
#[inline(always)]
fn written(result: Result<(), i64>, answered: Outcome) -> i32 {
    slot(match result {
        Ok(()) => answered,
        Err(_) => Outcome::FailedWrite,
    })
}

#[inline(always)]
fn pass(outcome: Outcome) -> i32 {
    tables::count(outcome.slot());
    NEXT
}

#[inline(always)]
#[expect(clippy::cast_possible_wrap, reason = "there are few outcomes")]
fn slot(outcome: Outcome) -> i32 {
    outcome.slot() as i32
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
