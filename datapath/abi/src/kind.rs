//! What a frame is, from as few of its bytes as can tell: all that a frame that is not for us pays for.

use crate::{arp, echo, ipv6, ndp};

/// A frame that a decision is made about, or another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ARP: see [`crate::verdict::arp`].
    Arp,
    /// A neighbour solicitation: see [`crate::verdict::ndp`].
    Solicitation,
    /// A neighbour advertisement: see [`crate::verdict::ndp`].
    Advertisement,
    /// An echo request over IPv4 without options: see [`crate::verdict::echo`].
    EchoV4,
    /// An echo request over IPv6: see [`crate::verdict::echo`].
    EchoV6,
    /// None of these. IPv6 with extension headers is among them: neighbour discovery needs none (RFC 6980 §5).
    Other,
}

/// Whether echo requests for our addresses are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// They are, within a rate.
    Answered,
    /// They pass like any frame that is not for us.
    Passed,
}

/// The bytes of an IP frame that tell what it is; zero where the frame is too short to have one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// IPv4's version and header length.
    pub version: u8,
    /// IPv4's protocol.
    pub protocol: u8,
    /// The type of an ICMP message behind an IPv4 header without options.
    pub v4_type: u8,
    /// IPv6's next header.
    pub next_header: u8,
    /// The type of an ICMP message behind an IPv6 header.
    pub v6_type: u8,
}

impl Glance {
    /// Where the bytes are in a frame, in the order of the fields.
    pub const AT: [usize; 5] = [14, 23, 34, ipv6::NEXT_HEADER_AT, ipv6::PAYLOAD_AT];

    /// The bytes in the order of the fields.
    #[inline(always)]
    #[must_use]
    pub const fn new([version, protocol, v4_type, next_header, v6_type]: [u8; 5]) -> Self {
        Self {
            version,
            protocol,
            v4_type,
            next_header,
            v6_type,
        }
    }
}

/// Tells what a frame of this Ethernet type is.
#[inline(always)]
pub fn of(ethertype: u16, ping: Ping, glance: impl FnOnce() -> Glance) -> Kind {
    if ethertype == ipv6::ETHERTYPE {
        let seen = glance();
        return match (seen.next_header, seen.v6_type) {
            (ipv6::ICMPV6, ndp::SOLICITATION) => Kind::Solicitation,
            (ipv6::ICMPV6, ndp::ADVERTISEMENT) => Kind::Advertisement,
            (ipv6::ICMPV6, echo::REQUEST_V6) if ping == Ping::Answered => Kind::EchoV6,
            _ => Kind::Other,
        };
    }
    if ethertype == echo::ETHERTYPE_V4 && ping == Ping::Answered {
        let seen = glance();
        return match (seen.protocol, seen.version, seen.v4_type) {
            (echo::ICMP, 0x45, echo::REQUEST_V4) => Kind::EchoV4,
            _ => Kind::Other,
        };
    }
    if ethertype == arp::ETHERTYPE {
        Kind::Arp
    } else {
        Kind::Other
    }
}
