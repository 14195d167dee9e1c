//! The responder: a classifier at the head of TCX ingress that answers ARP requests for the addresses in its map and
//! hands everything else, untouched, to the next program. It decides nothing itself: `lightship_abi::verdict` does, on
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

use aya_ebpf::{macros::classifier, programs::TcContext};
use lightship_abi::{
    arp::ETHERTYPE,
    outcome::Outcome,
    verdict::{Verdict, decide},
};
use tables::Kernel;

/// `TCX_NEXT`: go on with the next program. Returning 0 (`TCX_PASS`) would end the chain before the node's network
/// plugin. The classic classifier reads the same number as `TC_ACT_UNSPEC`, with the same meaning.
const NEXT: i32 = -1;

/// The name is a contract: `lightship_abi::names::INGRESS_PROGRAM`.
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
    if frame::protocol(&ctx) != u32::from(ETHERTYPE.to_be()) {
        return NEXT;
    }
    match answer(&ctx) {
        Ok(verdict) => verdict,
        Err(outcome) => {
            tables::count(outcome);
            NEXT
        }
    }
}

/// Answers an ARP frame, or says why it passes.
#[inline(always)]
fn answer(ctx: &TcContext) -> Result<i32, Outcome> {
    if frame::is_tagged(ctx) {
        return Err(Outcome::PassedTagged);
    }
    let mut head = frame::read(ctx).ok_or(Outcome::PassedShort)?;
    let ifindex = frame::ifindex(ctx);
    match decide(&mut head, ifindex, &Kernel) {
        Verdict::Answer(counter) => {
            frame::write(ctx, &head).map_err(|_| Outcome::FailedWrite)?;
            counter.increment();
            tables::count(Outcome::Answered);
            Ok(frame::send_back(ifindex))
        }
        Verdict::Pass(outcome) => Err(outcome),
    }
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
