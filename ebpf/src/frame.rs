//! The socket buffer. Bytes are copied out and back by helpers rather than read in place: the helpers also reach bytes
//! outside the linear part, and a program that writes in place makes the kernel linearise every cloned buffer that
//! passes by (as under a packet capture), whatever its protocol. Only the few bytes that every frame pays for are read
//! in place where they are within reach.

use core::mem::MaybeUninit;

use aya_ebpf::{
    bindings::{__sk_buff, BPF_F_RECOMPUTE_CSUM},
    helpers::{bpf_redirect, bpf_skb_change_tail, bpf_skb_load_bytes, bpf_skb_vlan_pop},
    programs::TcContext,
};
use lightship_abi::{
    arp,
    kind::Glance,
    ndp::{BLOCK_LEN, Options},
    signal,
    verdict::Arrival,
};

/// The bits of a tag that tell the VLAN.
const VLAN_ID: u32 = 0xfff;

/// The frame's Ethernet type.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the kernel keeps 16 bits in 32")]
pub(crate) fn ethertype(ctx: &TcContext) -> u16 {
    // SAFETY: the kernel hands the program a valid context; the verifier checks the field's offset.
    let protocol = unsafe { (*ctx.skb.skb).protocol };
    u16::from_be(protocol as u16)
}

/// Whether the buffer carries a tag beside the frame.
#[inline(always)]
fn is_tagged(ctx: &TcContext) -> bool {
    // SAFETY: as in `ethertype`.
    unsafe { (*ctx.skb.skb).vlan_present != 0 }
}

/// Whether the frame is a VLAN's. A tag of VLAN 0 tells a priority and no VLAN (IEEE 802.1Q-2022 §9.6).
#[inline(always)]
pub(crate) fn is_of_a_vlan(ctx: &TcContext) -> bool {
    // SAFETY: as in `ethertype`.
    is_tagged(ctx) && unsafe { (*ctx.skb.skb).vlan_tci } & VLAN_ID != 0
}

/// Where the frame came in.
#[inline(always)]
pub(crate) fn arrival(ctx: &TcContext) -> Arrival {
    Arrival {
        // SAFETY: as in `ethertype`.
        ifindex: unsafe { (*ctx.skb.skb).ifindex },
        length: ctx.len() as usize,
    }
}

/// The bytes that tell what an IP frame is.
#[inline(always)]
pub(crate) fn glance(ctx: &TcContext) -> Glance {
    const WINDOW: usize = Glance::AT[4] + 1;
    let data = ctx.data();
    if data + WINDOW > ctx.data_end() {
        let [a, b, c, d, e, ..] = glance_by_helper(ctx.skb.skb).to_ne_bytes();
        return Glance::new([a, b, c, d, e]);
    }
    // All at once, and volatile: were they read where they are needed, the compiler would add offsets that depend on the
    // path to a pointer, which the verifier lets nobody do who lacks CAP_PERFMON.
    // SAFETY: the comparison shows the verifier that the window is in the linear part of the buffer.
    Glance::new(Glance::AT.map(|at| unsafe { core::ptr::read_volatile((data + at) as *const u8) }))
}

/// The same of a frame that is short or not in one piece, packed into a number: a real call returns nothing else.
#[inline(never)]
fn glance_by_helper(skb: *mut __sk_buff) -> u64 {
    let ctx = TcContext::new(skb);
    let mut seen = [0; 8];
    let mut at = 0;
    while at < Glance::AT.len() {
        seen[at] = ctx.load(Glance::AT[at]).unwrap_or(0);
        at += 1;
    }
    u64::from_ne_bytes(seen)
}

/// What an ARP frame tells, read in place; none if it is shorter or out of reach.
#[inline(always)]
pub(crate) fn arp_glance(ctx: &TcContext) -> Option<arp::Glance> {
    let data = ctx.data();
    if data + arp::FRAME_LEN > ctx.data_end() {
        return None;
    }
    // SAFETY: the comparison shows the verifier that the packet is in the linear part of the buffer.
    Some(arp::Glance::by(|at| unsafe {
        core::ptr::read_volatile((data + at) as *const u8)
    }))
}

/// `N` bytes of a frame, read in place; none if the frame is shorter or they are out of reach.
#[inline(always)]
pub(crate) fn in_place<const AT: usize, const N: usize>(ctx: &TcContext) -> Option<[u8; N]> {
    let data = ctx.data();
    if data + AT + N > ctx.data_end() {
        return None;
    }
    // SAFETY: the comparison shows the verifier that the bytes are in the linear part of the buffer.
    Some(core::array::from_fn(|at| unsafe {
        core::ptr::read_volatile((data + AT + at) as *const u8)
    }))
}

