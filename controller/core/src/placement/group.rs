//! Groups: services connected by a shared address have one holder, so that no address has two.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::demand::Demands;
use crate::names::ServiceId;

/// The services of one group, sorted; the first is the primary.
pub(super) type Group = Vec<ServiceId>;

/// Splits the services into groups, sorted by primary.
pub(super) fn groups(demands: &Demands) -> Vec<Group> {
    let ids: Vec<&ServiceId> = demands.keys().collect();
    let mut parents: Vec<usize> = (0..ids.len()).collect();
    let mut first_with: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for (index, announcements) in demands.values().enumerate() {
        for address in announcements.iter().flat_map(|one| &one.addresses) {
            let other = *first_with.entry(*address).or_insert(index);
            let (one, two) = (root(&parents, other), root(&parents, index));
            // The lesser index stays the root, so the root of a group is its primary.
            if let Some(parent) = parents.get_mut(one.max(two)) {
                *parent = one.min(two);
            }
        }
    }
    let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
    for (index, id) in ids.into_iter().enumerate() {
        groups.entry(root(&parents, index)).or_default().push(id.clone());
    }
    groups.into_values().collect()
}

fn root(parents: &[usize], mut index: usize) -> usize {
    while let Some(parent) = parents.get(index).filter(|parent| **parent != index) {
        index = *parent;
    }
    index
}
