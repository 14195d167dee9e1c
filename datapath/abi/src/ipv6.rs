//! What the responder needs of IPv6 over Ethernet (RFC 8200, RFC 2464, RFC 4291), at the offsets of a frame whose IPv6
//! header has no extension.

use crate::{checksum::Sum, mac::MacAddress};

/// Ethernet's type for IPv6, in the host's byte order.
pub const ETHERTYPE: u16 = 0x86dd;

/// The octets of an IPv6 address.
pub type Octets = [u8; 16];

/// Everybody on the link (RFC 4291 §2.7.1).
pub const ALL_NODES: Octets = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

pub(crate) const VERSION_AT: usize = 14;
/// Where the length of the payload is in a frame.
pub const LENGTH_AT: usize = 18;
pub(crate) const NEXT_HEADER_AT: usize = 20;
pub(crate) const HOP_LIMIT_AT: usize = 21;
pub(crate) const SOURCE_AT: usize = 22;
pub(crate) const DESTINATION_AT: usize = 38;
pub(crate) const PAYLOAD_AT: usize = 54;

/// Where the type of an ICMP message is in a frame.
pub const MESSAGE_AT: usize = PAYLOAD_AT;

/// The next header of ICMP for IPv6.
pub const ICMPV6: u8 = 58;

/// The solicited-node multicast address of an address (RFC 4291 §2.7.1).
#[inline(always)]
#[must_use]
pub const fn solicited_node(address: Octets) -> Octets {
    let [.., a, b, c] = address;
    [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]
}

/// The stations that hear a multicast address (RFC 2464 §7).
#[inline(always)]
#[must_use]
pub const fn stations(group: Octets) -> MacAddress {
    let [.., a, b, c, d] = group;
    MacAddress([0x33, 0x33, a, b, c, d])
}

/// Whether an address names a group.
#[inline(always)]
#[must_use]
pub const fn is_multicast(address: Octets) -> bool {
    address[0] == 0xff
}

/// Eight octets at a constant place of a frame. Comparing by words keeps branches few: the kernel's verifier walks every
/// combination of them.
#[inline(always)]
#[must_use]
pub const fn word<const N: usize>(frame: &[u8; N], at: usize) -> u64 {
    u64::from_ne_bytes([
        frame[at],
        frame[at + 1],
        frame[at + 2],
        frame[at + 3],
        frame[at + 4],
        frame[at + 5],
        frame[at + 6],
        frame[at + 7],
    ])
}

/// Whether the address at `one` is the one at `other`, both constant places of a frame.
#[inline(always)]
pub(crate) const fn is_same<const N: usize>(frame: &[u8; N], one: usize, other: usize) -> bool {
    let first = word(frame, one) ^ word(frame, other);
    let second = word(frame, one + 8) ^ word(frame, other + 8);
    first | second == 0
}

/// Whether the address at `at` is `::` or, last octet aside, nearly so.
#[inline(always)]
pub(crate) const fn begins_with_zeros<const N: usize>(frame: &[u8; N], at: usize) -> bool {
    word(frame, at) | word(frame, at + 7) == 0
}

/// Copies an address from one constant place of a frame to another.
#[inline(always)]
pub(crate) const fn copy<const N: usize>(frame: &mut [u8; N], from: usize, to: usize) {
    let mut i = 0;
    while i < 16 {
        frame[to + i] = frame[from + i];
        i += 1;
    }
}

/// Writes an address to a constant place of a frame.
#[inline(always)]
pub(crate) const fn put<const N: usize>(frame: &mut [u8; N], at: usize, address: &Octets) {
    let mut i = 0;
    while i < 16 {
        frame[at + i] = address[i];
        i += 1;
    }
}

/// The sum over the pseudo-header (RFC 8200 §8.1) and the payload up to `end`, a constant.
#[inline(always)]
pub(crate) fn sum<const N: usize>(frame: &[u8; N], end: usize) -> Sum {
    let mut sum = Sum::default()
        .with_word(u16::from_be_bytes([frame[LENGTH_AT], frame[LENGTH_AT + 1]]))
        .with_word(u16::from(ICMPV6));
    let mut at = SOURCE_AT;
    while at + 1 < end {
        sum = sum.with_word(u16::from_be_bytes([frame[at], frame[at + 1]]));
        at += 2;
    }
    sum
}

/// The sixteen octets at a constant place of a frame.
#[inline(always)]
pub(crate) const fn address_at<const N: usize>(frame: &[u8; N], at: usize) -> Octets {
    let mut octets = [0; 16];
    let mut i = 0;
    while i < 16 {
        octets[i] = frame[at + i];
        i += 1;
    }
    octets
}
