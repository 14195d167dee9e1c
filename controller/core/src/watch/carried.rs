//! What of this node's decisions the kernel holds already. Who is told by a claim to stop does so at once, so nobody is told
//! before this node answers itself: the address would be silent until it does.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::view::{NicIndex, on};
use super::{Action, Heard, Part, Watch};
use crate::finding::Sight;
use crate::names::ServiceId;

/// What the kernel holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    revision: u64,
    refused: BTreeMap<(NicIndex, IpAddr), String>,
}

impl Watch {
    /// The kernel holds by now what [`Self::answers`] said at a revision, all but what it `refused`, and why. What it refuses
    /// again was told before.
    pub fn carried_out(
        &mut self,
        revision: u64,
        refused: BTreeMap<(NicIndex, IpAddr), String>,
    ) -> Vec<Action> {
        let before = std::mem::replace(&mut self.carried, Carried { revision, refused });
        let refused = self.carried.refused.iter();
        let news = refused.filter(|(place, _)| !before.refused.contains_key(place));
        let told = news.filter_map(|((nic, address), why)| {
            let sight = Sight::Refused {
                address: *address,
                interface: self.links.get(nic)?.nic.interface.name.clone(),
                why: why.clone(),
            };
            Some(Action::Tell(self.index.group_of(*address).cloned(), sight))
        });
        told.collect()
    }

    /// Whether what was seen is so still; `None` of what was seen at a moment.
    #[must_use]
    pub fn stands(&self, saw: &Sight) -> Option<bool> {
        let Sight::Refused {
            address, interface, ..
        } = saw
        else {
            return None;
        };
        let mut named = self
            .links
            .iter()
            .filter(|(_, link)| link.nic.interface.name == *interface);
        Some(named.any(|(nic, _)| self.carried.refused.contains_key(&(*nic, *address))))
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
            decided <= self.carried.revision && !self.carried.refused.contains_key(&(nic, address));
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
