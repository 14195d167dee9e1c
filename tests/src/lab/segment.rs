//! The cables of a host, and further segments beside the LAN.
//!
//! A segment is a bridge of its own with networks of its own: the first one beside the LAN has 10.1.0.0/16 and `2004:0:0:1::/64`, the
//! next one 10.2.0.0/16 and `2004:0:0:2::/64`. A member's card there may stand beside its `eth0`, or be its `eth0`: then the
//! host is off the LAN.

use anyhow::{Context as _, Result};
use lightship_abi::mac::MacAddress;
use serde::{Deserialize, Serialize};

use super::{
    host::Host,
    network::{self, LAN, MANAGEMENT},
};

/// The part of a MAC address that tells the networks apart.
pub(super) const LAN_SEGMENT: u32 = 1;
pub(super) const MANAGEMENT_SEGMENT: u32 = 2;

/// A network beside the LAN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The bridge in the fabric.
    pub bridge: String,
    /// Its members, and what each calls its card there.
    pub members: Vec<(String, String)>,
}

impl Segment {
    /// A segment with members that call their cards there the same.
    #[must_use]
    pub fn new(bridge: &str, interface: &str, hosts: &[&str]) -> Self {
        let members = hosts
            .iter()
            .map(|host| ((*host).to_owned(), interface.to_owned()));
        Self {
            bridge: bridge.to_owned(),
            members: members.collect(),
        }
    }

    /// One more member, which calls its card there as it likes.
    #[must_use]
    pub fn and(mut self, host: &str, interface: &str) -> Self {
        self.members.push((host.to_owned(), interface.to_owned()));
        self
    }
}

/// A cable from a host to a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cable {
    /// The host's end.
    pub(super) interface: String,
    /// Where the other end is.
    pub(super) bridge: String,
    /// Which segment that is, as MAC addresses tell it.
    segment: u32,
    /// The second part of its addresses.
    network: u32,
}

impl Cable {
    /// The cables of a host, its own network first and the management last.
    pub(super) fn all(host: &Host, segments: &[Segment]) -> Vec<Self> {
        let further = segments.iter().zip(1_u32..).flat_map(|(segment, number)| {
            let own = segment.members.iter().filter(|(member, _)| member == host.name());
            own.map(move |(_, interface)| Self {
                interface: interface.clone(),
                bridge: segment.bridge.clone(),
                segment: MANAGEMENT_SEGMENT + number,
                network: number,
            })
        });
        let mut cables: Vec<Self> = further.collect();
        if !cables.iter().any(|cable| cable.interface == LAN) {
            cables.insert(0, Self::of(LAN, "lan", LAN_SEGMENT));
        }
        if host.is_node() {
            cables.push(Self::of(MANAGEMENT, "mgmt", MANAGEMENT_SEGMENT));
        }
        cables
    }

    fn of(interface: &str, bridge: &str, segment: u32) -> Self {
        Self {
            interface: interface.to_owned(),
            bridge: bridge.to_owned(),
            segment,
            network: 0,
        }
    }

    pub(super) fn is_management(&self) -> bool {
        self.segment == MANAGEMENT_SEGMENT
    }

    /// The MAC address of the host's end.
    pub(super) fn card(&self, host: &Host) -> MacAddress {
        network::card(self.segment, host.number())
    }

    /// The host's IPv4 address on it; that of the management network depends on the lab.
    pub(super) fn address(&self, host: &Host) -> String {
        format!("10.{}.1.{}", self.network, host.number())
    }

    /// The lines for `ip` that give the host's end its addresses.
    pub(super) fn addressed(&self, host: &Host, slot: u8) -> String {
        let (interface, number) = (&self.interface, host.number());
        let addresses = if self.is_management() {
            let address = network::management_address(slot, number);
            format!("addr add {address}/24 dev {interface}\n")
        } else {
            let (v4, network) = (self.address(host), self.network);
            let v6 = if network == 0 {
                format!("2004::1:{number}")
            } else {
                format!("2004:0:0:{network}::1:{number}")
            };
            format!("addr add {v4}/16 dev {interface}\naddr add {v6}/64 dev {interface} nodad\n")
        };
        addresses + &format!("link set {interface} up\n")
    }
}

/// The IPv4 address of a host's `eth0`.
pub(super) fn address(host: &Host, segments: &[Segment]) -> String {
    let cables = Cable::all(host, segments);
    let own = cables.iter().find(|cable| cable.interface == LAN);
    own.map_or_else(|| host.lan_address(), |cable| cable.address(host))
}

/// The MAC address of a host's card.
pub(super) fn card(host: &Host, segments: &[Segment], interface: &str) -> Result<MacAddress> {
    let cables = Cable::all(host, segments);
    let cable = cables.iter().find(|cable| cable.interface == interface);
    cable.map(|cable| cable.card(host)).with_context(|| {
        let known: Vec<_> = cables.iter().map(|cable| cable.interface.as_str()).collect();
        format!(
            "failed to find {interface} of {}; it has {}",
            host.name(),
            known.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interfaces(host: &str, segments: &[Segment]) -> Vec<(String, String)> {
        let host = Host::named(host, 3).unwrap();
        let cables = Cable::all(&host, segments).into_iter();
        cables.map(|cable| (cable.interface, cable.bridge)).collect()
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter()
            .map(|(one, other)| ((*one).to_owned(), (*other).to_owned()))
            .collect()
    }

    #[test]
    fn a_card_stands_beside_the_lan_or_for_it() {
        let beside = [Segment::new("edge", "net0", &["node-1", "jumpbox"])];
        let instead = [Segment::new("lan2", "eth0", &["node-3"]).and("jumpbox", "eth2")];
        let (lan, mgmt) = (("eth0", "lan"), ("eth1", "mgmt"));
        assert_eq!(interfaces("node-2", &beside), pairs(&[lan, mgmt]));
        assert_eq!(
            interfaces("node-1", &beside),
            pairs(&[lan, ("net0", "edge"), mgmt])
        );
        assert_eq!(interfaces("jumpbox", &beside), pairs(&[lan, ("net0", "edge")]));
        assert_eq!(interfaces("node-3", &instead), pairs(&[("eth0", "lan2"), mgmt]));
        assert_eq!(interfaces("jumpbox", &instead), pairs(&[lan, ("eth2", "lan2")]));
    }
}
