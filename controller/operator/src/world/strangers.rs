//! Leases that have a name we need and are not ours, as Cilium's agents leave them behind or go on renewing them. They
//! are adopted or reported, never fought over: who renews one keeps it, and the service is not announced by us.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use lightship_core::names::ServiceId;
use lightship_core::time::Instant;
use lightship_crd::{annotation, label};
use lightship_edge::lease::bound_service;

use super::World;
use super::writes::{Content, Write};
use crate::bindings::lease_name;
use crate::outbox::Target;

/// The shortest and the longest time between two looks, whatever the lease says its duration is.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

#[derive(Clone, Debug)]
struct Stranger {
    lease: Lease,
    next_look: Instant,
}

/// The leases that are left alone, by the service that needs their name.
#[derive(Clone, Debug, Default)]
pub(super) struct Strangers(BTreeMap<ServiceId, Stranger>);

/// What to do about a lease of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    /// Nobody holds or renews it.
    Adopt,
    /// Somebody may.
    LeaveAlone,
}

impl Strangers {
    /// Whether the lease a service needs is somebody else's.
    pub(super) fn is_left_alone(&self, id: &ServiceId) -> bool {
        self.0.contains_key(id)
    }

    /// Who holds the lease that a service needs.
    pub(super) fn holder(&self, id: &ServiceId) -> Option<&str> {
        self.0.get(id)?.lease.spec.as_ref()?.holder_identity.as_deref()
    }

    /// The lease is ours now, or gone.
    pub(super) fn forget(&mut self, id: &ServiceId) -> bool {
        self.0.remove(id).is_some()
    }

    /// When one is to be looked at next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.0.values().map(|one| one.next_look).min()
    }

    /// Services whose strangers are to be looked at by now.
    pub(super) fn due(&self, now: Instant) -> Vec<ServiceId> {
        let due = self.0.iter().filter(|(_, one)| one.next_look <= now);
        due.map(|(id, _)| id.clone()).collect()
    }

    /// Takes in a stranger as read. It counts as abandoned when it did not change between two looks, a duration apart.
    fn read(&mut self, id: &ServiceId, lease: &Lease, now: Instant) -> Right {
        let spec = lease.spec.as_ref();
        let holder = spec.and_then(|spec| spec.holder_identity.as_deref());
        let known = self.0.get(id);
        let unchanged = known.is_some_and(|known| {
            known.lease.metadata.resource_version == lease.metadata.resource_version && known.next_look <= now
        });
        if holder.is_none_or(str::is_empty) || unchanged {
            self.0.remove(id);
            return Right::Adopt;
        }
        let seconds = spec
            .and_then(|spec| spec.lease_duration_seconds)
            .unwrap_or_default();
        let duration = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        let (shortest, longest) = LOOKS;
        let stranger = Stranger {
            lease: lease.clone(),
            next_look: now + duration.clamp(shortest, longest),
        };
        self.0.insert(id.clone(), stranger);
        Right::LeaveAlone
    }
}

impl World {
    /// A lease could not be created because one of its name is there, which our watch does not show.
    pub(crate) fn occupied(&mut self, target: Target, now: Instant) {
        self.refused(target.clone(), now);
        self.outbox.doubt(target);
    }

    /// A lease was written or read for a service.
    pub(super) fn lease_answered(&mut self, id: &ServiceId, lease: Lease, now: Instant) {
        if is_ours(&lease) {
            self.lease_claims.read(&bound_service(&lease), now);
            if self.strangers.forget(id) {
                self.outbox.touch(Target::Service(id.clone()));
            }
            return self.observe_lease(lease, now);
        }
        self.lease_claims.read(id, now);
        self.outbox.touch(Target::Service(id.clone()));
        if self.strangers.read(id, &lease, now) == Right::Adopt {
            // What it says binds nobody; it is only written over at this version.
            self.leases.insert(id.clone(), lease);
            self.bind(id, None);
            self.lease_changed(id.clone());
        }
    }

    /// The read that tells whether a stranger is still renewed.
    pub(super) fn look_at_stranger(&self, id: &ServiceId, now: Instant) -> Option<Write> {
        let stranger = self.strangers.0.get(id).filter(|one| one.next_look <= now)?;
        let name = stranger.lease.metadata.name.clone();
        let name = name.unwrap_or_else(|| lease_name(id, None, &self.lease_names));
        Some(Write {
            target: Target::Lease(id.clone()),
            content: Content::ReadLease(name),
            notes: vec![],
            regarding: vec![],
        })
    }
}

/// Whether we wrote a lease, even if somebody took our label off it.
fn is_ours(lease: &Lease) -> bool {
    let (labels, annotations) = (&lease.metadata.labels, &lease.metadata.annotations);
    let has =
        |map: &Option<BTreeMap<String, String>>, key| map.as_ref().is_some_and(|map| map.contains_key(key));
    has(labels, label::LEASE) || has(annotations, annotation::WORK_ORDER)
}
