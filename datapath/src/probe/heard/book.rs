//! What a frame tells who listens for answers, read once more by the words of the standards: the fuzzer and the tests of
//! [`super::heard`] hold the two readings against each other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The station that sent it, the address that it says to have, and the number of the probe that it answers.
pub(crate) type Told = ([u8; 6], IpAddr, Option<u32>);

/// The answer in a frame, if it is a sound one.
pub(crate) fn told(frame: &[u8]) -> Option<Told> {
    match frame.get(12..14)? {
        [0x08, 0x06] => by_arp(frame),
        [0x86, 0xdd] => by_advertisement(frame),
        _ => None,
    }
}

/// A reply of RFC 826 for IPv4 over Ethernet, from a station and not from a group.
fn by_arp(frame: &[u8]) -> Option<Told> {
    let packet = frame.get(14..42)?;
    let (from, hardware) = (station(frame, 6)?, station(packet, 8)?);
    let is_reply = packet.starts_with(&[0, 1, 8, 0, 6, 4, 0, 2]);
    if !is_reply || from[0] % 2 == 1 || hardware[0] % 2 == 1 {
        return None;
    }
    let sender: [u8; 4] = packet.get(14..18)?.try_into().ok()?;
    let number = frame.get(42..58).and_then(|signal| {
        let [b'L', b'S', b'H', b'P', 2, _, _, _, a, b, c, d, ..] = signal else {
            return None;
        };
        Some(u32::from_be_bytes([*a, *b, *c, *d]))
    });
    Some((from, Ipv4Addr::from(sender).into(), number))
}

/// An advertisement that RFC 4861 §7.1.2 lets through, of no more options than are read.
fn by_advertisement(frame: &[u8]) -> Option<Told> {
    let (header, rest) = frame.get(14..)?.split_at_checked(40)?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let message = rest.get(..length)?;
    let (fixed, mut options) = message.split_at_checked(24)?;
    let (source, destination, target) = (&header[8..24], &header[24..], &fixed[8..]);
    let is_advertisement =
        header[0] / 16 == 6 && header[6] == 58 && header[7] == 255 && fixed[..2] == [136, 0];
    let is_solicited = fixed[4] & 0x40 != 0;
    let from = station(frame, 6)?;
    let names_groups = from[0] % 2 == 1 || source[0] == 0xff || target[0] == 0xff;
    if !is_advertisement || names_groups || (destination[0] == 0xff && is_solicited) || options.len() > 256 {
        return None;
    }
    while !options.is_empty() {
        let of_option = usize::from(*options.get(1)?) * 8;
        options = options.get(of_option.max(1)..).filter(|_| of_option > 0)?;
    }
    let pseudo = [&header[8..], &[0, 0, header[4], header[5], 0, 0, 0, 58]].concat();
    let target: [u8; 16] = target.try_into().ok()?;
    (ones_complement(&[&pseudo[..], message].concat()) == 0xffff)
        .then(|| (from, Ipv6Addr::from(target).into(), None))
}

fn station(bytes: &[u8], at: usize) -> Option<[u8; 6]> {
    bytes.get(at..at + 6)?.try_into().ok()
}

/// The sum of RFC 1071, folded.
fn ones_complement(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(2);
    let mut sum: u64 = words
        .map(|word| u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

/// The frame with its ICMP checksum put right, if it is long enough to have one.
pub(crate) fn mended(frame: &[u8]) -> Option<Vec<u8>> {
    let mut mended = frame.to_vec();
    let (header, rest) = mended.get_mut(14..)?.split_at_mut_checked(40)?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let message = rest.get_mut(..length).filter(|message| message.len() >= 24)?;
    message[2..4].fill(0);
    let pseudo = [&header[8..], &[0, 0, header[4], header[5], 0, 0, 0, 58]].concat();
    let sum = u16::try_from(ones_complement(&[&pseudo[..], message].concat())).ok()?;
    message[2..4].copy_from_slice(&(!sum).to_be_bytes());
    Some(mended)
}
