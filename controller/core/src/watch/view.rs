//! What a node knows when it decides: its own interfaces, and the primary leases of all groups.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::interfaces::InterfaceSelector;
use crate::inventory::{Interface, LinkState};
use crate::names::NodeName;

/// Names one of this node's interfaces for as long as it lives: the kernel's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NicIndex(pub u32);

/// One of this node's interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// What the heartbeat tells of it.
    pub interface: Interface,
    /// Routers reached through it: witnesses that are no members.
    pub gateways: Vec<IpAddr>,
}

impl Nic {
    pub(super) fn is_up(&self) -> bool {
        self.interface.link == LinkState::Up && self.interface.mac.is_some()
    }
}

/// Addresses, and the interfaces they are announced on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// The interfaces, of whichever node holds.
    pub interfaces: InterfaceSelector,
}

/// A group of services as its primary lease binds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// `holderIdentity`.
    pub holder: NodeName,
    /// `leaseTransitions`.
    pub epoch: u32,
    /// Who may claim it, in order.
    pub standbys: Vec<NodeName>,
    /// Who held it before the operator moved it here, and answers until it hears the claim.
    pub former: Option<NodeName>,
    /// What is announced, over all services of the group.
    pub targets: Vec<Target>,
}

impl GroupView {
    /// The addresses announced on an interface.
    pub(super) fn on<'a>(&'a self, interface: &'a Interface) -> impl Iterator<Item = IpAddr> + 'a {
        on(&self.targets, interface)
    }

    /// Every address.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.targets
            .iter()
            .flat_map(|target| target.addresses.iter().copied())
    }

    /// The place of a node among the standbys, from 0.
    pub(super) fn place_of(&self, node: &NodeName) -> Option<usize> {
        self.standbys.iter().position(|standby| standby == node)
    }
}

/// The addresses announced on an interface.
pub(super) fn on<'a>(targets: &'a [Target], interface: &'a Interface) -> impl Iterator<Item = IpAddr> + 'a {
    targets
        .iter()
        .filter(|target| target.interfaces.selects(interface))
        .flat_map(|target| target.addresses.iter().copied())
}
