//! Which group an address belongs to. While groups merge or split two of them may name it, and either may be heard of last.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::names::ServiceId;

/// The groups of every address.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    groups: BTreeSet<(IpAddr, ServiceId)>,
}

impl Index {
    pub(super) fn add(&mut self, address: IpAddr, primary: &ServiceId) {
        self.groups.insert((address, primary.clone()));
    }

    pub(super) fn remove(&mut self, address: IpAddr, primary: &ServiceId) {
        self.groups.remove(&(address, primary.clone()));
    }

    pub(super) fn group_of(&self, address: IpAddr) -> Option<&ServiceId> {
        self.groups_of(address).next()
    }

    pub(super) fn groups_of(&self, address: IpAddr) -> impl Iterator<Item = &ServiceId> {
        let all = self.groups.range((address, ServiceId::new("", ""))..);
        let of = all.take_while(move |(of, _)| *of == address);
        of.map(|(_, primary)| primary)
    }
}
