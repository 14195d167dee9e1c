//! What the responder is told: an address, and the interface that answers for it.

use std::{fmt, net::Ipv4Addr};

use lightship_abi::layout::ResponderV4Key;

/// The kernel's index of a network interface. It names the interface for as long as it lives, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceIndex(pub u32);

impl fmt::Display for InterfaceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An address answered on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The address.
    pub address: Ipv4Addr,
    /// The interface that answers for it.
    pub interface: InterfaceIndex,
}

impl Entry {
    pub(crate) fn key(self) -> [u8; 8] {
        ResponderV4Key::new(self.address.octets(), self.interface.0).to_bytes()
    }

    pub(crate) fn from_key(key: [u8; 8]) -> Self {
        let key = ResponderV4Key::from_bytes(key);
        Self {
            address: key.octets().into(),
            interface: InterfaceIndex(key.ifindex),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on interface {}", self.address, self.interface)
    }
}
