//! A cluster that is decided about as the operator does: what is decided is bound, until nothing changes any more.

use std::collections::BTreeSet;

use super::*;

/// A cluster and what is decided about it.
pub(super) struct Run {
    pub(super) cluster: Cluster,
    pub(super) placements: Placements,
    pub(super) now: Instant,
    renewals: u64,
    /// Nodes whose agents are dead.
    pub(super) dead: BTreeSet<NodeName>,
}

impl Run {
    /// Some nodes, alive, a policy for all of them, and some services with an address each.
    pub(super) fn new(nodes: usize, services: usize) -> Self {
        let mut cluster = Cluster::default();
        cluster.policies.insert("policy1".into(), policy());
        for number in 0..services {
            let address = format!("10.0.{}.{}", number / 250, number % 250);
            cluster
                .services
                .insert(id(&format!("s{number:04}")), service(&address));
        }
        let mut run = Self {
            cluster,
            placements: Placements::default(),
            now: at(0),
            renewals: 0,
            dead: BTreeSet::new(),
        };
        for number in 1..=nodes {
            run.join(&format!("node-{number}"));
        }
        run.settle();
        run
    }

    /// A node joins.
    pub(super) fn join(&mut self, node: &str) {
        self.cluster.nodes.insert(node.into(), Node::default());
        beat(&mut self.cluster, node, 0, LinkState::Up, self.now);
    }

    pub(super) fn set(&mut self, node: &str, objection: NodeTrait) {
        let node = self.cluster.nodes.get_mut(&node.into()).unwrap();
        node.traits.insert(objection);
    }

    pub(super) fn unset(&mut self, node: &str, objection: NodeTrait) {
        let node = self.cluster.nodes.get_mut(&node.into()).unwrap();
        node.traits.remove(&objection);
    }

    /// Lets seconds pass, second by second, in which living agents renew and everything due is decided; returns how many
    /// leases were written.
    pub(super) fn pass(&mut self, seconds: u64) -> usize {
        (0..seconds).map(|_| self.second()).sum()
    }

    fn second(&mut self) -> usize {
        self.now = self.now + Duration::from_secs(1);
        self.renewals += 1;
        let names: Vec<_> = self.cluster.nodes.keys().cloned().collect();
        for name in names.iter().filter(|name| !self.dead.contains(name)) {
            let inventory = self.cluster.heartbeats.inventory(name).cloned().unwrap();
            let (beats, renewal) = (&mut self.cluster.heartbeats, format!("r{}", self.renewals));
            beats.observe(name.clone(), renewal, DURATION, inventory, self.now);
        }
        let fresh = self.cluster.heartbeats.advance(self.now).fresh;
        for name in names {
            if fresh.contains(&name) {
                self.cluster.steadiness.heard(&name, self.now);
            } else {
                self.cluster.steadiness.fell_silent(&name, self.now);
            }
        }
        self.cluster.steadiness.advance(self.now);
        let due = self.placements.take_due(&self.cluster, self.now);
        assert!(due.len() <= self.cluster.services.len());
        self.settle()
    }

    /// Decides and binds until nothing changes; returns how many leases were written.
    pub(super) fn settle(&mut self) -> usize {
        let mut writes = 0;
        for round in 0.. {
            assert!(round < 10, "it does not come to rest");
            self.placements.decide(&self.cluster, Scope::Everything, self.now);
            let written = self.write();
            writes += written;
            if written == 0 {
                break;
            }
        }
        writes
    }

    fn write(&mut self) -> usize {
        let mut written = 0;
        for (id, outcome) in self.placements.iter() {
            let Outcome::Placed(placed) = outcome else {
                written += usize::from(self.cluster.bindings.remove(id).is_some());
                continue;
            };
            let known = self.cluster.bindings.get(id);
            if known.is_some_and(|one| one.holder == placed.holder && one.order == placed.order) {
                continue;
            }
            let moves = known.is_some_and(|one| one.holder != placed.holder);
            let binding = Binding {
                holder: placed.holder.clone(),
                transitions: known.map_or(0, |one| one.transitions) + i32::from(moves),
                order: placed.order.clone(),
            };
            self.cluster.bindings.insert(id.clone(), binding);
            written += 1;
        }
        let placements = &self.placements;
        self.cluster.bindings.retain(|id, _| placements.get(id).is_some());
        written
    }

    /// A standby takes over a group, as agents do, and only the primary's lease.
    pub(super) fn claim(&mut self, name: &str) -> NodeName {
        let binding = self.cluster.bindings.get_mut(&id(name)).unwrap();
        let claimant = binding.order.standbys.remove(0);
        let deposed = std::mem::replace(&mut binding.holder, claimant.clone());
        binding.transitions += 1;
        binding.order.former = None;
        binding.order.deposed = Some(deposed.clone());
        self.cluster.steadiness.lost(&deposed, self.now);
        claimant
    }

    pub(super) fn holder(&self, name: &str) -> NodeName {
        self.cluster.bindings[&id(name)].holder.clone()
    }

    pub(super) fn order(&self, name: &str) -> &WorkOrder {
        &self.cluster.bindings[&id(name)].order
    }

    /// What is decided about a service that has a holder.
    pub(super) fn placed(&self, name: &str) -> &Placed {
        match self.placements.get(&id(name)) {
            Some(Outcome::Placed(placed)) => placed,
            other => panic!("{name} was expected to be placed, not {other:?}"),
        }
    }

    /// Services by holder.
    pub(super) fn load(&self) -> BTreeMap<NodeName, usize> {
        let mut load = BTreeMap::new();
        for binding in self.cluster.bindings.values() {
            *load.entry(binding.holder.clone()).or_default() += 1;
        }
        load
    }
}
