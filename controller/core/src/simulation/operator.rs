//! The operator: placement and heartbeats as they are, and a small model of the side that writes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::api::{Answer, Caller, News, State, What};
use super::event::{Event, ForOperator};
use super::plan::Shape;
use super::world::World;
use super::{MS, Micros, SECOND};
use crate::binding::{Binding, WorkOrder};
use crate::heartbeat::{Census, Heartbeats};
use crate::interfaces::InterfaceSelector;
use crate::inventory::Inventory;
use crate::members::Members;
use crate::names::{NodeName, ServiceId};
use crate::placement::{
    AddressKinds, Announceable, Announcer, Cluster, Endpoints, Node, NodeTrait, Placements, Policy, Scope,
};
use crate::selector::{Labels, Selector};
use crate::succession::Succession;
use crate::time::Instant;

const DEADLINE: Micros = 2 * SECOND;

#[derive(Clone, Debug)]
pub(super) enum Call {
    List,
    /// A lease with this order.
    Put(Box<WorkOrder>),
    Delete(ServiceId),
    Members,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Operator {
    pub(super) run: u32,
    /// How many faults keep it away.
    pub(super) gone: u32,
    pub(super) cluster: Cluster,
    pub(super) placements: Placements,
    pub(super) succession: Succession,
    /// Versions in which leases were seen or deleted last.
    pub(super) versions: BTreeMap<ServiceId, u64>,
    members: Members,
    pub(super) calls: BTreeMap<u64, Call>,
    /// Nothing is decided before everything was listed: a new leader's beginning.
    is_sure: bool,
    /// Whether anything but the time changed since the last decision.
    is_stale: bool,
    census: Census,
    thinks_at: Option<Micros>,
}

/// The first service of a group.
pub(super) fn service(group: usize) -> ServiceId {
    ServiceId::new("default", format!("web-{group}"))
}

/// The address that every group has.
pub(super) fn address(group: usize) -> IpAddr {
    IpAddr::from([10, 0, 10, u8::try_from(group).unwrap()])
}

/// The addresses of a group: of one family or of both.
pub(super) fn addresses(group: usize, shape: &Shape) -> Vec<IpAddr> {
    let six = shape.dual.then(|| format!("2004::{group}").parse().unwrap());
    std::iter::once(address(group)).chain(six).collect()
}

impl World {
    pub(super) fn start_operator(&mut self) {
        let run = self.operator.run + 1;
        let gone = self.operator.gone;
        self.operator = Operator {
            run,
            gone,
            cluster: self.cluster(),
            ..Operator::default()
        };
        self.operator.succession.break_rule(self.without.of_succession());
        self.api.streams[self.shape.nodes].is_open = false;
        self.tell(|| format!("operator: run {run} starts"));
        self.think_in(0);
    }

    fn cluster(&self) -> Cluster {
        let policy = Policy {
            nodes: Selector::everything(),
            services: Selector::everything(),
            interfaces: InterfaceSelector::Suitable,
            kinds: AddressKinds::Both,
        };
        Cluster {
            services: self.seen_services(),
            policies: [("policy".into(), policy)].into(),
            nodes: self.seen_nodes(),
            ..Cluster::default()
        }
    }

    fn seen_services(&self) -> BTreeMap<ServiceId, Announceable> {
        let announceable = |load_balancer| Announceable {
            labels: Labels::new(),
            announcer: Announcer::Us,
            load_balancer,
            external: vec![],
            endpoints: Endpoints::Anywhere,
        };
        let services = self.services().into_iter();
        services
            .map(|(id, addresses)| (id, announceable(addresses)))
            .collect()
    }

    fn seen_nodes(&self) -> BTreeMap<NodeName, Node> {
        let seen = |node: &super::node::Node| Node {
            traits: (node.drained > 0)
                .then_some(NodeTrait::Drained)
                .into_iter()
                .collect(),
            ..Node::default()
        };
        let nodes = self.nodes.iter();
        nodes.map(|node| (node.name.clone(), seen(node))).collect()
    }

    /// People changed something about nodes or services.
    pub(super) fn operator_sees_changes(&mut self) {
        self.operator.cluster.nodes = self.seen_nodes();
        self.operator.cluster.services = self.seen_services();
        self.operator.is_stale = true;
        if self.operator.gone == 0 {
            self.think_in(5 * MS);
        }
    }

    fn operator_now(&self) -> Instant {
        Instant::after_start(Duration::from_micros(self.now))
    }

    pub(super) fn operator(&mut self, what: ForOperator) {
        match what {
            ForOperator::Answer(id, answer) => self.operator_answered(id, Some(answer)),
            ForOperator::Deadline(id) => self.operator_answered(id, None),
            ForOperator::News(News::Lease(primary, version, binding)) => {
                self.operator_saw(&primary, version, *binding);
            }
            ForOperator::News(News::Deleted(service, version)) => {
                self.operator_saw_deleted(&service, version);
            }
            ForOperator::News(News::Beat(node, renewal, inventory)) => {
                self.operator_heard(node, renewal, inventory);
            }
            ForOperator::News(News::Members(members)) => self.operator.members = members,
            ForOperator::Broken => self.operator.is_sure = false,
            ForOperator::Think => {
                if self.operator.thinks_at != Some(self.now) {
                    return;
                }
                self.operator.thinks_at = None;
                self.think();
                return self.think_in(self.until_expiry());
            }
        }
        self.think_in(5 * MS);
    }

    /// When a heartbeat expires next, or somebody looks without a reason.
    fn until_expiry(&self) -> Micros {
        let now = self.operator_now();
        let expiry = self.operator.cluster.heartbeats.next_expiry(now);
        let wait = expiry.map_or(u128::MAX, |at| (at - now).as_micros());
        u64::try_from(wait).map_or(500 * MS, |wait| wait.min(500 * MS))
    }

