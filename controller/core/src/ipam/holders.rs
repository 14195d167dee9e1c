//! Who has which address, and where a sharing key is found.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::net::IpAddr;
use std::sync::Arc;

use super::range::Range;
use super::sharing::SharingKey;
use crate::names::ServiceId;

/// Services are named often; a name is stored once.
pub(super) type Id = Arc<ServiceId>;

/// What is found by the name of a service, in no order. The hash has no secret, so that runs repeat.
pub(super) type ById<T> = HashMap<Id, T, BuildHasherDefault<DefaultHasher>>;

/// The services of every address in use, and the addresses of every sharing key.
#[derive(Clone, Debug, Default)]
pub(super) struct Holders {
    by_address: BTreeMap<IpAddr, Vec<Id>>,
    by_key: BTreeMap<SharingKey, BTreeMap<IpAddr, usize>>,
}

impl Holders {
    /// The services that have an address.
    pub(super) fn of(&self, address: IpAddr) -> &[Id] {
        self.by_address.get(&address).map_or(&[], Vec::as_slice)
    }

    /// Addresses in use within a range, sorted.
    pub(super) fn within(&self, range: Range) -> impl Iterator<Item = (IpAddr, &[Id])> {
        let (first, last) = range.ends();
        self.by_address
            .range(first..=last)
            .map(|(address, services)| (*address, services.as_slice()))
    }

    /// Addresses that services with this key have, sorted.
    pub(super) fn of_key(&self, key: &SharingKey) -> impl Iterator<Item = IpAddr> {
        self.by_key
            .get(key)
            .into_iter()
            .flat_map(|addresses| addresses.keys().copied())
    }

    /// The service has the address from now on.
    pub(super) fn add(&mut self, address: IpAddr, id: &Id, key: Option<&SharingKey>) {
        let services = self
            .by_address
            .entry(address)
            .or_insert_with(|| Vec::with_capacity(1));
        let place = services.partition_point(|one| one < id);
        services.insert(place, Arc::clone(id));
        self.add_key(address, key);
    }

    /// The service has the address no more.
    pub(super) fn remove(&mut self, address: IpAddr, id: &Id, key: Option<&SharingKey>) {
        if let Some(services) = self.by_address.get_mut(&address) {
            services.retain(|one| one != id);
            if services.is_empty() {
                self.by_address.remove(&address);
            }
        }
        self.remove_key(address, key);
    }

    /// A service that has the address has this key from now on.
    pub(super) fn add_key(&mut self, address: IpAddr, key: Option<&SharingKey>) {
        if let Some(key) = key {
            let addresses = self.by_key.entry(key.clone()).or_default();
            *addresses.entry(address).or_default() += 1;
        }
    }

    /// A service that has the address has this key no more.
    pub(super) fn remove_key(&mut self, address: IpAddr, key: Option<&SharingKey>) {
        let Some((key, addresses)) = key.and_then(|key| Some((key, self.by_key.get_mut(key)?))) else {
            return;
        };
        match addresses.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                addresses.remove(&address);
            }
        }
        if addresses.is_empty() {
            self.by_key.remove(key);
        }
    }
}
