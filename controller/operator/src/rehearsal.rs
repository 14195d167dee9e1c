//! What a leader that read these objects just now would decide, without writing any of it: for the commands that
//! explain, drain, simulate and validate. It is the leader's own view that decides, so the two cannot differ.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt as _;
use lightship_core::binding::Binding;
use lightship_core::heartbeat::Freshness;
use lightship_core::ipam::{Allocation, PoolReport};
use lightship_core::names::{NodeName, PolicyName, PoolName, ServiceId};
use lightship_core::placement::{AddressKinds, Cluster, Outcome, Rebalancing};
use lightship_core::service::{DefaultClass, Handling};
use lightship_core::time::Instant;
use lightship_core::timing::LeaseTimings;
use lightship_crd::gateway::Gateway;
use lightship_crd::{CiliumL2AnnouncementPolicy, CiliumLoadBalancerIPPool, Standing, annotation};
pub use lightship_edge::lease::bound_service;
use lightship_edge::watch::Seen;

use crate::bindings::LeaseForm;
use crate::definitions::{Definition, Expected};
use crate::watches::Change;
use crate::world::World;

/// The moment of the rehearsal on its own clock, long after the last sign of those that are silent.
const NOW: Instant = Instant::after_start(Duration::from_hours(24));

/// So long, in seconds, counts a heartbeat that is fresh, the longest that is believed: paced moves take their time.
const THROUGHOUT: i32 = 600;

/// Everything that decides, as it was read.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Services.
    pub services: Vec<Service>,
    /// Pools.
    pub pools: Vec<CiliumLoadBalancerIPPool>,
    /// Policies.
    pub policies: Vec<CiliumL2AnnouncementPolicy>,
    /// Gateways; none where their API is not installed.
    pub gateways: Vec<Gateway>,
    /// Where endpoints are.
    pub endpoints: Vec<EndpointSlice>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Leases of services.
    pub bindings: Vec<Lease>,
    /// Heartbeats of agents.
    pub heartbeats: Vec<Lease>,
    /// The definitions of pools and policies; one that is not here is taken for ours.
    pub definitions: Vec<CustomResourceDefinition>,
}

impl Objects {
    /// The same with a node drained.
    #[must_use]
    pub fn drained(mut self, node: &str) -> Self {
        for one in self.nodes.iter_mut().filter(|one| one.name_any() == node) {
            one.annotations_mut()
                .insert(annotation::DRAIN.to_owned(), "true".to_owned());
        }
        self
    }

    /// The same with a node gone.
    #[must_use]
    pub fn without(mut self, node: &str) -> Self {
        self.nodes.retain(|one| one.name_any() != node);
        self
    }
}

/// What would be decided.
#[derive(Debug)]
pub struct Rehearsal(World);

impl Rehearsal {
    /// Decides on these objects. A heartbeat counts as fresh or not by `wall`, for there is no time to see it change.
    #[must_use]
    pub fn of(objects: Objects, default_class: DefaultClass, wall: Timestamp) -> Self {
        let form = LeaseForm {
            namespace: String::new(),
            timings: LeaseTimings::default(),
        };
        let mut world = World::new(form, default_class);
        // Evening out load is nobody's need, and would be told as a move.
        world.rebalance(Rebalancing::Off);
        let (silent, fresh): (Vec<_>, Vec<_>) = objects
            .heartbeats
            .into_iter()
            .partition(|beat| age(beat, wall) > lasts(beat));
        let beats = |beats: Vec<Lease>, seconds, at| {
            let beats = beats.into_iter().map(move |mut beat| {
                if let Some(spec) = &mut beat.spec {
                    spec.lease_duration_seconds = Some(seconds);
                }
                (Change::Heartbeat(Seen::Applied(Box::new(beat))), at)
            });
            beats.collect::<Vec<_>>()
        };
        // The empty list says that all were seen; after the others it would take them away.
        let none_yet = (Change::Heartbeat(Seen::Listed(vec![])), Instant::default());
        let lists = [
            Change::Gateway(Seen::Listed(objects.gateways)),
            Change::Endpoints(Seen::Listed(objects.endpoints)),
            Change::Node(Seen::Listed(objects.nodes)),
            Change::Policy(Seen::Listed(objects.policies)),
            Change::Binding(Seen::Listed(objects.bindings)),
            Change::Members(Seen::Listed(vec![])),
            Change::Pool(Seen::Listed(objects.pools)),
            Change::Service(Seen::Listed(objects.services)),
        ];
        let definitions = standings(&objects.definitions);
        let definitions =
            definitions.map(|(definition, standing)| (Change::Definition(definition, standing), NOW));
        let seen = std::iter::once(none_yet)
            .chain(beats(fresh, THROUGHOUT, NOW))
            // Behind the others: a silence between two heartbeats would count against nobody.
            .chain(beats(silent, 1, Instant::default()))
            .chain(definitions)
            .chain(lists.map(|list| (list, NOW)));
        for (change, at) in seen {
            world.observe(change, at);
        }
        world.advance(NOW);
        world.decide_to_the_end(NOW);
        Self(world)
    }

