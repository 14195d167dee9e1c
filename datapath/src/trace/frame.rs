//! What a frame about an address was, by its first bytes: for people, so that broken frames have a name too.

use std::net::IpAddr;

use lightship_abi::{
    arp, echo, ipv6,
    mac::MacAddress,
    ndp::{self, BLOCK_LEN, Options},
    signal::{self, Signal},
};

/// What a frame was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its kind.
    pub kind: FrameKind,
    /// The station that sent it, by its Ethernet header.
    pub from: MacAddress,
    /// The station or group that it was sent to.
    pub to: MacAddress,
    /// The address that its sender says to have; none if it has none yet.
    pub sender: Option<IpAddr>,
    /// What a node of ours told another by it.
    pub signal: Option<Signal>,
    /// How long it was, in bytes, padding included.
    pub length: u32,
}

/// The kinds of frame that are about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// An ARP request.
    ArpRequest,
    /// An ARP request of somebody who has no address yet, and wants to know whether this one is free (RFC 5227 §2.1).
    ArpProbe,
    /// An ARP request for the sender's own address (RFC 5227 §2.3), or a reply that tells it to all.
    GratuitousArp,
    /// An ARP reply.
    ArpReply,
    /// Another operation of ARP.
    OtherArp,
    /// A neighbour solicitation.
    Solicitation,
    /// A neighbour solicitation of somebody who wants to have the address (RFC 4862 §5.4).
    DuplicateProbe,
    /// A neighbour advertisement.
    Advertisement,
    /// An echo request.
    Ping,
    /// None of these.
    Other,
}

struct Rest<'a>(&'a [u8]);

impl Options for Rest<'_> {
    fn block(&self, at: usize) -> Option<[u8; BLOCK_LEN]> {
        at_of(self.0, at)
    }
}

impl Frame {
    /// Reads the first bytes of a frame that was `length` bytes long.
    pub(super) fn read(head: &[u8], length: u32) -> Self {
        let station = |at| at_of(head, at).map_or(MacAddress::ZERO, MacAddress);
        let (kind, sender, signal) = match at_of(head, 12).map(u16::from_be_bytes) {
            Some(arp::ETHERTYPE) => read_arp(head),
            Some(ipv6::ETHERTYPE) => read_v6(head),
            Some(echo::ETHERTYPE_V4) => {
                let sender = at_of::<4>(head, echo::SOURCE_V4_AT).map(IpAddr::from);
                (FrameKind::Ping, sender, None)
            }
            _ => (FrameKind::Other, None, None),
        };
        Self {
            kind,
            from: station(6),
            to: station(0),
            sender: sender.filter(|address| !address.is_unspecified()),
            signal,
            length,
        }
    }
}

fn read_arp(head: &[u8]) -> (FrameKind, Option<IpAddr>, Option<Signal>) {
    let sender = at_of::<4>(head, arp::SENDER_AT);
    let target = at_of::<4>(head, arp::TARGET_AT);
    let kind = match at_of(head, 20).map(u16::from_be_bytes) {
        Some(1 | 2) if sender == target => FrameKind::GratuitousArp,
        Some(1) if sender == Some([0; 4]) => FrameKind::ArpProbe,
        Some(1) => FrameKind::ArpRequest,
        Some(2) => FrameKind::ArpReply,
        _ => FrameKind::OtherArp,
    };
    let signal = at_of::<{ signal::LEN }>(head, arp::FRAME_LEN);
    (
        kind,
        sender.map(IpAddr::from),
        signal.as_ref().and_then(Signal::from_bytes),
    )
}

fn read_v6(head: &[u8]) -> (FrameKind, Option<IpAddr>, Option<Signal>) {
    let source = at_of::<16>(head, echo::SOURCE_V6_AT).map(IpAddr::from);
    let payload = at_of(head, ipv6::LENGTH_AT).map_or(0, u16::from_be_bytes);
    let kind = match at_of(head, ipv6::MESSAGE_AT) {
        Some([ndp::SOLICITATION]) if source.is_some_and(|source| source.is_unspecified()) => {
            FrameKind::DuplicateProbe
        }
        Some([ndp::SOLICITATION]) => FrameKind::Solicitation,
        Some([ndp::ADVERTISEMENT]) => FrameKind::Advertisement,
        Some([echo::REQUEST_V6]) => return (FrameKind::Ping, source, None),
        _ => return (FrameKind::Other, source, None),
    };
    // Who advertises says to have the target, whatever it writes from.
    let sender = match kind {
        FrameKind::Advertisement => at_of::<16>(head, ndp::TARGET_AT).map(IpAddr::from),
        _ => source,
    };
    (kind, sender, ndp::signal(payload, &Rest(head)))
}

fn at_of<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lightship_abi::order::Order;

    const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
    const ORDER: Order = Order { epoch: 5, rank: 1 };

    fn read(frame: &[u8]) -> (FrameKind, Option<IpAddr>, Option<Signal>) {
        let read = Frame::read(frame, 60);
        assert_eq!((read.from, read.length), (MAC, 60));
        (read.kind, read.sender, read.signal)
    }

    #[test]
    fn what_nodes_of_ours_send_is_named() {
        let claim = Some(Signal::Claim(ORDER));
        let vip = [10, 0, 10, 0];
        let told = arp::gratuitous(MAC, vip, ORDER, MacAddress::BROADCAST);
        assert_eq!(read(&told), (FrameKind::GratuitousArp, Some(vip.into()), claim));
        let probe = arp::probe(MAC, vip, Some(Signal::Probe(7)), MacAddress::BROADCAST);
        assert_eq!(read(&probe), (FrameKind::ArpProbe, None, Some(Signal::Probe(7))));
        let (vip6, source) = ([7; 16], [9; 16]);
        let told = ndp::unsolicited(MAC, vip6, source, ORDER, MacAddress::BROADCAST);
        assert_eq!(read(&told), (FrameKind::Advertisement, Some(vip6.into()), claim));
        let question = ndp::question(MAC, vip6, source, MacAddress::BROADCAST);
        assert_eq!(
            read(&question),
            (FrameKind::Solicitation, Some(source.into()), None)
        );
        let probe = ndp::question(MAC, vip6, [0; 16], MacAddress::BROADCAST);
        assert_eq!(read(&probe), (FrameKind::DuplicateProbe, None, None));
    }

    #[test]
    fn what_was_cut_short_has_a_name_too() {
        let whole = arp::gratuitous(MAC, [10, 0, 10, 0], ORDER, MacAddress::BROADCAST);
        for length in 0..whole.len() {
            Frame::read(whole.get(..length).expect("a part"), 60);
        }
        assert_eq!(Frame::read(&[], 0).kind, FrameKind::Other);
    }
}
