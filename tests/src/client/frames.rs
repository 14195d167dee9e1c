//! The frames a client asks with and what it hears, for both families. Written here from the RFCs: the program under test
//! shall not be held against itself. Only what its nodes signal to each other is read with its own words.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lightship_abi::{
    mac::MacAddress,
    order::Order,
    signal::{self, Signal},
};

/// Ethernet's type for ARP.
pub const ARP: u16 = 0x0806;
/// Ethernet's type for IPv6.
pub const IPV6: u16 = 0x86dd;

/// Every frame, before any program at the interface takes it away, and those that leave.
pub const EVERYTHING: u16 = 3;

/// The part of a question's number that travels in its sender's address and comes back with the answer.
pub const NUMBERS: u32 = 1 << 14;

const ARP_HEADER: [u8; 6] = [0, 1, 8, 0, 6, 4];
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

/// What a client hears about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The answer to a question, with what of its number came back.
    Answer {
        /// What was asked for.
        address: IpAddr,
        /// Who has it.
        mac: MacAddress,
        /// The question's number modulo [`NUMBERS`].
        number: u32,
    },
    /// Somebody tells everybody unasked that it has the address.
    Claim {
        /// What is claimed.
        address: IpAddr,
        /// By whom.
        mac: MacAddress,
        /// Its place in the order of bindings, if the frame carries one.
        order: Option<Order>,
    },
}

/// The addresses that questions come from: within the client's own networks, and nobody's own.
fn asker(family: IpAddr, number: u32) -> IpAddr {
    let [_, _, high, low] = (number % NUMBERS).to_be_bytes();
    match family {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(10, 0, 0x80 | high, low)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::new(
            0x2004,
            0,
            0,
            0,
            0,
            0xa5,
            0,
            u16::from_be_bytes([high, low]),
        )),
    }
}

fn number_v4(octets: &[u8]) -> Option<u32> {
    match octets {
        [10, 0, high, low] if (0x80..0xc0).contains(high) => {
            Some(u32::from_be_bytes([0, 0, high & 0x3f, *low]))
        }
        _ => None,
    }
}

fn number_v6(octets: &[u8]) -> Option<u32> {
    let prefix = [0x20, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa5, 0, 0];
    let [high, low] = octets.strip_prefix(&prefix)? else {
        return None;
    };
    Some(u32::from_be_bytes([0, 0, *high, *low]))
}

/// A question for `address`: an ARP request to everybody, or a neighbour solicitation to the address's group.
#[must_use]
pub fn question(own: MacAddress, address: IpAddr, number: u32) -> Vec<u8> {
    match (address, asker(address, number)) {
        (IpAddr::V4(target), IpAddr::V4(sender)) => {
            let head = [&[0xff; 6][..], &own.0, &ARP.to_be_bytes(), &ARP_HEADER, &[0, 1]].concat();
            let mut frame = [&head[..], &own.0, &sender.octets(), &[0; 6], &target.octets()].concat();
            // Shorter ones exist only inside machines.
            frame.resize(60, 0);
            frame
        }
        (IpAddr::V6(target), IpAddr::V6(sender)) => {
            let (target, sender) = (target.octets(), sender.octets());
            let group = [&[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff][..], &target[13..]].concat();
            let mut body = [&[SOLICITATION, 0, 0, 0, 0, 0, 0, 0][..], &target, &[1, 1], &own.0].concat();
            let sum = checksum(&sender, &group, &body);
            body[2..4].copy_from_slice(&sum.to_be_bytes());
            let station = [&[0x33, 0x33][..], &group[12..]].concat();
            let head = [0x60, 0, 0, 0, 0, 32, ICMPV6, 255];
            [
                &station[..],
                &own.0,
                &IPV6.to_be_bytes(),
                &head,
                &sender,
                &group,
                &body,
            ]
            .concat()
        }
        _ => Vec::new(),
    }
}

/// Sets length and checksum of an `ICMPv6` frame right, whatever was done to its body.
pub fn seal(frame: &mut [u8]) {
    let length = u16::try_from(frame.len().saturating_sub(54)).unwrap_or_default();
    frame[18..20].copy_from_slice(&length.to_be_bytes());
    frame[56..58].fill(0);
    let sum = checksum(&frame[22..38], &frame[38..54], &frame[54..]);
    frame[56..58].copy_from_slice(&sum.to_be_bytes());
}

