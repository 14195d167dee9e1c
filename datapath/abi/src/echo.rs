//! Echo requests (RFC 792, RFC 4443 §4.1): read, and turned into replies in place. Only the head is looked at; the
//! checksum is updated for what changes, so that a request damaged on its way stays as damaged in the reply.

use crate::{
    checksum::{self, Sum},
    ipv6::{self, DESTINATION_AT, HOP_LIMIT_AT, LENGTH_AT, Octets, PAYLOAD_AT, SOURCE_AT, address_at},
    mac::MacAddress,
};

/// Ethernet (14 bytes), IPv4 without options (20), the echo's own header (8).
pub const V4_LEN: usize = 42;

/// Ethernet (14 bytes), IPv6 (40), the echo's own header (8).
pub const V6_LEN: usize = 62;

/// Ethernet's type for IPv4, in the host's byte order.
pub const ETHERTYPE_V4: u16 = 0x0800;

/// IPv4's number for ICMP.
pub const ICMP: u8 = 1;

/// The type of an echo request (RFC 792).
pub const REQUEST_V4: u8 = 8;

/// The type of an echo request (RFC 4443 §4.1).
pub const REQUEST_V6: u8 = 128;

const REPLY_V4: u8 = 0;
const REPLY_V6: u8 = 129;
const HEADER_LEN: usize = 8;

/// The hop limit replies set out with, which is what Linux gives its own.
const HOP_LIMIT: u8 = 64;

/// Where the address is that pings.
pub const SOURCE_V4_AT: usize = 26;

/// Where the address is that is pinged.
pub const TARGET_V4_AT: usize = 30;

/// As [`SOURCE_V4_AT`].
pub const SOURCE_V6_AT: usize = SOURCE_AT;

/// As [`TARGET_V4_AT`].
pub const TARGET_V6_AT: usize = DESTINATION_AT;

/// The address that is pinged.
#[inline(always)]
#[must_use]
pub const fn target_v4(frame: &[u8; V4_LEN]) -> [u8; 4] {
    [frame[30], frame[31], frame[32], frame[33]]
}

/// As [`target_v4`].
#[inline(always)]
#[must_use]
pub fn target_v6(frame: &[u8; V6_LEN]) -> Octets {
    address_at(frame, DESTINATION_AT)
}

/// Whether the head of a frame of `length` bytes is an echo request to `mac` that can be answered in place: whole, without
/// IPv4 options, its header intact, from an address that can be written to.
#[inline(always)]
#[must_use]
pub fn is_answerable_v4(frame: &[u8; V4_LEN], length: usize, mac: MacAddress) -> bool {
    let total = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    let fragment = u16::from_be_bytes([frame[20], frame[21]]) & 0x3fff;
    let source = [frame[26], frame[27], frame[28], frame[29]];
    // 0/8, 127/8, and 224/3 with groups and broadcast: nobody's source (RFC 1122 §3.2.1.3).
    let writable = source[0] != 0 && source[0] != 127 && source[0] < 224 && source != target_v4(frame);
    let mut sum = Sum::default();
    let mut at = 14;
    while at < 34 {
        sum = sum.with_word(u16::from_be_bytes([frame[at], frame[at + 1]]));
        at += 2;
    }
    frame[14] == 0x45
        && frame[23] == ICMP
        && frame[34] == REQUEST_V4
        && frame[35] == 0
        && total >= 20 + HEADER_LEN
        && total + 14 <= length
        && fragment == 0
        && writable
        && is_between_stations(frame, mac)
        && sum.is_intact()
}

/// As [`is_answerable_v4`].
#[inline(always)]
#[must_use]
pub fn is_answerable_v6(frame: &[u8; V6_LEN], length: usize, mac: MacAddress) -> bool {
    let payload = usize::from(u16::from_be_bytes([frame[LENGTH_AT], frame[LENGTH_AT + 1]]));
    // Neither a group nor `::` nor `::1`, and not the address that is pinged.
    let writable = frame[SOURCE_AT] != 0xff
        && !(ipv6::begins_with_zeros(frame, SOURCE_AT) && frame[SOURCE_AT + 15] <= 1)
        && !ipv6::is_same(frame, SOURCE_AT, DESTINATION_AT);
    frame[14] >> 4 == 6
        && frame[20] == ipv6::ICMPV6
        && frame[PAYLOAD_AT] == REQUEST_V6
        && frame[PAYLOAD_AT + 1] == 0
        && payload >= HEADER_LEN
        && payload + PAYLOAD_AT <= length
        && writable
        && is_between_stations(frame, mac)
}

#[inline(always)]
fn is_between_stations<const N: usize>(frame: &[u8; N], mac: MacAddress) -> bool {
    let to = MacAddress([frame[0], frame[1], frame[2], frame[3], frame[4], frame[5]]);
    to == mac && frame[6] & 1 == 0
}

/// Turns a request into the reply to it.
#[inline(always)]
pub fn make_reply_v4(frame: &mut [u8; V4_LEN]) {
    turn_around(frame);
    let mut at = 26;
    while at < 30 {
        frame.swap(at, at + 4);
        at += 1;
    }
    let lifetime = u16::from_be_bytes([frame[22], frame[23]]);
    frame[22] = HOP_LIMIT;
    let header = u16::from_be_bytes([frame[24], frame[25]]);
    [frame[24], frame[25]] =
        checksum::updated(header, lifetime, u16::from_be_bytes([frame[22], frame[23]])).to_be_bytes();
    frame[34] = REPLY_V4;
    let message = u16::from_be_bytes([frame[36], frame[37]]);
    [frame[36], frame[37]] = checksum::updated(message, 0x0800, 0).to_be_bytes();
}

/// As [`make_reply_v4`].
#[inline(always)]
pub fn make_reply_v6(frame: &mut [u8; V6_LEN]) {
    turn_around(frame);
    let mut at = SOURCE_AT;
    while at < DESTINATION_AT {
        frame.swap(at, at + 16);
        at += 1;
    }
    frame[HOP_LIMIT_AT] = HOP_LIMIT;
    frame[PAYLOAD_AT] = REPLY_V6;
    let message = u16::from_be_bytes([frame[PAYLOAD_AT + 2], frame[PAYLOAD_AT + 3]]);
    [frame[PAYLOAD_AT + 2], frame[PAYLOAD_AT + 3]] = checksum::updated(message, 0x8000, 0x8100).to_be_bytes();
}

#[inline(always)]
fn turn_around<const N: usize>(frame: &mut [u8; N]) {
    let mut at = 0;
    while at < 6 {
        frame.swap(at, at + 6);
        at += 1;
    }
}
