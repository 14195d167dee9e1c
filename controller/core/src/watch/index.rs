//! Which group an address belongs to. While groups merge or split two of them may name it, and either may be heard of last.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::names::ServiceId;

/// The groups of every address.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    groups: BTreeMap<IpAddr, BTreeSet<ServiceId>>,
}

impl Index {
    pub(super) fn add(&mut self, address: IpAddr, primary: &ServiceId) {
        self.groups.entry(address).or_default().insert(primary.clone());
    }

    pub(super) fn remove(&mut self, address: IpAddr, primary: &ServiceId) {
        if let Some(groups) = self.groups.get_mut(&address) {
            groups.remove(primary);
            if groups.is_empty() {
                self.groups.remove(&address);
            }
        }
    }

    pub(super) fn group_of(&self, address: IpAddr) -> Option<&ServiceId> {
        self.groups.get(&address)?.first()
    }

    pub(super) fn groups_of(&self, address: IpAddr) -> impl Iterator<Item = &ServiceId> {
        self.groups.get(&address).into_iter().flatten()
    }
}
