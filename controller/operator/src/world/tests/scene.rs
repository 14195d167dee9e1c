//! A leader with services that have addresses, and the leases it writes, as the API server would keep them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use lightship_core::binding::WorkOrder;
use lightship_crd::{annotation, label};

use super::*;
use crate::bindings::LeaseWrite;

/// A leader, and the leases as the API server has them.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) leases: BTreeMap<String, Lease>,
    pub(super) version: u64,
    /// What was done to which lease, in order.
    pub(super) log: Vec<String>,
    pub(super) now: u64,
    pub(super) renewals: u64,
}

pub(super) fn external(name: &str, addresses: &[&str]) -> Service {
    let service = json!({
        "metadata": {"namespace": "default", "name": name},
        "spec": {"type": "ClusterIP", "externalIPs": addresses},
    });
    serde_json::from_value(service).unwrap()
}

pub(super) fn policy() -> CiliumL2AnnouncementPolicy {
    let policy = json!({
        "apiVersion": "cilium.io/v2alpha1", "kind": "CiliumL2AnnouncementPolicy",
        "metadata": {"name": "policy1"}, "spec": {"externalIPs": true},
    });
    serde_json::from_value(policy).unwrap()
}

pub(super) fn node(name: &str) -> Node {
    let node = json!({
        "metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    });
    serde_json::from_value(node).unwrap()
}

pub(super) fn heartbeat(node: &str, renewal: u64, findings: &Value) -> Lease {
    let last = node.bytes().last().unwrap() - b'0';
    let inventory = json!({
        "interfaces": [{"name": "eth0", "mac": format!("02:00:00:00:00:0{last}"), "link": "up", "suitable": true}],
        "run": "first", "findings": findings,
    });
    let beat = json!({
        "metadata": {
            "name": format!("lightship-agent-{node}"),
            "annotations": {annotation::INVENTORY: inventory.to_string()},
        },
        "spec": {
            "holderIdentity": node, "leaseDurationSeconds": 600,
            "renewTime": format!("2026-01-01T00:00:{renewal:02}.000000Z"),
        },
    });
    serde_json::from_value(beat).unwrap()
}

impl Scene {
    pub(super) fn new(services: &[(&str, &[&str])]) -> Self {
        Self::with_leases(services, BTreeMap::new())
    }

    pub(super) fn with_leases(services: &[(&str, &[&str])], leases: BTreeMap<String, Lease>) -> Self {
        let form = LeaseForm {
            namespace: "kube-system".to_owned(),
            timings: LeaseTimings::default(),
        };
        let names = ["node-1", "node-2", "node-3"];
        let services = services.iter().map(|(name, addresses)| external(name, addresses));
        let mut scene = Self {
            world: World::new(form, DefaultClass::LbIpam),
            leases,
            version: 1000,
            log: vec![],
            now: 0,
            renewals: 0,
        };
        let ours = |lease: &&Lease| {
            lease
                .metadata
                .labels
                .as_ref()
                .is_some_and(|all| all.contains_key(label::LEASE))
        };
        let lists = [
            Change::Service(Seen::Listed(services.collect())),
            Change::Pool(Seen::Listed(vec![])),
            Change::Policy(Seen::Listed(vec![policy()])),
            Change::Definition(Definition::Pools, Standing::Ours),
            Change::Definition(Definition::Policies, Standing::Ours),
            Change::Gateway(Seen::Listed(vec![])),
            Change::Node(Seen::Listed(names.map(node).to_vec())),
            Change::Binding(Seen::Listed(
                scene.leases.values().filter(ours).cloned().collect(),
            )),
            Change::Heartbeat(Seen::Listed(
                names.map(|name| heartbeat(name, 0, &json!([]))).to_vec(),
            )),
            Change::Members(Seen::Listed(vec![])),
            Change::Endpoints(Seen::Listed(vec![])),
        ];
        for list in lists {
            scene.world.observe(list, at(0));
        }
        scene.settle();
        scene
    }

    pub(super) fn instant(&self) -> Instant {
        at(self.now)
    }

    /// Carries out what is due as the API server does, until nothing is.
    pub(super) fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 50, "it does not come to rest: {:?}", self.log);
            let writes = self.world.decide(self.instant(), ALL);
            if writes.is_empty() {
                return;
            }
            for write in writes {
                self.carry_out(write);
            }
        }
    }

    pub(super) fn carry_out(&mut self, write: Write) {
        let now = self.instant();
        let Target::Lease(id) = &write.target else {
            return self.world.written(write.target, Answer::Gone, now);
        };
        let answer = match &write.content {
            Content::Lease(LeaseWrite::Create(lease)) => {
                if self.leases.contains_key(&lease.metadata.name.clone().unwrap()) {
                    return self.world.occupied(write.target, now);
                }
                self.note("create", lease);
                Answer::Lease(Box::new(self.put(lease.as_ref().clone())))
            }
            Content::Lease(LeaseWrite::Replace(lease)) => {
                if !self.is_current(lease) {
                    self.log.push(format!("refused {id}"));
                    return self.world.refused(write.target, now);
                }
                self.note("replace", lease);
                Answer::Lease(Box::new(self.put(lease.as_ref().clone())))
            }
            Content::Lease(LeaseWrite::Delete(lease)) => {
                assert!(self.is_current(lease));
                self.log.push(format!("delete {}", id.name));
                self.leases.remove(&lease.metadata.name.clone().unwrap());
                Answer::LeaseDeleted(id.clone())
            }
            Content::ReadLease(name) => match self.leases.get(name) {
                Some(lease) => Answer::Lease(Box::new(lease.clone())),
                None => Answer::LeaseDeleted(id.clone()),
            },
            other => panic!("{other:?}"),
        };
        self.world.written(write.target, answer, now);
    }

    pub(super) fn is_current(&self, lease: &Lease) -> bool {
        let known = &self.leases[&lease.metadata.name.clone().unwrap()];
        known.metadata.resource_version == lease.metadata.resource_version
    }

    pub(super) fn note(&mut self, what: &str, lease: &Lease) {
        let binding = lightship_edge::lease::binding(lease).unwrap();
        let line = format!(
            "{what} {} by {} primary {} epoch {}",
            binding.order.service.name, binding.holder, binding.order.primary.name, binding.transitions
        );
        self.log.push(line);
    }

    pub(super) fn put(&mut self, mut lease: Lease) -> Lease {
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        self.leases
            .insert(lease.metadata.name.clone().unwrap(), lease.clone());
        lease
    }

    /// Somebody edits a lease, and the watch shows it.
    pub(super) fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Lease)) {
        let mut lease = self.leases[&lease_name(name)].clone();
        edit(&mut lease);
        let lease = self.put(lease);
        self.world
            .observe(Change::Binding(Seen::Applied(Box::new(lease))), self.instant());
    }

    /// The first standby takes a group over, as its agent does; returns who was deposed and who claims.
    pub(super) fn claim(&mut self, name: &str) -> (String, String) {
        let mut parties = (String::new(), String::new());
        self.edit(name, |lease| parties = claimed(lease));
        parties
    }

    pub(super) fn serve(&mut self, name: &str, addresses: &[&str]) {
        let change = Change::Service(Seen::Applied(Box::new(external(name, addresses))));
        self.world.observe(change, self.instant());
    }

    pub(super) fn drop(&mut self, name: &str) {
        let change = Change::Service(Seen::Deleted(Box::new(external(name, &[]))));
        self.world.observe(change, self.instant());
    }

    pub(super) fn beat(&mut self, node: &str, findings: &Value) {
        self.renewals += 1;
        let lease = heartbeat(node, self.renewals, findings);
        self.world
            .observe(Change::Heartbeat(Seen::Applied(Box::new(lease))), self.instant());
    }

    pub(super) fn pass(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        self.world.advance(self.instant());
        self.settle();
    }

    pub(super) fn order(&self, name: &str) -> WorkOrder {
        lightship_edge::lease::binding(&self.leases[&lease_name(name)])
            .unwrap()
            .order
    }

    pub(super) fn spec(&self, name: &str) -> (String, i32) {
        let spec = self.leases[&lease_name(name)].spec.clone().unwrap();
        (spec.holder_identity.unwrap(), spec.lease_transitions.unwrap())
    }

    pub(super) fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    pub(super) fn told(&mut self) -> Vec<String> {
        let tales = self.world.take_tales(self.instant()).into_iter();
        tales
            .flat_map(|(notes, _)| notes)
            .map(|note| format!("{}: {}", note.reason, note.message))
            .collect()
    }
}

pub(super) fn lease_name(service: &str) -> String {
    format!("cilium-l2announce-default-{service}")
}

/// Writes a claim into a lease as an agent does.
pub(super) fn claimed(lease: &mut Lease) -> (String, String) {
    let mut binding = lightship_edge::lease::binding(lease).unwrap();
    let claimant = binding.order.standbys.remove(0);
    let deposed = binding.holder.clone();
    binding.order.deposed = Some(deposed.clone());
    binding.order.former = None;
    let annotations = lease.metadata.annotations.as_mut().unwrap();
    annotations.insert(
        annotation::WORK_ORDER.to_owned(),
        binding.order.to_annotation().unwrap(),
    );
    let spec = lease.spec.as_mut().unwrap();
    spec.holder_identity = Some(claimant.to_string());
    spec.lease_transitions = Some(binding.transitions + 1);
    (deposed.to_string(), claimant.to_string())
}
