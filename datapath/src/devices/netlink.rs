//! Devices by netlink. A notification only says that something changed: what is reported is a fresh list each time, so a
//! lost or overrun notification cannot leave a wrong picture behind.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
};

use futures::{StreamExt as _, TryStreamExt as _, channel::mpsc::UnboundedReceiver};
use lightship_abi::mac::MacAddress;
use rtnetlink::{
    Handle, MulticastGroup, new_connection, new_multicast_connection,
    packet_core::NetlinkMessage,
    packet_route::{
        RouteNetlinkMessage,
        address::AddressAttribute,
        link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage},
        route::{RouteAddress, RouteAttribute, RouteMessage, RouteType},
    },
    sys::SocketAddr,
};
use tokio::task::JoinHandle;

use super::{AdminState, Carrier, Device, Kind, Reach};
use crate::entry::InterfaceIndex;

/// Why devices could not be listed or watched.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No netlink socket.
    #[error("failed to open a netlink socket")]
    Open(#[source] io::Error),
    /// The kernel did not list its devices.
    #[error("failed to list the network devices")]
    Links(#[source] rtnetlink::Error),
    /// The kernel did not list addresses.
    #[error("failed to list the addresses of network devices")]
    Addresses(#[source] rtnetlink::Error),
    /// The kernel did not list routes.
    #[error("failed to list the routes over network devices")]
    Routes(#[source] rtnetlink::Error),
    /// The kernel closed the stream of changes.
    #[error("failed to go on watching network devices: the kernel closed the stream")]
    Closed,
}

type Messages = UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>;

/// The devices of the network namespace it was opened in, and their changes.
#[derive(Debug)]
pub struct Watch {
    handle: Handle,
    changes: Messages,
    connections: [JoinHandle<()>; 2],
}

impl Watch {
    /// Begins to watch. Changes from now on are seen by [`Watch::changed`].
    ///
    /// # Errors
    /// If the kernel gives no netlink socket.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open() -> Result<Self, DeviceError> {
        let groups = [
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
            MulticastGroup::Ipv4Route,
            MulticastGroup::Ipv6Route,
        ];
        // Two sockets: an overrun of notifications must not take a listing with it.
        let (watching, _, changes) = new_multicast_connection(&groups).map_err(DeviceError::Open)?;
        let (asking, handle, _) = new_connection().map_err(DeviceError::Open)?;
        Ok(Self {
            handle,
            changes,
            connections: [tokio::spawn(watching), tokio::spawn(asking)],
        })
    }

    /// Lists the devices as they are now, by index.
    ///
    /// # Errors
    /// If the kernel does not answer.
    pub async fn list(&self) -> Result<Vec<Device>, DeviceError> {
        let links: Vec<_> = self
            .handle
            .link()
            .get()
            .execute()
            .try_collect()
            .await
            .map_err(DeviceError::Links)?;
        let mut addresses: BTreeMap<u32, Vec<IpAddr>> = BTreeMap::new();
        let mut listed = self.handle.address().get().execute();
        while let Some(message) = listed.try_next().await.map_err(DeviceError::Addresses)? {
            let found = message.attributes.iter().find_map(|attribute| match attribute {
                // A group's address is how the responder joins it, and no address of the device.
                AddressAttribute::Address(address) if !address.is_multicast() => Some(*address),
                _ => None,
            });
            addresses.entry(message.header.index).or_default().extend(found);
        }
        let mut roads: BTreeMap<u32, Road> = BTreeMap::new();
        for family in [RouteMessageFamily::V4, RouteMessageFamily::V6] {
            let mut routes = self.handle.route().get(family.all()).execute();
            while let Some(route) = routes.try_next().await.map_err(DeviceError::Routes)? {
                for (index, gateway) in next_hops(&route) {
                    let road = roads.entry(index).or_default();
                    road.reach = road.reach.max(reach_of(&route));
                    road.gateways.extend(gateway);
                }
            }
        }
        let mut devices: Vec<_> = links
            .iter()
            .map(|link| {
                let index = link.header.index;
                let addresses = addresses.remove(&index).unwrap_or_default();
                device(link, addresses, roads.remove(&index).unwrap_or_default())
            })
            .collect();
        devices.sort_by_key(|device| device.index);
        Ok(devices)
    }

    /// Waits until something changed since the last call, then lists. Changes that came together are told together.
    ///
    /// # Errors
    /// If the stream of changes ends or the kernel does not answer.
    pub async fn changed(&mut self) -> Result<Vec<Device>, DeviceError> {
        self.changes.next().await.ok_or(DeviceError::Closed)?;
        while self.changes.try_recv().is_ok() {}
        self.list().await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for connection in &self.connections {
            connection.abort();
        }
    }
}

#[derive(Clone, Copy)]
enum RouteMessageFamily {
    V4,
    V6,
}

impl RouteMessageFamily {
    fn all(self) -> RouteMessage {
        use std::net::{Ipv4Addr, Ipv6Addr};
        match self {
            Self::V4 => rtnetlink::RouteMessageBuilder::<Ipv4Addr>::new().build(),
            Self::V6 => rtnetlink::RouteMessageBuilder::<Ipv6Addr>::new().build(),
        }
    }
}

/// Where the routes over a device lead.
#[derive(Debug, Default)]
struct Road {
    reach: Reach,
    gateways: BTreeSet<IpAddr>,
}

fn device(link: &LinkMessage, addresses: Vec<IpAddr>, road: Road) -> Device {
    let flags = link.header.flags;
    let mut device = Device {
        index: InterfaceIndex(link.header.index),
        name: String::new(),
        mac: None,
        admin: if flags.contains(LinkFlags::Up) {
            AdminState::Up
        } else {
            AdminState::Down
        },
        carrier: if flags.contains(LinkFlags::LowerUp) {
            Carrier::Present
        } else {
            Carrier::Absent
        },
        kind: if flags.contains(LinkFlags::Loopback) {
            Kind::Loopback
        } else {
            Kind::Other
        },
        master: None,
        addresses,
        reach: road.reach,
        gateways: road.gateways.into_iter().collect(),
    };
    let is_ethernet = link.header.link_layer_type == LinkLayerType::Ether;
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => device.name.clone_from(name),
            LinkAttribute::Address(octets) if is_ethernet => {
                device.mac = octets.as_slice().try_into().ok().map(MacAddress);
            }
            LinkAttribute::Controller(master) if *master != 0 => {
                device.master = Some(InterfaceIndex(*master));
            }
            LinkAttribute::LinkInfo(infos) => device.kind = kind(infos, device.kind),
            _ => {}
        }
    }
    device
}

