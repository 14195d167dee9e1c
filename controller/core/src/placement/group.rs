//! Groups: services connected by a shared address have one holder, so that no address has two.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::binding::{Announcement, Binding};
use crate::names::ServiceId;
use crate::succession::leader::leader;

/// The services of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// The service whose lease is the authority on the holder.
    pub(super) primary: ServiceId,
    /// All of them, sorted.
    pub(super) services: BTreeSet<ServiceId>,
}

/// What services want announced, and who wants which address.
#[derive(Clone, Debug, Default)]
pub(super) struct Demands {
    wanted: BTreeMap<ServiceId, Vec<Announcement>>,
    wanting: BTreeMap<IpAddr, BTreeSet<ServiceId>>,
}

impl Demands {
    /// What a service wants announced.
    pub(super) fn of(&self, id: &ServiceId) -> &[Announcement] {
        self.wanted.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    /// Sets what a service wants, nothing when empty; returns the services that shared an address with it before.
    pub(super) fn set(&mut self, id: &ServiceId, announcements: Vec<Announcement>) -> BTreeSet<ServiceId> {
        let before = self.neighbours(id);
        for address in addresses(&self.wanted.remove(id).unwrap_or_default()) {
            if let Some(services) = self.wanting.get_mut(&address) {
                services.remove(id);
                if services.is_empty() {
                    self.wanting.remove(&address);
                }
            }
        }
        for address in addresses(&announcements) {
            self.wanting.entry(address).or_default().insert(id.clone());
        }
        if !announcements.is_empty() {
            self.wanted.insert(id.clone(), announcements);
        }
        before
    }

    /// The groups that the services are in, sorted by primary.
    pub(super) fn groups(
        &self,
        services: impl IntoIterator<Item = ServiceId>,
        bindings: &BTreeMap<ServiceId, Binding>,
    ) -> Vec<Group> {
        let mut seen = BTreeSet::new();
        let mut groups = Vec::new();
        for start in services {
            if !self.wanted.contains_key(&start) || seen.contains(&start) {
                continue;
            }
            let mut members = BTreeSet::from([start.clone()]);
            let mut reached = vec![start.clone()];
            while let Some(id) = reached.pop() {
                let new = self
                    .neighbours(&id)
                    .into_iter()
                    .filter(|other| members.insert(other.clone()));
                reached.extend(new.collect::<Vec<_>>());
            }
            seen.extend(members.iter().cloned());
            let primary = self.primary(&members, bindings).unwrap_or(start);
            groups.push(Group {
                primary,
                services: members,
            });
        }
        groups.sort_by(|one, other| one.primary.cmp(&other.primary));
        groups
    }

    /// The primary stays what the leases name; when they name several or none, the first in order. Leases that bind nothing of
    /// what is wanted have no say while others do: an address stays where it is when a service comes to share it.
    fn primary(
        &self,
        members: &BTreeSet<ServiceId>,
        bindings: &BTreeMap<ServiceId, Binding>,
    ) -> Option<ServiceId> {
        if members.len() < 2 {
            return members.first().cloned();
        }
        let wanted: BTreeSet<_> = members.iter().flat_map(|id| addresses(self.of(id))).collect();
        let all = members.iter().filter_map(|id| Some((id, bindings.get(id)?)));
        let binds = |(_, one): &(_, &Binding)| one.order.addresses().iter().any(|one| wanted.contains(one));
        let (binding, others): (Vec<_>, Vec<_>) = all.partition(binds);
        let bound = if binding.is_empty() { others } else { binding };
        let named_by_itself = bound.iter().find(|(id, one)| one.order.primary == **id);
        named_by_itself
            .or_else(|| bound.iter().find(|(_, one)| members.contains(&one.order.primary)))
            .map(|(_, one)| one.order.primary.clone())
            .or_else(|| bound.first().map(|(id, _)| (*id).clone()))
            .or_else(|| members.first().cloned())
    }

    fn neighbours(&self, id: &ServiceId) -> BTreeSet<ServiceId> {
        let sharing = addresses(self.of(id))
            .into_iter()
            .filter_map(|address| self.wanting.get(&address));
        sharing.flatten().cloned().collect()
    }
}

/// The binding that says who holds the addresses of a group: its primary's, or while that is only a copy of another's,
/// that other's.
pub(super) fn authority<'a>(
    primary: &ServiceId,
    bindings: &'a BTreeMap<ServiceId, Binding>,
) -> Option<&'a Binding> {
    let own = bindings.get(primary)?;
    let leader = leader(primary, bindings);
    leader.and_then(|one| bindings.get(one)).or(Some(own))
}

fn addresses(announcements: &[Announcement]) -> BTreeSet<IpAddr> {
    announcements
        .iter()
        .flat_map(|one| one.addresses.iter().copied())
        .collect()
}
