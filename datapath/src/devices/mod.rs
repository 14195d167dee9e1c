//! The node's network devices: what there is, what changes, and which of them answer where no policy says so.

mod netlink;
mod suitability;

use std::net::IpAddr;

use lightship_abi::mac::MacAddress;

pub use netlink::{DeviceError, Watch};
pub use suitability::{Selection, Unsuitable};

use crate::entry::InterfaceIndex;

/// A network device as the kernel tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its index; a device made again under the same name has another.
    pub index: InterfaceIndex,
    /// Its name at this moment.
    pub name: String,
    /// Its Ethernet address; a device without one speaks no ARP.
    pub mac: Option<MacAddress>,
    /// Whether it is set up by its administrator.
    pub admin: AdminState,
    /// Whether its line is connected.
    pub carrier: Carrier,
    /// What kind of device it is.
    pub kind: Kind,
    /// The bridge, bond or the like it is a part of.
    pub master: Option<InterfaceIndex>,
    /// Its addresses, of both families, link-local ones too.
    pub addresses: Vec<IpAddr>,
    /// The farthest its routes reach.
    pub reach: Reach,
    /// The routers reached through it.
    pub gateways: Vec<IpAddr>,
}

/// What the administrator set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminState {
    /// `ip link set up`.
    Up,
    /// `ip link set down`.
    Down,
}

/// The state of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Connected.
    Present,
    /// Unplugged, or the other side is down.
    Absent,
}

/// The kinds of device that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The loopback device.
    Loopback,
    /// A bridge.
    Bridge,
    /// An Open vSwitch device.
    OpenVSwitch,
    /// One end of a virtual cable, as pods have.
    Veth,
    /// Any other.
    Other,
}

/// The farthest the routes over a device reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// No route to a global unicast destination.
    #[default]
    Nowhere,
    /// A route to some global unicast destination.
    Somewhere,
    /// A default route.
    Everywhere,
}

impl Device {
    /// Whether it can carry a frame now: set up and connected.
    #[must_use]
    pub fn is_operational(&self) -> bool {
        self.admin == AdminState::Up && self.carrier == Carrier::Present
    }

    /// Whether it has an IPv4 address.
    #[must_use]
    pub fn has_ipv4(&self) -> bool {
        self.addresses.iter().any(IpAddr::is_ipv4)
    }

    /// Whether it has an IPv6 address.
    #[must_use]
    pub fn has_ipv6(&self) -> bool {
        self.addresses.iter().any(IpAddr::is_ipv6)
    }
}