    /// Whether a service is ours to give an address to; `None` when it does not exist.
    #[must_use]
    pub fn handling(&self, id: &ServiceId) -> Option<Handling> {
        self.0.handling(id)
    }

    /// What a service has or is to have, and why.
    #[must_use]
    pub fn allocation(&self, id: &ServiceId) -> Option<Allocation> {
        self.0.allocation(id)
    }

    /// Which node holds or is to hold a service, or why none does.
    #[must_use]
    pub fn outcome(&self, id: &ServiceId) -> Option<&Outcome> {
        self.0.outcome(id)
    }

    /// The counts, conflict and problems of a pool.
    #[must_use]
    pub fn pool(&self, name: &PoolName) -> Option<PoolReport> {
        self.0.pool_report(name)
    }

    /// What of each policy cannot be read or asks for nothing, each with the field it stands in.
    #[must_use]
    pub fn policy_problems(&self) -> Vec<(PolicyName, Vec<(&'static str, String)>)> {
        let of_each = self.0.readings().map(|(name, reading)| {
            let problems = [
                (
                    "nodeSelector",
                    reading.nodes.as_ref().err().map(ToString::to_string),
                ),
                (
                    "interfaces",
                    reading.interfaces.as_ref().err().map(ToString::to_string),
                ),
                (
                    "serviceSelector",
                    reading.services.as_ref().err().map(ToString::to_string),
                ),
                (
                    "loadBalancerIPs",
                    (reading.kinds == AddressKinds::None).then(|| {
                        "neither loadBalancerIPs nor externalIPs is true: nothing is asked for".to_owned()
                    }),
                ),
            ];
            let problems = problems
                .into_iter()
                .filter_map(|(field, problem)| Some((field, problem?)));
            (name.clone(), problems.collect())
        });
        of_each.collect()
    }

    /// The lease of a service as it stands.
    #[must_use]
    pub fn binding(&self, id: &ServiceId) -> Option<&Binding> {
        self.cluster().bindings.get(id)
    }

    /// Whether the agent on a node is alive; `None` when it never reported.
    #[must_use]
    pub fn is_alive(&self, node: &NodeName) -> Option<bool> {
        let freshness = self.cluster().heartbeats.freshness(node, NOW)?;
        Some(freshness == Freshness::Fresh)
    }

    /// Every service whose lease names a node.
    pub fn held_by<'a>(&'a self, node: &'a NodeName) -> impl Iterator<Item = (&'a ServiceId, &'a Binding)> {
        let bindings = self.cluster().bindings.iter();
        bindings.filter(move |(_, binding)| binding.holder == *node)
    }

    /// Everything placement looked at.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        self.0.cluster()
    }
}

/// How the definitions stand. What cannot be made cannot be compared with either, which the tests of `lightship-crd` rule out.
fn standings(installed: &[CustomResourceDefinition]) -> [(Definition, Standing); 2] {
    match Expected::new() {
        Ok(expected) => expected.standings(installed),
        Err(_) => [
            (Definition::Pools, Standing::Ours),
            (Definition::Policies, Standing::Ours),
        ],
    }
}

/// How long ago a lease was renewed, by its own time.
#[must_use]
pub fn age(lease: &Lease, wall: Timestamp) -> Duration {
    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
    renewed.map_or(Duration::MAX, |at| {
        Duration::try_from(wall.duration_since(at.0)).unwrap_or_default()
    })
}

/// How long a lease counts after it was renewed.
#[must_use]
pub fn lasts(lease: &Lease) -> Duration {
    let spec = lease.spec.as_ref();
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds);
    Duration::from_secs(
        seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests;
