//! The service leases as last seen: whole where this node has a part in the binding, of all others what tells one version from
//! another. In a large cluster most leases are other nodes' business, and every agent knows all of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use lightship_core::binding::Binding;
use lightship_core::names::{NodeName, ServiceId};
use lightship_core::time::Instant;

/// How long an answer may be under way after its lease was deleted: longer than any request may take.
const LATENESS: Duration = Duration::from_mins(1);

/// What tells a version of a lease from others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_field_names,
    reason = "resourceVersion is the API's name for it"
)]
pub(crate) struct Version {
    /// The lease's own name.
    pub(crate) name: String,
    uid: Option<String>,
    resource_version: Option<String>,
}

impl Version {
    /// That of this lease.
    pub(crate) fn of(lease: &Lease) -> Self {
        let metadata = &lease.metadata;
        Self {
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone(),
            resource_version: metadata.resource_version.clone(),
        }
    }

    /// Whether this is an older version of the same object. Versions of one kind are numbers that grow (KEP-5504); where
    /// they are not, what comes later counts as later.
    fn is_older_than(&self, other: &Self) -> bool {
        let number = |version: &Self| version.resource_version.as_ref()?.parse::<u64>().ok();
        self.uid == other.uid
            && number(self)
                .zip(number(other))
                .is_some_and(|(one, other)| one < other)
    }
}

/// A lease as far as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// Which version was seen.
    pub(crate) version: Version,
    /// The lease itself, where this node may come to write it.
    pub(crate) lease: Option<Box<Lease>>,
}

impl Kept {
    /// A lease kept whole.
    pub(crate) fn whole(lease: Lease) -> Self {
        Self {
            version: Version::of(&lease),
            lease: Some(Box::new(lease)),
        }
    }
}

/// Every service lease; whoever has a clone sees what the others see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leases(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    kept: BTreeMap<ServiceId, Kept>,
    /// Those deleted of late: an answer that was under way meanwhile does not bring one back.
    deleted: BTreeMap<ServiceId, (Version, Instant)>,
}

impl Leases {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.inner().kept.len()
    }

    /// Whose leases they are.
    pub(crate) fn services(&self) -> Vec<ServiceId> {
        self.inner().kept.keys().cloned().collect()
    }

    /// The lease of a service.
    pub(crate) fn get(&self, service: &ServiceId) -> Option<Kept> {
        self.inner().kept.get(service).cloned()
    }

    /// Which version of a service's lease was seen.
    pub(crate) fn version(&self, service: &ServiceId) -> Option<Version> {
        self.inner().kept.get(service).map(|kept| kept.version.clone())
    }

    /// Whether a later version is known, or that it was deleted: answers to requests and watches overtake each other.
    pub(crate) fn knows_better(&self, service: &ServiceId, version: &Version) -> bool {
        let inner = self.inner();
        let deleted = inner.deleted.get(service);
        let known = inner.kept.get(service);
        deleted.is_some_and(|(deleted, _)| deleted.uid == version.uid)
            || known.is_some_and(|known| version.is_older_than(&known.version))
    }

    /// Keeps a lease; `binding` is what it says, if it can be read.
    pub(crate) fn keep(&self, service: ServiceId, lease: Lease, binding: Option<&Binding>, node: &NodeName) {
        let mut kept = Kept::whole(lease);
        if binding.is_some_and(|binding| !binding.concerns(node)) {
            kept.lease = None;
        }
        self.inner().kept.insert(service, kept);
    }

    /// A lease is gone.
    pub(crate) fn forget(&self, service: &ServiceId) {
        self.inner().kept.remove(service);
    }

    /// A lease was seen to be deleted.
    pub(crate) fn delete(&self, service: ServiceId, version: Version, now: Instant) {
        let mut inner = self.inner();
        inner.deleted.retain(|_, (_, at)| now - *at < LATENESS);
        inner.deleted.insert(service, (version, now));
    }
}

#[cfg(test)]
mod tests {
    use lightship_core::watch::ReadAnswer;
    use lightship_edge::watch::Seen;

    use super::*;
    use crate::reading::{Known, Read};
    use crate::server::{group, held};
    use crate::standing::Standing;

    fn seconds(seconds: u64) -> Instant {
        Instant::default() + Duration::from_secs(seconds)
    }

    /// What a node answers for after its lease was deleted, once an answer of before arrives.
    fn answers_after(deleted: &Lease, late: Lease, after: u64) -> usize {
        let mut standing = Standing::new("node-1".into(), BTreeMap::new());
        standing.observe_leases(Seen::Listed(vec![held("web", 5)]), seconds(0));
        standing.observe_leases(Seen::Deleted(Box::new(deleted.clone())), seconds(1));
        assert_eq!(standing.answers().count(), 0);
        let read = Read {
            started: seconds(0),
            answer: ReadAnswer::Done,
            leases: vec![late],
            gone: Known::new(),
        };
        standing.observe_read(read, seconds(after));
        standing.answers().count()
    }

    #[test]
    fn an_answer_that_comes_late_does_not_bring_a_deleted_lease_back() {
        assert_eq!(answers_after(&held("web", 6), held("web", 5), 2), 0);
    }

    #[test]
    fn a_lease_that_is_made_again_counts() {
        let mut again = held("web", 7);
        again.metadata.uid = Some("another".to_owned());
        assert_eq!(answers_after(&held("web", 6), again, 2), 1);
    }

    #[test]
    fn who_was_deleted_is_not_remembered_for_ever() {
        let leases = Leases::default();
        for (name, at) in [("a", 0), ("b", 30), ("c", 61)] {
            leases.delete(group(name), Version::of(&held(name, 1)), seconds(at));
        }
        assert_eq!(leases.inner().deleted.len(), 2);
    }

    #[test]
    fn leases_of_others_are_not_kept_whole() {
        let binding = lightship_edge::lease::binding(&held("web", 1)).unwrap();
        for (node, says, is_whole) in [
            ("node-1", Some(&binding), true),
            ("node-2", Some(&binding), true),
            ("node-3", Some(&binding), false),
            ("node-3", None, true),
        ] {
            let leases = Leases::default();
            leases.keep(group("web"), held("web", 1), says, &node.into());
            let kept = leases.get(&group("web")).unwrap();
            assert_eq!(kept.lease.is_some(), is_whole, "{node}, {says:?}");
            assert_eq!(kept.version, Version::of(&held("web", 1)));
        }
    }
}