fn kind(infos: &[LinkInfo], otherwise: Kind) -> Kind {
    let known = infos.iter().find_map(|info| match info {
        LinkInfo::Kind(InfoKind::Veth) => Some(Kind::Veth),
        LinkInfo::Kind(InfoKind::Bridge) => Some(Kind::Bridge),
        LinkInfo::Kind(InfoKind::Other(name)) if name == "openvswitch" => Some(Kind::OpenVSwitch),
        _ => None,
    });
    known.unwrap_or(otherwise)
}

/// The devices a route leaves by, each with the router it leads to, if any.
fn next_hops(route: &RouteMessage) -> Vec<(u32, Option<IpAddr>)> {
    let hops = route.attributes.iter().flat_map(|attribute| match attribute {
        RouteAttribute::MultiPath(hops) => hops.as_slice(),
        _ => &[],
    });
    let mut next: Vec<_> = hops
        .map(|hop| (hop.interface_index, gateway(&hop.attributes)))
        .collect();
    next.extend(route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some((*index, gateway(&route.attributes))),
        _ => None,
    }));
    next
}

fn gateway(attributes: &[RouteAttribute]) -> Option<IpAddr> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(ip)) => Some((*ip).into()),
        RouteAttribute::Gateway(RouteAddress::Inet6(ip)) => Some((*ip).into()),
        _ => None,
    })
}

/// Where a route leads. The kernel's own entries for local and broadcast addresses lead nowhere.
fn reach_of(route: &RouteMessage) -> Reach {
    if route.header.kind != RouteType::Unicast {
        return Reach::Nowhere;
    }
    if route.header.destination_prefix_length == 0 {
        return Reach::Everywhere;
    }
    let leads_out = route.attributes.iter().any(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(ip)) => {
            !(ip.is_loopback() || ip.is_link_local() || ip.is_multicast() || ip.is_unspecified())
        }
        RouteAttribute::Destination(RouteAddress::Inet6(ip)) => {
            !(ip.is_loopback() || ip.is_unicast_link_local() || ip.is_multicast() || ip.is_unspecified())
        }
        _ => false,
    });
    if leads_out {
        Reach::Somewhere
    } else {
        Reach::Nowhere
    }
}
