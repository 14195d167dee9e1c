//! Services by address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use lightship_core::names::ServiceId;

/// Which services have to do with an address.
#[derive(Clone, Debug, Default)]
pub(super) struct ByAddress(BTreeMap<IpAddr, BTreeSet<ServiceId>>);

impl ByAddress {
    pub(super) fn insert(&mut self, address: IpAddr, service: ServiceId) {
        self.0.entry(address).or_default().insert(service);
    }

    pub(super) fn remove(&mut self, address: &IpAddr, service: &ServiceId) {
        if let Some(services) = self.0.get_mut(address) {
            services.remove(service);
            if services.is_empty() {
                self.0.remove(address);
            }
        }
    }

    pub(super) fn services(&self, address: &IpAddr) -> impl Iterator<Item = &ServiceId> {
        self.0.get(address).into_iter().flatten()
    }
}
