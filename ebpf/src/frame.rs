//! The socket buffer. Bytes are copied out and back by helpers rather than read in place: the helpers also reach bytes
//! outside the linear part, and a program that writes in place makes the kernel linearise every cloned buffer that
//! passes by (as under a packet capture), whatever its protocol.

use aya_ebpf::{bindings::BPF_F_RECOMPUTE_CSUM, helpers::bpf_redirect, programs::TcContext};
use lightship_abi::arp::FRAME_LEN;

/// The frame's Ethernet type, in network order.
#[inline(always)]
pub(crate) fn protocol(ctx: &TcContext) -> u32 {
    // SAFETY: the kernel hands the program a valid context; the verifier checks the field's offset.
    unsafe { (*ctx.skb.skb).protocol }
}

/// Whether the buffer carries a VLAN tag beside the frame.
#[inline(always)]
pub(crate) fn is_tagged(ctx: &TcContext) -> bool {
    // SAFETY: as in `protocol`.
    unsafe { (*ctx.skb.skb).vlan_present != 0 }
}

/// The interface the frame came in on.
#[inline(always)]
pub(crate) fn ifindex(ctx: &TcContext) -> u32 {
    // SAFETY: as in `protocol`.
    unsafe { (*ctx.skb.skb).ifindex }
}

/// The head of an ARP frame; none if the frame is shorter.
#[inline(always)]
pub(crate) fn read(ctx: &TcContext) -> Option<[u8; FRAME_LEN]> {
    ctx.load(0).ok()
}

/// Puts the head back.
#[inline(always)]
pub(crate) fn write(ctx: &TcContext, head: &[u8; FRAME_LEN]) -> Result<(), i64> {
    ctx.store(0, head, BPF_F_RECOMPUTE_CSUM.into())
}

/// Sends the frame out of the interface it came in on.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a verdict is an int; only the helper's register is wider"
)]
pub(crate) fn send_back(ifindex: u32) -> i32 {
    // SAFETY: takes no pointer; an index that is gone drops the frame.
    let verdict = unsafe { bpf_redirect(ifindex, 0) };
    verdict as i32
}
