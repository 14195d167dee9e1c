//! Taking in what the watches saw and what the API server answered.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Service};
use kube::ResourceExt as _;
use lightship_core::names::{NodeName, PolicyName, PoolName, ServiceId};
use lightship_core::time::Instant;
use lightship_crd::gateway::Gateway;
use lightship_crd::{CiliumL2AnnouncementPolicy, CiliumLoadBalancerIPPool};
use lightship_edge::lease;
use lightship_edge::watch::Seen;
use tracing::warn;

use super::{Source, World};
use crate::definitions::Definition;
use crate::index;
use crate::outbox::Target;
use crate::watches::Change;

/// However often an agent says it beats, it is not taken for dead sooner, nor for alive longer.
const SHORTEST_BEAT: Duration = Duration::from_secs(1);
const LONGEST_BEAT: Duration = Duration::from_mins(10);

/// The version of an object as a number, as the API server compares them.
pub(super) fn version(object: &impl kube::ResourceExt) -> Option<u64> {
    object.meta().resource_version.as_deref()?.parse().ok()
}

/// Whether `seen` is no newer than what is known already, as the echo of a write that was answered is.
pub(super) fn is_known<K: kube::ResourceExt>(seen: &K, known: Option<&K>) -> bool {
    matches!((version(seen), known.and_then(version)), (Some(seen), Some(known)) if seen <= known)
}

impl World {
    /// Takes in what a watch saw.
    pub(crate) fn observe(&mut self, change: Change, now: Instant) {
        let (source, listed) = match change {
            Change::Service(seen) => (Source::Services, self.observe_services(seen, now)),
            Change::Pool(seen) => (Source::Pools, self.observe_pools(seen, now)),
            Change::Policy(seen) => (Source::Policies, self.observe_policies(seen)),
            Change::Gateway(seen) => (Source::Gateways, self.observe_gateways(seen, now)),
            Change::Node(seen) => (Source::Nodes, self.observe_nodes(seen)),
            Change::Binding(seen) => (Source::Bindings, self.observe_bindings(seen, now)),
            Change::Endpoints(seen) => (Source::Endpoints, self.observe_endpoints(seen)),
            Change::Members(seen) => (Source::Members, self.observe_members(seen)),
            Change::Heartbeat(seen) => (Source::Heartbeats, self.observe_heartbeats(seen, now)),
            Change::Definition(definition, standing) => {
                self.observe_definition(definition, standing, now);
                let source = match definition {
                    Definition::Pools => Source::PoolDefinition,
                    Definition::Policies => Source::PolicyDefinition,
                };
                (source, true)
            }
        };
        if listed && self.missing.remove(&source) && self.missing.is_empty() {
            if self.keeps_what_is_written(Definition::Pools) {
                self.ipam.start(now);
            }
            self.touch_pools();
        }
    }

    fn observe_services(&mut self, seen: Seen<Service>, now: Instant) -> bool {
        let listed = seen.is_everything();
        let difference = seen.difference(self.services.keys().cloned(), index::service::id);
        for service in difference.applied {
            self.trace_seen(&service, now);
            self.observe_service(service, now);
        }
        for id in difference.deleted {
            let before = self
                .services
                .remove(&id)
                .map(|service| index::service::addresses(&service));
            self.show(&id, &before.unwrap_or_default(), &[]);
            for address in self.claims.end(&id) {
                self.let_go(address);
            }
            self.ipam.delete_service(&id, now);
            self.refresh_announceable(&id);
            self.outbox.wake(&Target::Lease(id));
        }
        listed
    }