    /// Unless it does so earlier.
    pub(super) fn think_in(&mut self, wait: Micros) {
        let at = self.now + wait;
        if self.operator.thinks_at.is_none_or(|due| due > at) {
            self.operator.thinks_at = Some(at);
            self.later_operator(wait, ForOperator::Think);
        }
    }

    fn later_operator(&mut self, wait: Micros, what: ForOperator) {
        let run = self.operator.run;
        self.push(wait, Event::Operator { run, what });
    }

    fn operator_saw(&mut self, primary: &ServiceId, version: u64, binding: Binding) {
        let known = self.operator.versions.entry(primary.clone()).or_default();
        if version > *known {
            *known = version;
            self.operator.is_stale = true;
            let deposed = binding.order.deposed.clone();
            let before = self.operator.cluster.bindings.insert(primary.clone(), binding);
            let Operator {
                succession, cluster, ..
            } = &mut self.operator;
            succession.bound(primary, &cluster.bindings);
            let is_new = before.is_some_and(|before| before.order.deposed != deposed);
            if let Some(deposed) = deposed.filter(|_| is_new) {
                let now = self.operator_now();
                self.operator.cluster.steadiness.lost(&deposed, now);
            }
        }
    }

    /// A lease is gone since a version, unless a later one is known.
    fn operator_saw_deleted(&mut self, service: &ServiceId, version: u64) {
        let Operator {
            versions,
            cluster,
            succession,
            is_stale,
            ..
        } = &mut self.operator;
        let known = versions.entry(service.clone()).or_default();
        if version > *known {
            *known = version;
            *is_stale = true;
            cluster.bindings.remove(service);
            succession.bound(service, &cluster.bindings);
        }
    }

    fn operator_heard(&mut self, node: NodeName, renewal: String, inventory: Inventory) {
        let (now, duration) = (self.operator_now(), self.most());
        let beats = &mut self.operator.cluster.heartbeats;
        self.operator.is_stale |= beats.inventory(&node) != Some(&inventory);
        beats.observe(node, renewal, duration, inventory, now);
    }

    fn operator_answered(&mut self, id: u64, answer: Option<Answer>) {
        let Some(call) = self.operator.calls.remove(&id) else {
            return;
        };
        match (call, answer) {
            (Call::List, Some(Answer::State(state))) => self.operator_listed(*state),
            (Call::Put(order), Some(Answer::Written(version, binding))) => {
                self.operator_saw(&order.service, version, *binding);
            }
            (Call::Delete(service), Some(Answer::Deleted(version))) => {
                self.operator_saw_deleted(&service, version);
            }
            (Call::List | Call::Members, Some(_)) => {}
            // A conflict, or unknown: everything is read before anything is written again.
            (Call::Put(_) | Call::Delete(_) | Call::Members | Call::List, _) => self.operator.is_sure = false,
        }
    }

    fn operator_listed(&mut self, state: State) {
        self.operator.members = state.members;
        if self
            .operator
            .cluster
            .heartbeats
            .next_expiry(Instant::default())
            .is_none()
        {
            self.operator.cluster.heartbeats = Heartbeats::default();
        }
        for (node, (renewal, inventory)) in state.beats {
            self.operator_heard(node, renewal, inventory);
        }
        let known = self.operator.cluster.bindings.keys();
        let gone = known.filter(|service| !state.leases.contains_key(*service));
        for service in gone.cloned().collect::<Vec<_>>() {
            self.operator_saw_deleted(&service, state.version);
        }
        for (primary, (version, binding)) in state.leases {
            self.operator_saw(&primary, version, binding);
        }
        (self.operator.is_sure, self.operator.is_stale) = (true, true);
    }

    fn think(&mut self) {
        if !self.operator.is_sure {
            if !self
                .operator
                .calls
                .values()
                .any(|call| matches!(call, Call::List))
            {
                self.operator_calls(What::List, Call::List);
            }
            return;
        }
        let now = self.operator_now();
        let Operator {
            cluster,
            placements,
            census: before,
            is_stale,
            ..
        } = &mut self.operator;
        let census = cluster.heartbeats.advance(now);
        for name in before.fresh.difference(&census.fresh) {
            cluster.steadiness.fell_silent(name, now);
        }
        for name in census.fresh.difference(&before.fresh) {
            cluster.steadiness.heard(name, now);
        }
        let is_trusted = !cluster.steadiness.advance(now).is_empty();
        let is_due = !placements.take_due(cluster, now).is_empty();
        let changed = census != *before;
        *before = census;
        if std::mem::take(is_stale) || changed || is_trusted || is_due {
            placements.decide(cluster, Scope::Everything, now);
        }
        self.write_members();
        let operator = &self.operator;
        let placed = operator.placements.iter().map(|(service, _)| service);
        let all: BTreeSet<_> = placed.chain(operator.cluster.bindings.keys()).cloned().collect();
        for service in all {
            self.write_lease(service);
        }
    }

    fn write_members(&mut self) {
        let beats = &self.operator.cluster.heartbeats;
        let known = self.nodes.iter().filter_map(|node| {
            let inventory = beats.inventory(&node.name)?;
            Some((&node.name, inventory))
        });
        let members = Members::of(known);
        let is_asking = self
            .operator
            .calls
            .values()
            .any(|call| matches!(call, Call::Members));
        if members != self.operator.members && !is_asking {
            self.operator_calls(What::Members(members), Call::Members);
        }
    }

    pub(super) fn operator_calls(&mut self, what: What, call: Call) {
        let run = self.operator.run;
        let id = self.request(Caller::Operator { run }, what);
        self.operator.calls.insert(id, call);
        self.later_operator(DEADLINE, ForOperator::Deadline(id));
    }
}
