//! What the responder is told: an address, and the interface that answers for it.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use lightship_abi::{
    ipv6,
    layout::{ResponderV4Key, ResponderV6Key},
};
use nix::net::if_::if_indextoname;

/// The kernel's index of a network interface. It names the interface for as long as it lives, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceIndex(pub u32);

impl InterfaceIndex {
    /// What the interface is called at this moment, if it is still there.
    #[must_use]
    pub fn name(self) -> Option<String> {
        // Without such an interface nix gives an empty name.
        let name = if_indextoname(self.0).ok()?.to_string_lossy().into_owned();
        (!name.is_empty()).then_some(name)
    }
}

impl fmt::Display for InterfaceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An address answered on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The address.
    pub address: IpAddr,
    /// The interface that answers for it.
    pub interface: InterfaceIndex,
}

/// An entry as it lies in the map of its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    V4([u8; 8]),
    V6([u8; 24]),
}

impl Entry {
    pub(crate) fn key(self) -> Key {
        let interface = self.interface.0;
        match self.address {
            IpAddr::V4(address) => Key::V4(ResponderV4Key::new(address.octets(), interface).to_bytes()),
            IpAddr::V6(address) => Key::V6(ResponderV6Key::new(address.octets(), interface).to_bytes()),
        }
    }

    pub(crate) fn from_v4(key: [u8; 8]) -> Self {
        let key = ResponderV4Key::from_bytes(key);
        Self {
            address: key.octets().into(),
            interface: InterfaceIndex(key.ifindex),
        }
    }

    pub(crate) fn from_v6(key: [u8; 24]) -> Self {
        let key = ResponderV6Key::from_bytes(key);
        Self {
            address: key.ip6.addr.into(),
            interface: InterfaceIndex(key.ifindex),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on interface {}", self.address, self.interface)
    }
}

/// A solicited-node multicast group on an interface: who asks for an IPv6 address asks the group (RFC 4861 §7.2.2), and
/// switches that snoop carry it only to members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// The group's address; every address with the same last 24 bits shares it.
    pub address: Ipv6Addr,
    /// The interface that is a member.
    pub interface: InterfaceIndex,
}

impl Group {
    /// The group that an entry is asked through; IPv4 is asked by broadcast.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        match entry.address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(Self {
                address: ipv6::solicited_node(address.octets()).into(),
                interface: entry.interface,
            }),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on interface {}", self.address, self.interface)
    }
}
