//! The leases that bind services: what is seen of them, and what is written.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Resource as _, ResourceExt as _};
use lightship_core::binding::{Binding, WorkOrder};
use lightship_core::names::ServiceId;
use lightship_core::placement::Outcome;
use lightship_core::succession::{First, are_rivals, keeps_from};
use lightship_core::time::Instant;
use lightship_edge::lease::{self, bound_service};
use lightship_edge::watch::{Seen, forget_managers};
use tracing::warn;

use super::World;
use super::observe::{is_known, version};
use super::writes::{Content, Write};
use crate::bindings::{BindingUpdate, LeaseWrite, lease_name};
use crate::error::Error;
use crate::outbox::Target;

impl World {
    pub(super) fn observe_bindings(&mut self, seen: Seen<Lease>, now: Instant) -> bool {
        let listed = seen.is_everything();
        let names = &self.lease_names;
        let difference = seen.difference(self.leases.keys().cloned(), |lease| service_of(lease, names));
        for lease in difference.applied {
            self.observe_lease(lease, now);
        }
        for id in difference.deleted {
            self.forget_lease(&id);
        }
        listed
    }

    /// Takes in a service lease, from a watch or as the answer to a write.
    pub(super) fn observe_lease(&mut self, mut lease: Lease, now: Instant) {
        // Who wrote which field of a lease decides nothing; the API server keeps its record when it is not sent one.
        forget_managers(&mut lease);
        let id = service_of(&lease, &self.lease_names);
        if is_known(&lease, self.leases.get(&id)) {
            return self.outbox.touch(Target::Lease(id));
        }
        if !self.lease_claims.seen(&id, version(&lease)).is_empty() {
            self.sent_leases.remove(&id);
        }
        let binding = lease::binding(&lease).or_else(|error| {
            let (lease_name, error) = (lease.name_any(), &error as &dyn std::error::Error);
            warn!(
                lease = lease_name,
                error, "the lease of a service cannot be read and is written anew"
            );
            // Whoever holds goes on; only what it is to do is told anew.
            holder_alone(&lease, &id).ok_or(())
        });
        self.note_change(&id, &lease, binding.as_ref().ok(), now);
        self.bind(&id, binding.ok());
        self.lease_names.insert(lease.name_any(), id.clone());
        self.leases.insert(id.clone(), lease);
        self.strangers.forget(&id);
        self.lease_changed(id);
    }

    /// Takes in that a service lease is gone.
    pub(super) fn forget_lease(&mut self, id: &ServiceId) {
        if let Some(lease) = self.leases.remove(id) {
            self.lease_names.remove(&lease.name_any());
        }
        self.bind(id, None);
        self.lease_changed(id.clone());
    }

    pub(super) fn bind(&mut self, id: &ServiceId, binding: Option<Binding>) {
        let before = self.cluster.bindings.remove(id);
        for address in before.iter().flat_map(|binding| binding.order.addresses()) {
            self.bound.remove(&address, id);
        }
        for address in binding.iter().flat_map(|binding| binding.order.addresses()) {
            self.bound.insert(address, id.clone());
        }
        self.cluster
            .bindings
            .extend(binding.map(|binding| (id.clone(), binding)));
        self.succession.bound(id, &self.cluster.bindings);
    }

    /// Others may have waited for this lease to let an address go.
    pub(super) fn lease_changed(&mut self, id: ServiceId) {
        self.outbox.observed(Target::Lease(id.clone()));
        self.release_deferred_leases();
        // A primary whose service is gone is in no group any more, and still says who holds the addresses of one.
        for copy in self.succession.copies(&id) {
            self.replace_service(copy);
        }
        self.replace_service(id);
    }

    /// The write that makes the lease of a service say what is decided, or the one that has to come before it.
    pub(super) fn lease_write(
        &mut self,
        id: &ServiceId,
        now: Instant,
        wall: Timestamp,
    ) -> Result<Option<Write>, Error> {
        if self.strangers.is_left_alone(id) {
            return Ok(self.look_at_stranger(id, now));
        }
        let outcome = self.placements.get(id);
        if self.awaits_a_write(id, outcome) {
            self.deferred_leases.insert(id.clone());
            return Ok(None);
        }
        let first = self
            .succession
            .first(id, outcome, &self.cluster.bindings, &self.placements);
        if first.is_some() || self.held_by_another(id, outcome) {
            self.deferred_leases.insert(id.clone());
            match first {
                Some(First::Part(primary)) => self.outbox.touch(Target::Lease(primary)),
                Some(First::Write(_)) | None => {}
            }
            return Ok(None);
        }
        let parted = self
            .succession
            .parted(id, outcome, &self.cluster.bindings, &self.placements);
        if parted.is_some() {
            self.deferred_leases.insert(id.clone());
        }
        let Some(mut update) = self.lease_update(id, parted.as_ref().or(outcome), wall)? else {
            return Ok(None);
        };
        if matches!(update.write, LeaseWrite::Create(_)) && self.held_back.is_some() {
            return Ok(None);
        }
        self.trace_lease(id, &mut update.write, now);
        self.lease_sent(id, &update.write);
        let service = self.services.get(id).map(|service| service.object_ref(&()));
        // A lease that is written is known by its answer, which has the UID that events are found by.
        let deleted = match &update.write {
            LeaseWrite::Delete(lease) => Some(lease.object_ref(&())),
            LeaseWrite::Create(_) | LeaseWrite::Replace(_) => None,
        };
        Ok(Some(Write {
            target: Target::Lease(id.clone()),
            content: Content::Lease(update.write),
            notes: update.notes,
            regarding: service.into_iter().chain(deleted).collect(),
        }))
    }

