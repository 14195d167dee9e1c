//! Frames written and read by the book, independently of what is tested: nothing here comes from the library.
#![allow(dead_code, reason = "each test binary uses a part")]
#![expect(clippy::expect_used, reason = "a test's own tools may fail loudly")]

use std::net::{Ipv4Addr, Ipv6Addr};

pub(crate) type Mac = [u8; 6];

/// RFC 1071, in the words of its C program.
pub(crate) fn checksum(octets: &[u8]) -> u16 {
    let mut sum: u64 = octets
        .chunks(2)
        .map(|pair| u64::from(pair[0]) * 256 + u64::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = sum % 0x1_0000 + sum / 0x1_0000;
    }
    !u16::try_from(sum).expect("folded")
}

fn pseudo_header(source: Ipv6Addr, destination: Ipv6Addr, length: usize) -> Vec<u8> {
    let length = u32::try_from(length).expect("short");
    [
        &source.octets()[..],
        &destination.octets(),
        &length.to_be_bytes(),
        &[0, 0, 0, 58],
    ]
    .concat()
}

/// An Ethernet frame with an IPv6 packet whose payload is an ICMP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Icmp6 {
    pub(crate) to: Mac,
    pub(crate) from: Mac,
    pub(crate) class_and_flow: u32,
    pub(crate) hop_limit: u8,
    pub(crate) source: Ipv6Addr,
    pub(crate) destination: Ipv6Addr,
    pub(crate) kind: u8,
    pub(crate) code: u8,
    /// What follows the checksum.
    pub(crate) body: Vec<u8>,
    /// What follows the packet.
    pub(crate) padding: Vec<u8>,
}

impl Icmp6 {
    pub(crate) fn frame(&self) -> Vec<u8> {
        let length = 4 + self.body.len();
        let mut message = [&[self.kind, self.code, 0, 0][..], &self.body].concat();
        let covered = [
            pseudo_header(self.source, self.destination, length),
            message.clone(),
        ]
        .concat();
        message[2..4].copy_from_slice(&checksum(&covered).to_be_bytes());
        let length = u16::try_from(length).expect("short");
        [
            &self.to[..],
            &self.from,
            &[0x86, 0xdd],
            &(6 << 28 | self.class_and_flow).to_be_bytes(),
            &length.to_be_bytes(),
            &[58, self.hop_limit],
            &self.source.octets(),
            &self.destination.octets(),
            &message,
            &self.padding,
        ]
        .concat()
    }

    /// Reads a frame, insisting that its checksum is right.
    pub(crate) fn read(frame: &[u8]) -> Self {
        let array = |at: usize| -> [u8; 16] { frame[at..at + 16].try_into().expect("sixteen") };
        assert_eq!(frame[12..14], [0x86, 0xdd]);
        let word = u32::from_be_bytes(frame[14..18].try_into().expect("four"));
        assert_eq!((word >> 28, frame[20]), (6, 58));
        let length = usize::from(u16::from_be_bytes([frame[18], frame[19]]));
        let (message, padding) = frame[54..].split_at(length);
        let (source, destination) = (Ipv6Addr::from(array(22)), Ipv6Addr::from(array(38)));
        let covered = [&pseudo_header(source, destination, length)[..], message].concat();
        assert_eq!(checksum(&covered), 0, "the checksum is right");
        Self {
            to: frame[0..6].try_into().expect("six"),
            from: frame[6..12].try_into().expect("six"),
            class_and_flow: word & 0x0fff_ffff,
            hop_limit: frame[21],
            source,
            destination,
            kind: message[0],
            code: message[1],
            body: message[4..].to_vec(),
            padding: padding.to_vec(),
        }
    }
}

pub(crate) fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., high, low] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | (high & 0xff), low)
}

pub(crate) fn stations(group: Ipv6Addr) -> Mac {
    let octets = group.octets();
    [0x33, 0x33, octets[12], octets[13], octets[14], octets[15]]
}

/// A solicitation for `target` as Linux sends it: to the group, with its options.
pub(crate) fn solicitation(from: Mac, source: Ipv6Addr, target: Ipv6Addr, options: &[u8]) -> Icmp6 {
    let group = solicited_node(target);
    Icmp6 {
        to: stations(group),
        from,
        class_and_flow: 0,
        hop_limit: 255,
        source,
        destination: group,
        kind: 135,
        code: 0,
        body: [&[0; 4][..], &target.octets(), options].concat(),
        padding: vec![],
    }
}

/// The advertisement of RFC 4861 §4.4 with flags and a target link-layer address option.
pub(crate) fn advertisement(
    (to, from): (Mac, Mac),
    (source, destination): (Ipv6Addr, Ipv6Addr),
    flags: u8,
    target: Ipv6Addr,
) -> Icmp6 {
    Icmp6 {
        to,
        from,
        class_and_flow: 0,
        hop_limit: 255,
        source,
        destination,
        kind: 136,
        code: 0,
        body: [&[flags, 0, 0, 0][..], &target.octets(), &[2, 1], &from].concat(),
        padding: vec![],
    }
}

/// An Ethernet frame with an IPv4 packet whose payload is an ICMP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Icmp4 {
    pub(crate) to: Mac,
    pub(crate) from: Mac,
    pub(crate) service: u8,
    pub(crate) identification: u16,
    pub(crate) fragment: u16,
    pub(crate) lifetime: u8,
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) kind: u8,
    pub(crate) code: u8,
    pub(crate) body: Vec<u8>,
    pub(crate) padding: Vec<u8>,
}

impl Icmp4 {
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut message = [&[self.kind, self.code, 0, 0][..], &self.body].concat();
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let total = u16::try_from(20 + message.len()).expect("short");
        let mut header = [
            &[0x45, self.service][..],
            &total.to_be_bytes(),
            &self.identification.to_be_bytes(),
            &self.fragment.to_be_bytes(),
            &[self.lifetime, 1, 0, 0],
            &self.source.octets(),
            &self.destination.octets(),
        ]
        .concat();
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        [
            &self.to[..],
            &self.from,
            &[8, 0],
            &header,
            &message,
            &self.padding,
        ]
        .concat()
    }

    /// Reads a frame, insisting that its checksums are right.
    pub(crate) fn read(frame: &[u8]) -> Self {
        let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
        let address = |at: usize| Ipv4Addr::from(<[u8; 4]>::try_from(&frame[at..at + 4]).expect("four"));
        assert_eq!((&frame[12..15], frame[23]), (&[8, 0, 0x45][..], 1));
        assert_eq!(checksum(&frame[14..34]), 0, "the header's checksum is right");
        let (message, padding) = frame[34..].split_at(usize::from(word(16)) - 20);
        assert_eq!(checksum(message), 0, "the message's checksum is right");
        Self {
            to: frame[0..6].try_into().expect("six"),
            from: frame[6..12].try_into().expect("six"),
            service: frame[15],
            identification: word(18),
            fragment: word(20),
            lifetime: frame[22],
            source: address(26),
            destination: address(30),
            kind: message[0],
            code: message[1],
            body: message[4..].to_vec(),
            padding: padding.to_vec(),
        }
    }
}