    /// Takes in a service, from a watch or as the answer to a write.
    pub(super) fn observe_service(&mut self, mut service: Service, now: Instant) {
        let id = index::service::id(&service);
        index::service::slim(&mut service);
        if is_known(&service, self.services.get(&id)) {
            // A read that found nothing new says that what was to be written was not.
            return self.outbox.touch(Target::Service(id));
        }
        for address in self.claims.seen(&id, version(&service)) {
            self.let_go(address);
        }
        let facts = index::service::facts(&service, self.inherited(&service), self.default_class);
        let ingress = facts.ingress.clone();
        let before = self.services.insert(id.clone(), service);
        let before = before
            .map(|service| index::service::addresses(&service))
            .unwrap_or_default();
        self.show(&id, &before, &ingress);
        self.ipam.apply_service(facts, now);
        self.outbox.observed(Target::Service(id.clone()));
        self.refresh_announceable(&id);
    }

    /// Notes which addresses a service shows; who waits for one that it no longer shows may have it now.
    fn show(&mut self, id: &ServiceId, before: &[IpAddr], now: &[IpAddr]) {
        for address in now {
            self.shown.insert(*address, id.clone());
        }
        for address in before.iter().filter(|address| !now.contains(address)) {
            self.shown.remove(address, id);
            self.let_go(*address);
        }
    }

    /// Whoever is to have the address may show it now.
    pub(super) fn let_go(&mut self, address: IpAddr) {
        let waiting: Vec<_> = self.ipam.holders(address).cloned().collect();
        for holder in waiting {
            self.refresh_announceable(&holder);
        }
    }

    fn observe_pools(&mut self, seen: Seen<CiliumLoadBalancerIPPool>, now: Instant) -> bool {
        let listed = seen.is_everything();
        let difference = seen.difference(self.pools.keys().cloned(), |pool| PoolName::from(pool.name_any()));
        for pool in difference.applied {
            self.ipam.apply_pool(index::pool::pool(&pool), now);
            self.observe_pool(pool);
        }
        for name in difference.deleted {
            self.pools.remove(&name);
            self.ipam.delete_pool(&name, now);
        }
        self.touch_pools();
        listed
    }

    /// Takes in a pool's status, from a watch or as the answer to a write.
    pub(super) fn observe_pool(&mut self, pool: CiliumLoadBalancerIPPool) {
        let name = PoolName::from(pool.name_any());
        // Another's definition hides fields of the same version, which show again with the first list under ours.
        let is_whole = self.keeps_what_is_written(Definition::Pools);
        if is_whole && is_known(&pool, self.pools.get(&name)) {
            return self.outbox.touch(Target::Pool(name));
        }
        self.pools.insert(name.clone(), pool);
        self.outbox.observed(Target::Pool(name));
    }

    fn observe_policies(&mut self, seen: Seen<CiliumL2AnnouncementPolicy>) -> bool {
        let listed = seen.is_everything();
        let difference = seen.difference(self.policies.keys().cloned(), |policy| {
            PolicyName::from(policy.name_any())
        });
        for policy in difference.applied {
            self.observe_policy(policy);
        }
        for name in difference.deleted {
            self.policies.remove(&name);
            self.cluster.policies.remove(&name);
            self.replace_everything();
        }
        listed
    }

    /// Takes in a policy, from a watch or as the answer to a write.
    pub(super) fn observe_policy(&mut self, policy: CiliumL2AnnouncementPolicy) {
        let name = PolicyName::from(policy.name_any());
        if is_known(&policy, self.policies.get(&name).map(|(known, _)| known)) {
            return self.outbox.touch(Target::Policy(name));
        }
        let reading = index::policy::policy(&policy);
        let in_force = match &reading.policy {
            Some(read) => self.cluster.policies.insert(name.clone(), read.clone()),
            None => self.cluster.policies.remove(&name),
        };
        if in_force != reading.policy {
            self.replace_everything();
        }
        self.policies.insert(name.clone(), (policy, reading));
        self.outbox.observed(Target::Policy(name));
    }

