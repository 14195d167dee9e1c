//! Groups of services that share their addresses, and services that leave them and come back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::operator::{Call, address, addresses, service};
use super::world::World;
use crate::binding::Binding;
use crate::names::ServiceId;

/// A service that is away from its group.
#[derive(Clone, Debug)]
pub(super) struct Retired {
    service: ServiceId,
    /// Which it has meanwhile; `None` when it is deleted.
    address: Option<IpAddr>,
}

/// The services of a group in order.
fn members(group: usize, count: usize) -> impl Iterator<Item = ServiceId> {
    let further = move |number| ServiceId::new("default", format!("{}-{number}", service(group).name));
    std::iter::once(service(group)).chain((1..count).map(further))
}

impl World {
    /// The services that there are, with their addresses.
    pub(super) fn services(&self) -> BTreeMap<ServiceId, Vec<IpAddr>> {
        let all = (0..self.shape.groups).flat_map(|group| {
            members(group, self.shape.members).map(move |service| (service, addresses(group, &self.shape)))
        });
        let mut services: BTreeMap<_, _> = all.collect();
        for one in self.retired.values() {
            match one.address {
                Some(address) => services.insert(one.service.clone(), vec![address]),
                None => services.remove(&one.service),
            };
        }
        services
    }

    /// The lease that says who holds the addresses of a group.
    pub(super) fn authority(&self, group: usize) -> Option<&Binding> {
        let shared = addresses(group, &self.shape);
        let mut leases = self
            .api
            .state
            .leases
            .iter()
            .map(|(service, (_, binding))| (service, binding));
        let leads = |(service, binding): &(&ServiceId, &Binding)| {
            binding.order.primary == **service && binding.order.addresses().contains(&shared[0])
        };
        leases.find(leads).map(|(_, binding)| binding)
    }

    fn present(&self, group: usize) -> Vec<ServiceId> {
        let away: BTreeSet<&ServiceId> = self.retired.values().map(|one| &one.service).collect();
        members(group, self.shape.members)
            .filter(|service| !away.contains(service))
            .collect()
    }

    /// Whether a service's lease binds the address of a group, and is not about to be deleted.
    fn stays_bound(&self, service: &ServiceId, group: usize) -> bool {
        let lease = self.api.state.leases.get(service);
        let binds = lease.is_some_and(|(_, binding)| binding.order.addresses().contains(&address(group)));
        let mut calls = self.operator.calls.values();
        binds && !calls.any(|call| matches!(call, Call::Delete(other) if other == service))
    }

    /// Takes the service whose lease is the authority from its group, unless no other stays bound to the group's address: who comes
    /// after it then is bound anew.
    pub(super) fn retire(&mut self, number: usize, group: usize, leaves: bool) {
        let present = self.present(group);
        let primary = self.authority(group).map(|binding| &binding.order.service);
        let service = present
            .iter()
            .find(|one| Some(*one) == primary)
            .or(present.first());
        let has_heir = |service: &&ServiceId| {
            present
                .iter()
                .any(|one| one != *service && self.stays_bound(one, group))
        };
        let Some(service) = service.filter(has_heir).cloned() else {
            return;
        };
        let address = leaves.then(|| IpAddr::from([10, 0, 20, u8::try_from(number).unwrap()]));
        self.tell(|| format!("people: {service} leaves its group"));
        self.retired.insert(number, Retired { service, address });
        self.operator_sees_changes();
    }

    pub(super) fn restore(&mut self, number: usize) {
        if let Some(one) = self.retired.remove(&number) {
            self.tell(|| format!("people: {} comes back", one.service));
            self.operator_sees_changes();
        }
    }
}