    fn lease_update(
        &self,
        id: &ServiceId,
        outcome: Option<&Outcome>,
        wall: Timestamp,
    ) -> Result<Option<BindingUpdate>, Error> {
        let observed = self.leases.get(id);
        let bindings = &self.cluster.bindings;
        let successor = self.succession.successor(id, outcome, &self.placements);
        if let (Some(lease), Some(successor)) = (observed, successor) {
            return self.form.retired(lease, successor, wall);
        }
        let name = lease_name(id, observed, &self.lease_names);
        let epoch = self.succession.epoch(outcome, bindings.get(id));
        self.form.update(&name, observed, outcome, epoch, wall)
    }

    /// Notes which addresses a write may bind to whom.
    fn lease_sent(&mut self, id: &ServiceId, write: &LeaseWrite) {
        let (LeaseWrite::Create(lease) | LeaseWrite::Replace(lease)) = write else {
            return;
        };
        if let Ok(binding) = lease::binding(lease) {
            let addresses = binding.order.addresses().into_iter().collect();
            let observed = self.leases.get(id).and_then(version);
            self.lease_claims.sent(id, observed, addresses);
            self.sent_leases
                .insert(id.clone(), (binding.holder, binding.order.primary));
        }
    }

    /// Whether another service's write that may be carried out yet decides about what this one's lease has to say.
    fn awaits_a_write(&self, id: &ServiceId, outcome: Option<&Outcome>) -> bool {
        let bindings = &self.cluster.bindings;
        let own = bindings.get(id).map(|bound| bound.order.addresses());
        let wanted = outcome.map(Outcome::addresses);
        let concerned: BTreeSet<_> = [own, wanted].into_iter().flatten().flatten().collect();
        let mut sent = concerned
            .iter()
            .flat_map(|address| self.lease_claims.services(address))
            .filter(|other| *other != id)
            .filter_map(|other| Some((other, self.sent_leases.get(other)?)));
        sent.any(|(other, (_, named))| self.succession.awaits(id, outcome, other, named, bindings))
    }

    /// Whether an address is still bound to another node by another service's lease: two must never answer for it.
    fn held_by_another(&self, id: &ServiceId, outcome: Option<&Outcome>) -> bool {
        let Some(Outcome::Placed(placed)) = outcome else {
            return false;
        };
        let wanted = placed.order.addresses();
        let mut unanswered = wanted
            .iter()
            .flat_map(|address| self.lease_claims.unanswered_services(address))
            .filter(|other| *other != id)
            .filter_map(|other| self.sent_leases.get(other));
        if unanswered.any(|(holder, primary)| are_rivals(holder, primary, placed)) {
            return true;
        }
        let mut others = wanted
            .iter()
            .flat_map(|address| self.bound.services(address))
            .filter(|other| *other != id);
        others.any(|other| keeps_from(other, &self.cluster.bindings, placed))
    }
}

/// The service of a lease: what its name was known for, for annotations can be edited; else what its annotation says.
fn service_of(lease: &Lease, names: &BTreeMap<String, ServiceId>) -> ServiceId {
    let name = lease.name_any();
    if let Some(known) = names.get(&name) {
        return known.clone();
    }
    let said = bound_service(lease);
    let plain = lightship_crd::lease::service(&said.namespace, &said.name);
    let distinct = lightship_crd::lease::service_distinct(&said.namespace, &said.name);
    // A lease that speaks of a service whose lease has another name is nobody's, and is taken away.
    if name == plain || name == distinct || said.namespace.is_empty() {
        said
    } else {
        ServiceId::new("", name)
    }
}

/// A binding of which only the holder can be read.
fn holder_alone(lease: &Lease, id: &ServiceId) -> Option<Binding> {
    let spec = lease.spec.as_ref()?;
    let holder = spec.holder_identity.clone().filter(|name| !name.is_empty())?;
    let order = WorkOrder {
        service: id.clone(),
        primary: id.clone(),
        announcements: vec![],
        standbys: vec![],
        former: None,
        deposed: None,
    };
    Some(Binding {
        holder: holder.into(),
        transitions: spec.lease_transitions.unwrap_or_default(),
        order,
    })
}
