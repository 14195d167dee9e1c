//! What the program tells user space at once: that an entry yielded, or that somebody else claims its address. A record
//! that finds no room is lost, and nothing with it: what matters is in the tombstones.

use crate::{
    fence::{halves, order_from_bytes, words},
    ipv6::word,
    mac::MacAddress,
    order::Order,
};

/// Bytes of [`crate::names::WAKEUPS`]: a thousand records, and a multiple of every page size.
pub const RING_BYTES: u32 = 65_536;

/// An entry yielded to a claim: see [`Wakeup::kind`].
pub const YIELDED: u32 = 1;

/// Another station claims an entry's address, and is not to be yielded to: see [`Wakeup::kind`].
pub const CONFLICT: u32 = 2;

/// How much of the ring conflicts may fill. What is left is for entries that yield, so that no flood of forged frames
/// keeps user space from hearing of a member's claim.
pub const CONFLICT_BYTES: u64 = RING_BYTES as u64 / 2;

/// How long user space is told of no more conflicts of an entry with strangers, and with members, after it was told of
/// one. It answers one far less often.
pub const CONFLICT_PAUSE_NS: u64 = 1_000_000_000;

/// Whether user space is to be told of a conflict that is seen at `now_ns` after it was told of one at `last_ns`, 0 for
/// never.
#[inline(always)]
#[must_use]
pub const fn is_due(last_ns: u64, now_ns: u64) -> bool {
    // Another processor's clock may be a little behind.
    last_ns == 0 || now_ns.saturating_sub(last_ns) >= CONFLICT_PAUSE_NS
}

/// A record of [`crate::names::WAKEUPS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Wakeup {
    /// [`YIELDED`] or [`CONFLICT`].
    pub kind: u32,
    /// The interface the frame came in on.
    pub ifindex: u32,
    /// The octets of the address, as they lie in memory; of IPv4 the first four, the others zero. Two words, because the
    /// compiler would clear octets by a loop, which the verifier lets nobody do without `CAP_PERFMON`.
    pub address: [u64; 2],
    /// 4 or 6.
    pub family: u32,
    /// Whether the frame is a member's claim (1) or not (0).
    pub has_order: u32,
    /// The order of the claim, if it is one.
    pub order: Order,
    /// When the frame came in, `CLOCK_MONOTONIC` in nanoseconds.
    pub time_ns: u64,
    /// The hardware address that is claimed to have the address.
    pub mac: [u8; 6],
    /// Always zero.
    pub pad: [u8; 2],
}

/// How long a record is.
pub const WAKEUP_LEN: usize = 56;

const _: () = assert!(size_of::<Wakeup>() == WAKEUP_LEN);

/// What a frame tells of one of our addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The station that is told to have it.
    pub mac: MacAddress,
    /// Whether this is a member's claim.
    pub claims: bool,
    /// The order of the claim; meaningless if it is none.
    pub order: Order,
    /// When it was told, `CLOCK_MONOTONIC` in nanoseconds.
    pub time_ns: u64,
}

impl Wakeup {
    /// The record of what was told of an IPv4 address.
    #[inline(always)]
    #[must_use]
    pub const fn v4(kind: u32, ifindex: u32, [a, b, c, d]: [u8; 4], told: Told) -> Self {
        let address = u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0]);
        Self::new(kind, ifindex, 4, [address, 0], told)
    }

    /// The record of what was told of an IPv6 address.
    #[inline(always)]
    #[must_use]
    pub const fn v6(kind: u32, ifindex: u32, address: [u8; 16], told: Told) -> Self {
        Self::new(kind, ifindex, 6, [word(&address, 0), word(&address, 8)], told)
    }

    #[inline(always)]
    const fn new(kind: u32, ifindex: u32, family: u32, address: [u64; 2], told: Told) -> Self {
        Self {
            kind,
            ifindex,
            address,
            family,
            has_order: told.claims as u32,
            order: told.order,
            time_ns: told.time_ns,
            mac: told.mac.0,
            pad: [0; 2],
        }
    }

    /// The octets of the address; of IPv4 the first four.
    #[must_use]
    pub fn octets(&self) -> [u8; 16] {
        let [first, second] = self.address.map(u64::to_ne_bytes);
        core::array::from_fn(|at| if at < 8 { first[at] } else { second[at - 8] })
    }

    /// The record that lies in the ring as these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; WAKEUP_LEN]) -> Self {
        let [head, first, second, form, order, time, mac] = words(bytes);
        let ((kind, ifindex), (family, has_order)) = (halves(head), halves(form));
        Self {
            kind,
            ifindex,
            address: [u64::from_ne_bytes(first), u64::from_ne_bytes(second)],
            family,
            has_order,
            order: order_from_bytes(order),
            time_ns: u64::from_ne_bytes(time),
            mac: core::array::from_fn(|at| mac[at]),
            pad: [0; 2],
        }
    }
}
