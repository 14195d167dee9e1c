//! Membership of solicited-node groups, such that it outlives the agent and that multicast listener reports are sent.
//!
//! A membership is the group's own address assigned to the interface with `IFA_F_MCAUTOJOIN`: the kernel then joins by a
//! socket of its own. Being multicast, the address is never picked as a source, resolved or announced; the addresses
//! that are answered do not become local. It goes with the interface's other addresses when the interface is set down;
//! the kernel's socket then stays a member until the interface is gone, which this remembers to tell a membership that
//! is there already from one that cannot be had.

use std::{collections::BTreeSet, io, net::IpAddr};

use rtnetlink::{
    packet_core::{NLM_F_CREATE, NLM_F_EXCL},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage},
    },
};

use crate::{assigned, conversation::Conversation, entry::Group};

/// Why a group could not be joined, left or read.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// No netlink socket.
    #[error("failed to open a netlink socket")]
    Open(#[source] io::Error),
    /// The kernel did not let the interface join.
    #[error(
        "failed to join the group {0}: neighbours behind a switch that snoops will not find its addresses"
    )]
    Join(Group, #[source] io::Error),
    /// The kernel did not let the interface leave.
    #[error("failed to leave the group {0}")]
    Leave(Group, #[source] io::Error),
    /// The kernel did not tell of memberships.
    #[error("failed to read group memberships")]
    Read(#[source] io::Error),
}

pub(crate) struct Groups {
    kernel: Conversation,
    /// Joined without an address that says so: the interface was set down meanwhile.
    lingering: BTreeSet<Group>,
}

impl Groups {
    pub(crate) fn open() -> Result<Self, GroupError> {
        Ok(Self {
            kernel: Conversation::open().map_err(GroupError::Open)?,
            lingering: BTreeSet::new(),
        })
    }

    /// The groups joined by this or an earlier process.
    pub(crate) fn joined(&self) -> Result<BTreeSet<Group>, GroupError> {
        let addresses = assigned::addresses().map_err(GroupError::Read)?;
        let of_addresses = addresses
            .iter()
            .map(|one| Group {
                address: one.address,
                interface: one.interface,
            })
            .filter(is_solicited_node);
        let mut joined: BTreeSet<_> = of_addresses.collect();
        if !self.lingering.is_empty() {
            let members = assigned::memberships().map_err(GroupError::Read)?;
            joined.extend(members.into_iter().filter(|group| self.lingering.contains(group)));
        }
        Ok(joined)
    }

    /// Joins a group; joined already is fine.
    pub(crate) fn join(&mut self, group: Group) -> Result<(), GroupError> {
        let failed = |source| GroupError::Join(group, source);
        let outcome = self.kernel.order(
            RouteNetlinkMessage::NewAddress(message(group)),
            NLM_F_CREATE | NLM_F_EXCL,
        );
        match outcome {
            Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => {
                if !assigned::memberships().map_err(failed)?.contains(&group) {
                    return Err(failed(error));
                }
                self.lingering.insert(group);
                Ok(())
            }
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            outcome => outcome.map_err(failed),
        }
    }

    /// Leaves a group; not being a member is fine, and so is an interface that is gone.
    pub(crate) fn leave(&mut self, group: Group) -> Result<(), GroupError> {
        self.lingering.remove(&group);
        match self
            .kernel
            .order(RouteNetlinkMessage::DelAddress(message(group)), 0)
        {
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EADDRNOTAVAIL | libc::ENODEV | libc::ENXIO)
                ) =>
            {
                Ok(())
            }
            outcome => outcome.map_err(|source| GroupError::Leave(group, source)),
        }
    }
}

fn message(group: Group) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet6;
    message.header.prefix_len = 128;
    message.header.flags = AddressHeaderFlags::Nodad | AddressHeaderFlags::Permanent;
    message.header.index = group.interface.0;
    message.attributes = vec![
        AddressAttribute::Address(IpAddr::V6(group.address)),
        // No route: there is nothing to reach behind it.
        AddressAttribute::Flags(
            AddressFlags::Nodad
                | AddressFlags::Permanent
                | AddressFlags::Mcautojoin
                | AddressFlags::Noprefixroute,
        ),
    ];
    message
}

/// Whether a group is one of `ff02::1:ff00:0/104`.
fn is_solicited_node(group: &Group) -> bool {
    group.address.segments()[..6] == [0xff02, 0, 0, 0, 0, 1] && group.address.octets()[12] == 0xff
}
