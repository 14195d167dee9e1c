//! Where the endpoints of services are. All slices of the cluster are watched, for which services are `Local` cannot be
//! asked for; of each only the names of its nodes are kept.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt as _;
use lightship_core::names::{NodeName, ServiceId};
use lightship_core::placement::Endpoints;
use lightship_crd::label;
use lightship_edge::watch::Seen;

use super::World;
use crate::index;

/// A slice by namespace and name.
type SliceId = (String, String);

/// What is kept of a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Slice {
    /// Nodes with a ready endpoint.
    ready: BTreeSet<NodeName>,
    /// Whether it has endpoints, and none of them says where it is.
    placeless: bool,
}

/// The endpoints of all services.
#[derive(Clone, Debug, Default)]
pub(super) struct EndpointIndex {
    service_of: BTreeMap<SliceId, ServiceId>,
    slices: BTreeMap<ServiceId, BTreeMap<SliceId, Slice>>,
}

impl EndpointIndex {
    /// Where the endpoints of a service have to be for a node to hold its addresses.
    pub(super) fn of(&self, service: &Service) -> Endpoints {
        if !index::service::is_local(service) {
            return Endpoints::Anywhere;
        }
        let slices = self.slices.get(&index::service::id(service));
        let slices = || slices.into_iter().flat_map(BTreeMap::values);
        let ready: BTreeSet<_> = slices().flat_map(|slice| slice.ready.iter().cloned()).collect();
        if ready.is_empty() && slices().any(|slice| slice.placeless) {
            Endpoints::Anywhere
        } else {
            Endpoints::On(ready)
        }
    }

    /// Takes in a slice, `None` when it is gone; returns the service if that changes anything.
    fn set(&mut self, id: SliceId, slice: Option<(ServiceId, Slice)>) -> Option<ServiceId> {
        let before = self.service_of.remove(&id);
        let known = before.as_ref().and_then(|service| {
            let slices = self.slices.get_mut(service)?;
            let known = slices.remove(&id);
            if slices.is_empty() {
                self.slices.remove(service);
            }
            known
        });
        let Some((service, slice)) = slice else {
            return before;
        };
        let changed = known.as_ref() != Some(&slice);
        self.service_of.insert(id.clone(), service.clone());
        self.slices.entry(service.clone()).or_default().insert(id, slice);
        changed.then_some(service)
    }
}

impl World {
    pub(super) fn observe_endpoints(&mut self, seen: Seen<EndpointSlice>) -> bool {
        let listed = seen.is_everything();
        let known: Vec<_> = self.endpoints.service_of.keys().cloned().collect();
        let difference = seen.difference(known, slice_id);
        let mut changed = BTreeSet::new();
        for slice in difference.applied {
            changed.extend(self.endpoints.set(slice_id(&slice), read(&slice)));
        }
        for id in difference.deleted {
            changed.extend(self.endpoints.set(id, None));
        }
        for id in changed {
            if self.services.get(&id).is_some_and(index::service::is_local) {
                self.refresh_announceable(&id);
            }
        }
        listed
    }
}

fn slice_id(slice: &EndpointSlice) -> SliceId {
    (slice.namespace().unwrap_or_default(), slice.name_any())
}

/// The service a slice is of, and what is kept of it; nothing for slices of nobody's.
fn read(slice: &EndpointSlice) -> Option<(ServiceId, Slice)> {
    let service = slice.labels().get(label::SERVICE_OF_SLICE)?;
    let id = ServiceId::new(slice.namespace().unwrap_or_default(), service);
    // An endpoint that says nothing of its readiness is ready.
    let ready = slice.endpoints.iter().filter(|one| {
        let conditions = one.conditions.as_ref();
        conditions.and_then(|conditions| conditions.ready).unwrap_or(true)
    });
    let nodes = ready.filter_map(|one| one.node_name.as_deref().map(NodeName::from));
    let named = slice.endpoints.iter().any(|one| one.node_name.is_some());
    let kept = Slice {
        ready: nodes.collect(),
        placeless: !named && !slice.endpoints.is_empty(),
    };
    Some((id, kept))
}
