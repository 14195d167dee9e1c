//! Messages of neighbour discovery, written.

use super::{
    ADVERTISEMENT, ADVERTISEMENT_LEN, CODE_AT, FLAGS_AT, FRAME_LEN, HEAD_LEN, HOP_LIMIT, Intent,
    SIGNALLING_LEN, SIGNALLING_PAYLOAD, SOLICITATION, SOLICITED, SOURCE_LINK_LAYER, TARGET_AT,
    TARGET_LINK_LAYER,
};
use crate::{
    ipv6::{
        self, ALL_NODES, DESTINATION_AT, HOP_LIMIT_AT, ICMPV6, LENGTH_AT, NEXT_HEADER_AT, Octets, PAYLOAD_AT,
        SOURCE_AT,
    },
    mac::MacAddress,
    order::Order,
    signal::{self, NDP_OPTION, NDP_OPTION_UNITS, Signal},
};

const CHECKSUM_AT: usize = PAYLOAD_AT + 2;
const OVERRIDE: u8 = 0x20;

/// Turns a solicitation into the advertisement that answers it: `mac` has the address that was asked for.
///
/// Solicited, from the target address to the sender (RFC 4861 §7.2.4); a probe, whose sender has no address yet, is
/// answered to all nodes and unsolicited.
#[inline(always)]
pub fn make_advertisement(frame: &mut [u8; FRAME_LEN], mac: MacAddress, intent: Intent) {
    let flags = if intent == Intent::Probe {
        put_station(frame, 0, ipv6::stations(ALL_NODES));
        ipv6::put(frame, DESTINATION_AT, &ALL_NODES);
        OVERRIDE
    } else {
        let mut at = 0;
        while at < 6 {
            frame[at] = frame[6 + at];
            at += 1;
        }
        ipv6::copy(frame, SOURCE_AT, DESTINATION_AT);
        SOLICITED | OVERRIDE
    };
    ipv6::copy(frame, TARGET_AT, SOURCE_AT);
    complete(frame, mac, flags);
}

/// The unsolicited advertisement by which `mac` tells `to` that it has `address` (RFC 4861 §7.2.6), by a binding of this
/// order.
///
/// `source` is an address of the sending interface (§4.4), or `address` itself where the interface has none.
#[must_use]
pub fn unsolicited(
    mac: MacAddress,
    address: Octets,
    source: Octets,
    order: Order,
    to: MacAddress,
) -> [u8; SIGNALLING_LEN] {
    let mut frame = [0; FRAME_LEN];
    put_station(&mut frame, 0, to);
    ipv6::put(&mut frame, SOURCE_AT, &source);
    ipv6::put(&mut frame, DESTINATION_AT, &ALL_NODES);
    ipv6::put(&mut frame, TARGET_AT, &address);
    complete(&mut frame, mac, OVERRIDE);
    with_signal(&frame, Signal::Claim(order))
}

/// The solicitation by which `mac`, which has `source`, asks `to` who has `address` (RFC 4861 §4.3).
///
/// A group of stations is asked through the address's own group, one station by the address.
#[must_use]
pub fn question(mac: MacAddress, address: Octets, source: Octets, to: MacAddress) -> [u8; FRAME_LEN] {
    let destination = if to.is_group() {
        ipv6::solicited_node(address)
    } else {
        address
    };
    let mut frame = [0; FRAME_LEN];
    put_station(&mut frame, 0, to);
    ipv6::put(&mut frame, SOURCE_AT, &source);
    ipv6::put(&mut frame, DESTINATION_AT, &destination);
    ipv6::put(&mut frame, TARGET_AT, &address);
    complete(&mut frame, mac, 0);
    frame[PAYLOAD_AT] = SOLICITATION;
    frame[HEAD_LEN] = SOURCE_LINK_LAYER;
    put_checksum(&mut frame, FRAME_LEN);
    frame
}

/// A question or an unsolicited advertisement with a signal behind.
#[must_use]
pub fn with_signal(message: &[u8; FRAME_LEN], signal: Signal) -> [u8; SIGNALLING_LEN] {
    let mut frame = [0; SIGNALLING_LEN];
    frame[..FRAME_LEN].copy_from_slice(message);
    frame[LENGTH_AT..LENGTH_AT + 2].copy_from_slice(&SIGNALLING_PAYLOAD.to_be_bytes());
    frame[FRAME_LEN..FRAME_LEN + 2].copy_from_slice(&[NDP_OPTION, NDP_OPTION_UNITS]);
    frame[FRAME_LEN + 2..FRAME_LEN + 2 + signal::LEN].copy_from_slice(&signal.to_bytes());
    put_checksum(&mut frame, SIGNALLING_LEN);
    frame
}

#[inline(always)]
fn put_checksum<const N: usize>(frame: &mut [u8; N], end: usize) {
    [frame[CHECKSUM_AT], frame[CHECKSUM_AT + 1]] = [0, 0];
    let checksum = ipv6::sum(frame, end).checksum();
    [frame[CHECKSUM_AT], frame[CHECKSUM_AT + 1]] = checksum.to_be_bytes();
}

/// Writes what all advertisements share around the addresses, which are in their places.
#[inline(always)]
fn complete(frame: &mut [u8; FRAME_LEN], mac: MacAddress, flags: u8) {
    put_station(frame, 6, mac);
    [frame[12], frame[13]] = ipv6::ETHERTYPE.to_be_bytes();
    // Traffic class and flow label are the sender's own: zero.
    [frame[14], frame[15], frame[16], frame[17]] = [0x60, 0, 0, 0];
    [frame[LENGTH_AT], frame[LENGTH_AT + 1]] = ADVERTISEMENT_LEN.to_be_bytes();
    frame[NEXT_HEADER_AT] = ICMPV6;
    frame[HOP_LIMIT_AT] = HOP_LIMIT;
    [frame[PAYLOAD_AT], frame[CODE_AT]] = [ADVERTISEMENT, 0];
    [
        frame[FLAGS_AT],
        frame[FLAGS_AT + 1],
        frame[FLAGS_AT + 2],
        frame[FLAGS_AT + 3],
    ] = [flags, 0, 0, 0];
    [frame[HEAD_LEN], frame[HEAD_LEN + 1]] = [TARGET_LINK_LAYER, 1];
    put_station(frame, HEAD_LEN + 2, mac);
    put_checksum(frame, FRAME_LEN);
}

#[inline(always)]
const fn put_station(frame: &mut [u8; FRAME_LEN], at: usize, station: MacAddress) {
    let mut i = 0;
    while i < 6 {
        frame[at + i] = station.0[i];
        i += 1;
    }
}