/// Reads the head of a frame into the first `N` bytes of `head`; none if the frame is shorter.
#[inline(always)]
pub(crate) fn read<const N: usize, const M: usize>(ctx: &TcContext) -> Option<[u8; M]> {
    let mut head = MaybeUninit::uninit();
    read_into::<N, M>(ctx, &mut head).copied()
}

/// As [`read`], into a place that the caller keeps. The compiler then reads each byte from there when it is wanted,
/// where it would otherwise keep them all in registers and run out of stack for those.
#[inline(always)]
pub(crate) fn read_into<'a, const N: usize, const M: usize>(
    ctx: &TcContext,
    head: &'a mut MaybeUninit<[u8; M]>,
) -> Option<&'a mut [u8; M]> {
    const { assert!(N <= M) }
    // Not zeroed as a whole, and volatile: that would be a call of a loop, which the verifier lets nobody do without
    // CAP_PERFMON.
    // SAFETY: the helper writes N bytes, for which the assertion says there is room, or says that it failed.
    let status = unsafe { bpf_skb_load_bytes(ctx.skb.skb.cast(), 0, head.as_mut_ptr().cast(), N as u32) };
    if status != 0 {
        return None;
    }
    let rest = head.as_mut_ptr().cast::<u8>();
    let mut at = N;
    while at < M {
        // SAFETY: within the array.
        unsafe { rest.add(at).write_volatile(0) };
        at += 1;
    }
    // SAFETY: the helper wrote the first N bytes, the loop the others.
    Some(unsafe { head.assume_init_mut() })
}

/// What may be a signal behind an ARP packet; none if the frame ends before.
#[inline(always)]
pub(crate) fn padding(ctx: &TcContext) -> Option<[u8; signal::LEN]> {
    ctx.load(arp::FRAME_LEN).ok()
}

/// Room for an ARP packet with what may be a signal behind it. Aligned, so that the compiler handles words.
#[repr(align(8))]
pub(crate) struct Room(MaybeUninit<[u8; WHOLE]>);

const WHOLE: usize = arp::FRAME_LEN + signal::LEN;

impl Room {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    /// Reads a frame into it, by one call of a helper; zeros where the frame ends before the signal would.
    #[inline(always)]
    pub(crate) fn read(&mut self, ctx: &TcContext) -> Option<&mut [u8; WHOLE]> {
        if ctx.len() as usize >= WHOLE {
            read_into::<WHOLE, WHOLE>(ctx, &mut self.0)
        } else {
            read_into::<{ arp::FRAME_LEN }, WHOLE>(ctx, &mut self.0)
        }
    }
}

/// Puts a head back.
#[inline(always)]
pub(crate) fn write<const N: usize>(ctx: &TcContext, head: &[u8; N]) -> Result<(), i64> {
    ctx.store(0, head, BPF_F_RECOMPUTE_CSUM.into())
}

/// Makes the frame `length` bytes long, by growing it or by cutting off its end.
#[inline(always)]
pub(crate) fn resize(ctx: &TcContext, length: u32) -> Result<(), i64> {
    if ctx.len() == length {
        return Ok(());
    }
    // SAFETY: the context is the kernel's own; pointers into the buffer are not used after this.
    match unsafe { bpf_skb_change_tail(ctx.skb.skb, length, 0) } {
        0 => Ok(()),
        status => Err(status),
    }
}

/// Sends the frame out of the interface it came in on, without the tag that it came with.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a verdict is an int; only the helper's register is wider"
)]
pub(crate) fn send_back(ctx: &TcContext) -> i32 {
    if is_tagged(ctx) {
        // One that cannot be taken off goes back as it came.
        // SAFETY: the context is the kernel's own; pointers into the buffer are not used after this.
        let _ = unsafe { bpf_skb_vlan_pop(ctx.skb.skb) };
    }
    // SAFETY: takes no pointer; an index that is gone drops the frame.
    let verdict = unsafe { bpf_redirect(arrival(ctx).ifindex, 0) };
    verdict as i32
}

/// The rest of a neighbour discovery message, in the buffer.
pub(crate) struct Rest<'a>(pub(crate) &'a TcContext);

impl Options for Rest<'_> {
    #[inline(always)]
    fn block(&self, at: usize) -> Option<[u8; BLOCK_LEN]> {
        self.0.load(at).ok()
    }
}
