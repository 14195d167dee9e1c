//! What can happen to the write of a lease: no address is ever bound to two nodes.

use k8s_openapi::api::core::v1::Node;
use lightship_crd::annotation;

use super::*;
use crate::bindings::LeaseWrite;

const SHARED: &str = "192.0.2.7";

fn lease(name: &str) -> Target {
    Target::Lease(ServiceId::new("default", name))
}

/// A service that needs no pool: its address is its own.
fn external(name: &str) -> Service {
    let service = json!({
        "metadata": {"namespace": "default", "name": name},
        "spec": {"type": "ClusterIP", "externalIPs": [SHARED]},
    });
    serde_json::from_value(service).unwrap()
}

fn policy(node: &str) -> CiliumL2AnnouncementPolicy {
    let policy = json!({
        "apiVersion": "cilium.io/v2alpha1", "kind": "CiliumL2AnnouncementPolicy",
        "metadata": {"name": "policy1"},
        "spec": {"externalIPs": true, "nodeSelector": {"matchLabels": {"kubernetes.io/hostname": node}}},
    });
    serde_json::from_value(policy).unwrap()
}

fn node(name: &str) -> Node {
    let node = json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    });
    serde_json::from_value(node).unwrap()
}

fn heartbeat(node: &str) -> Lease {
    let inventory =
        r#"{"interfaces":[{"name":"eth0","mac":"02:00:00:00:00:01","link":"up","suitable":true}]}"#;
    let beat = json!({
        "metadata": {"name": format!("lightship-agent-{node}"), "annotations": {annotation::INVENTORY: inventory}},
        "spec": {"holderIdentity": node, "leaseDurationSeconds": 600, "renewTime": "2026-01-01T00:00:00.000000Z"},
    });
    serde_json::from_value(beat).unwrap()
}

fn names(policy: &str, world: &mut World, now: Instant) {
    let change = Change::Policy(Seen::Applied(Box::new(super::leases::policy(policy))));
    world.observe(change, now);
}

/// A leader with two nodes, whose policy is for the first.
fn two_nodes() -> World {
    let form = LeaseForm {
        namespace: "kube-system".to_owned(),
        timings: LeaseTimings::default(),
    };
    let mut world = World::new(form, DefaultClass::LbIpam);
    let lists = [
        Change::Service(Seen::Listed(vec![external("a")])),
        Change::Pool(Seen::Listed(vec![])),
        Change::Policy(Seen::Listed(vec![policy("node-1")])),
        Change::Definition(Definition::Pools, Standing::Ours),
        Change::Definition(Definition::Policies, Standing::Ours),
        Change::Gateway(Seen::Listed(vec![])),
        Change::Node(Seen::Listed(vec![node("node-1"), node("node-2")])),
        Change::Binding(Seen::Listed(vec![])),
        Change::Heartbeat(Seen::Listed(vec![heartbeat("node-1"), heartbeat("node-2")])),
        Change::Members(Seen::Listed(vec![])),
        Change::Endpoints(Seen::Listed(vec![])),
    ];
    for list in lists {
        world.observe(list, at(0));
    }
    world
}

/// The writes and reads of leases that are due.
fn leases_due(world: &mut World, now: Instant) -> Vec<Write> {
    let mut writes = world.decide(now, ALL);
    writes.retain(|write| matches!(write.target, Target::Lease(_)));
    writes
}

fn targets(writes: &[Write]) -> Vec<Target> {
    writes.iter().map(|write| write.target.clone()).collect()
}

fn created(write: &Write) -> Box<Lease> {
    let Content::Lease(LeaseWrite::Create(lease)) = &write.content else {
        panic!("not a new lease: {write:?}");
    };
    let mut lease = lease.clone();
    lease.metadata.resource_version = Some("100".to_owned());
    lease
}

/// The lease of `a`, which binds the address to the first node, was not answered; then `a` goes, and `b` has its address
/// on the second node.
fn unanswered_and_then_elsewhere() -> (World, Box<Lease>) {
    let mut world = two_nodes();
    let writes = leases_due(&mut world, at(0));
    assert_eq!(targets(&writes), [lease("a")]);
    let late = created(&writes[0]);
    world.unanswered(lease("a"), at(5_000));
    world.observe(Change::Service(Seen::Deleted(Box::new(external("a")))), at(5_001));
    names("node-2", &mut world, at(5_002));
    world.observe(Change::Service(Seen::Applied(Box::new(external("b")))), at(5_003));
    let reads = leases_due(&mut world, at(6_000));
    assert!(
        matches!(
            &reads[..],
            [Write {
                content: Content::ReadLease(_),
                ..
            }]
        ),
        "nothing is bound yet: {reads:?}"
    );
    let gone = Answer::LeaseDeleted(ServiceId::new("default", "a"));
    world.written(lease("a"), gone, at(6_001));
    assert_eq!(
        targets(&leases_due(&mut world, at(6_001))),
        [],
        "it may be created yet"
    );
    (world, late)
}

#[test]
fn a_lease_that_is_created_late_is_taken_away_before_its_address_is_bound_elsewhere() {
    let (mut world, late) = unanswered_and_then_elsewhere();
    world.observe(Change::Binding(Seen::Applied(late.clone())), at(9_000));
    let writes = leases_due(&mut world, at(9_000));
    assert_eq!(targets(&writes), [lease("a")]);
    assert!(matches!(writes[0].content, Content::Lease(LeaseWrite::Delete(_))));
    let gone = Answer::LeaseDeleted(ServiceId::new("default", "a"));
    world.written(lease("a"), gone, at(9_001));
    let writes = leases_due(&mut world, at(9_001));
    assert_eq!(targets(&writes), [lease("b")]);
    assert_eq!(
        created(&writes[0]).spec.unwrap().holder_identity.as_deref(),
        Some("node-2")
    );
}

#[test]
fn a_lease_that_is_never_created_is_waited_for_no_longer_than_it_could_be() {
    let (mut world, _) = unanswered_and_then_elsewhere();
    world.advance(at(11_000));
    assert_eq!(targets(&leases_due(&mut world, at(11_000))), []);
    world.advance(at(11_001));
    let reads = leases_due(&mut world, at(11_001));
    assert_eq!(targets(&reads), [lease("a")]);
    let gone = Answer::LeaseDeleted(ServiceId::new("default", "a"));
    world.written(lease("a"), gone, at(11_002));
    assert_eq!(targets(&leases_due(&mut world, at(11_002))), [lease("b")]);
}

#[test]
fn after_a_crash_no_lease_is_created_until_the_dead_leaders_last_one_would_be_there() {
    let mut world = two_nodes();
    world.hold_back(at(5_000));
    assert_eq!(targets(&leases_due(&mut world, at(4_999))), []);
    world.advance(at(5_000));
    assert_eq!(targets(&leases_due(&mut world, at(5_000))), [lease("a")]);
}