    fn observe_gateways(&mut self, seen: Seen<Gateway>, now: Instant) -> bool {
        let listed = seen.is_everything();
        let id = |gateway: &Gateway| (gateway.namespace().unwrap_or_default(), gateway.name_any());
        let difference = seen.difference(self.gateways.keys().cloned(), id);
        let mut changed = BTreeSet::new();
        for gateway in difference.applied {
            let (id, labels) = (id(&gateway), gateway.handed_down());
            // A Gateway's own controller writes its status often; only its labels count.
            if self.gateways.get(&id) != Some(&labels) {
                self.gateways.insert(id.clone(), labels);
                changed.insert(id);
            }
        }
        for id in difference.deleted {
            self.gateways.remove(&id);
            changed.insert(id);
        }
        if !changed.is_empty() {
            self.hand_down(&changed, now);
        }
        listed
    }

    /// Looks anew at the services of these Gateways.
    fn hand_down(&mut self, gateways: &BTreeSet<(String, String)>, now: Instant) {
        let concerned: Vec<_> = self
            .services
            .values()
            .filter(|service| index::service::gateway(service).is_some_and(|one| gateways.contains(&one)))
            .map(|service| index::service::facts(service, self.inherited(service), self.default_class))
            .collect();
        for facts in concerned {
            let id = facts.id.clone();
            self.ipam.apply_service(facts, now);
            self.refresh_announceable(&id);
        }
    }

    fn observe_nodes(&mut self, seen: Seen<Node>) -> bool {
        let listed = seen.is_everything();
        let difference = seen.difference(self.cluster.nodes.keys().cloned(), |node| {
            NodeName::from(node.name_any())
        });
        for node in difference.applied {
            let facts = index::node::node(&node);
            let known = self.cluster.nodes.insert(node.name_any().into(), facts.clone());
            // A kubelet renews its node's status every few seconds; only what placement looks at counts.
            if known.is_none() {
                self.outbox.touch(Target::Members);
            }
            if known != Some(facts) {
                self.replace_everything();
            }
        }
        for name in difference.deleted {
            self.cluster.nodes.remove(&name);
            self.cluster.steadiness.forget(&name);
            self.outbox.touch(Target::Members);
            self.replace_everything();
        }
        listed
    }

    /// An address may be bound by nobody else any more: whoever waits looks again.
    pub(super) fn release_deferred_leases(&mut self) {
        for other in std::mem::take(&mut self.deferred_leases) {
            self.outbox.touch(Target::Lease(other));
        }
    }

    fn observe_heartbeats(&mut self, seen: Seen<Lease>, now: Instant) -> bool {
        let listed = seen.is_everything();
        let difference = seen.difference(self.heartbeats.keys().cloned(), kube::ResourceExt::name_any);
        for lease in difference.applied {
            match lease::heartbeat(&lease) {
                Ok(beat) => self.observe_heartbeat(&lease.name_any(), beat, now),
                Err(error) => {
                    let (lease, error) = (lease.name_any(), &error as &dyn std::error::Error);
                    warn!(lease, error, "a heartbeat cannot be read and is passed over");
                }
            }
        }
        for name in difference.deleted {
            if let Some(node) = self.heartbeats.remove(&name) {
                self.cluster.heartbeats.forget(&node);
                self.outbox.touch(Target::Members);
            }
            self.replace_everything();
        }
        listed
    }

    fn observe_heartbeat(&mut self, lease: &str, beat: lease::Beat, now: Instant) {
        if lease != lightship_crd::lease::heartbeat(beat.node.as_str()) {
            warn!(lease, node = %beat.node, "a heartbeat speaks for a node that is not its own and is passed over");
            return;
        }
        self.hear(&beat.node, &beat.inventory, now);
        let beats = &mut self.cluster.heartbeats;
        let known = beats.inventory(&beat.node).map(|known| &known.interfaces);
        let same_interfaces = known == Some(&beat.inventory.interfaces);
        beats.observe(
            beat.node.clone(),
            beat.renewal,
            beat.duration.clamp(SHORTEST_BEAT, LONGEST_BEAT),
            beat.inventory,
            now,
        );
        self.heartbeats.insert(lease.to_owned(), beat.node);
        if !same_interfaces {
            self.replace_everything();
            self.outbox.touch(Target::Members);
        }
        self.weigh_heartbeats(now);
    }
}