fn checksum(source: &[u8], destination: &[u8], body: &[u8]) -> u16 {
    let [high, low] = u16::try_from(body.len()).unwrap_or_default().to_be_bytes();
    let pseudo = [source, destination, &[0, 0, high, low, 0, 0, 0, ICMPV6], body].concat();
    let mut sum: u32 = pseudo
        .chunks(2)
        .map(|pair| {
            u32::from(u16::from_be_bytes([
                pair[0],
                pair.get(1).copied().unwrap_or_default(),
            ]))
        })
        .sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// What a frame tells a client, if anything.
#[must_use]
pub fn hear(frame: &[u8]) -> Option<Heard> {
    match frame.get(12..14)? {
        [8, 6] => hear_arp(frame),
        [0x86, 0xdd] => hear_ipv6(frame),
        _ => None,
    }
}

fn hear_arp(frame: &[u8]) -> Option<Heard> {
    if frame.get(14..20)? != ARP_HEADER {
        return None;
    }
    let mac = MacAddress(frame.get(22..28)?.try_into().ok()?);
    let sender: [u8; 4] = frame.get(28..32)?.try_into().ok()?;
    let target = frame.get(38..42)?;
    let address = IpAddr::from(sender);
    if sender == *target {
        let signal = frame.get(42..42 + signal::LEN);
        return Some(Heard::Claim {
            address,
            mac,
            order: signal.and_then(order),
        });
    }
    let number = number_v4(target)?;
    (frame.get(21) == Some(&2)).then_some(Heard::Answer { address, mac, number })
}

fn hear_ipv6(frame: &[u8]) -> Option<Heard> {
    if frame.get(20) != Some(&ICMPV6) || frame.get(54) != Some(&ADVERTISEMENT) {
        return None;
    }
    let target: [u8; 16] = frame.get(62..78)?.try_into().ok()?;
    let address = IpAddr::from(target);
    let mut mac = MacAddress(frame.get(6..12)?.try_into().ok()?);
    let mut claimed = None;
    let mut options = frame.get(78..)?;
    while let [kind, units, ..] = options {
        let (option, rest) = options.split_at_checked(usize::from(*units).max(1) * 8)?;
        if *kind == 2 {
            mac = MacAddress(option.get(2..8)?.try_into().ok()?);
        } else if *kind == signal::NDP_OPTION {
            claimed = option.get(2..2 + signal::LEN).and_then(order);
        }
        options = rest;
    }
    match number_v6(frame.get(38..54)?) {
        Some(number) => Some(Heard::Answer { address, mac, number }),
        None if frame.get(38) == Some(&0xff) => Some(Heard::Claim {
            address,
            mac,
            order: claimed,
        }),
        None => None,
    }
}

fn order(bytes: &[u8]) -> Option<Order> {
    match Signal::from_bytes(bytes.try_into().ok()?)? {
        Signal::Claim(order) => Some(order),
        Signal::Probe(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_as_it_was_asked() {
        let asked = question(MacAddress([2; 6]), "2004::a:0".parse().unwrap(), 5);
        let mut again = asked.clone();
        again[18..20].fill(9);
        again[56..58].fill(9);
        seal(&mut again);
        assert_eq!(asked, again);
    }

    const OWN: MacAddress = MacAddress([2, 0, 0, 0, 1, 200]);
    const NODE: MacAddress = MacAddress([2, 0, 0, 0, 1, 1]);

    #[test]
    fn an_arp_answer_brings_the_number_back() {
        let address = IpAddr::from([10, 0, 10, 7]);
        let mut frame = question(OWN, address, NUMBERS + 300);
        assert_eq!(hear(&frame), None, "a question tells nothing");
        let sender: Vec<u8> = frame[28..32].into();
        frame[38..42].copy_from_slice(&sender);
        frame[28..32].copy_from_slice(&[10, 0, 10, 7]);
        frame[22..28].copy_from_slice(&NODE.0);
        frame[21] = 2;
        assert_eq!(
            hear(&frame),
            Some(Heard::Answer {
                address,
                mac: NODE,
                number: 300
            })
        );
    }

    #[test]
    fn a_claim_shows_its_order() {
        let order = Order { epoch: 7, rank: 2 };
        let mut frame = question(NODE, IpAddr::from([10, 0, 10, 7]), 0);
        frame[28..32].copy_from_slice(&[10, 0, 10, 7]);
        let claim = |order| {
            Some(Heard::Claim {
                address: [10, 0, 10, 7].into(),
                mac: NODE,
                order,
            })
        };
        assert_eq!(hear(&frame), claim(None));
        frame[42..58].copy_from_slice(&Signal::Claim(order).to_bytes());
        assert_eq!(hear(&frame), claim(Some(order)));
    }

    #[test]
    fn the_client_asks_by_ndp_as_the_rfc_wants_it() {
        let address: Ipv6Addr = "2004::a:7".parse().unwrap();
        let frame = question(OWN, address.into(), 5);
        assert_eq!(frame.len(), 86);
        assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0x0a, 0, 7]);
        assert_eq!(
            checksum(&frame[22..38], &frame[38..54], &frame[54..]),
            0,
            "the checksum is right"
        );
    }

    #[test]
    fn cut_frames_tell_nothing() {
        let frame = question(OWN, IpAddr::from([10, 0, 10, 7]), 3);
        for length in 0..frame.len() {
            assert_eq!(hear(&frame[..length]), None);
        }
    }
}
