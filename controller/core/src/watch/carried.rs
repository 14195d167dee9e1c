//! What of this node's decisions the kernel holds already. Who is told by a claim to stop does so at once, so nobody is told
//! before this node answers itself: the address would be silent until it does.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::view::{NicIndex, on};
use super::{Action, Heard, Part, Watch};
use crate::names::ServiceId;

/// What the kernel holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    revision: u64,
    refused: BTreeSet<(NicIndex, IpAddr)>,
}

impl Watch {
    /// The kernel holds by now what [`Self::answers`] said at a revision, all but what it `refused`.
    pub fn carried_out(&mut self, revision: u64, refused: BTreeSet<(NicIndex, IpAddr)>) {
        self.carried = Carried { revision, refused };
    }

    /// What this node answers for a group is another from now on.
    pub(super) fn decided(&mut self, primary: &ServiceId) {
        self.revision += 1;
        if let Some(group) = self.groups.get_mut(primary) {
            group.decided = self.revision;
        }
    }

    /// Tells a station that answers for an address whose it is, if it is this node's and the kernel holds it.
    pub(super) fn claim_to(&self, other: Heard) -> Option<Action> {
        let Heard { nic, from, address } = other;
        let primary = self.index.group_of(address)?;
        let answer = self.answer(primary).filter(|one| one.part != Part::Leaver)?;
        let link = self.links.get(&nic)?;
        let is_meant = on(answer.targets, &link.nic.interface).any(|one| one == address);
        let is_allowed = link.nic.is_up() && link.is_sure() && is_meant;
        let decided = self.groups.get(primary)?.decided.max(link.decided);
        let is_carried_out =
            decided <= self.carried.revision && !self.carried.refused.contains(&(nic, address));
        #[cfg(test)]
        let is_carried_out = is_carried_out || self.breaks(super::broken::Rule::CarriedOut);
        (is_allowed && is_carried_out).then_some(Action::ClaimTo {
            nic,
            to: from,
            address,
            order: answer.order,
        })
    }
}
