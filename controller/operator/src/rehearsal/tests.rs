use lightship_core::placement::{Caveat, NodeTrait, Unwanted};
use serde_json::json;

use super::*;

fn wall() -> Timestamp {
    "2026-01-01T00:01:00Z".parse().unwrap()
}

fn node(name: &str) -> Node {
    let node = json!({
        "metadata": {"name": name},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    });
    serde_json::from_value(node).unwrap()
}

fn heartbeat(node: &str, renewed: &str) -> Lease {
    let inventory =
        r#"{"interfaces":[{"name":"eth0","mac":"02:00:00:00:00:01","link":"up","suitable":true}]}"#;
    let lease = json!({
        "metadata": {"name": format!("lightship-agent-{node}"), "annotations": {annotation::INVENTORY: inventory}},
        "spec": {"holderIdentity": node, "leaseDurationSeconds": 15, "renewTime": renewed},
    });
    serde_json::from_value(lease).unwrap()
}

fn bound(number: usize, holder: &str) -> Lease {
    let service = json!({"namespace": "default", "name": format!("web-{number}")});
    let announced = json!([{"policy": "all", "addresses": [format!("10.0.10.{number}")]}]);
    let order = json!({"service": service, "primary": service, "announcements": announced});
    let lease = json!({
        "metadata": {
            "name": format!("cilium-l2announce-default-web-{number}"),
            "annotations": {
                annotation::SERVICE: format!("default/web-{number}"),
                annotation::WORK_ORDER: order.to_string(),
            },
        },
        "spec": {"holderIdentity": holder, "leaseTransitions": 0},
    });
    serde_json::from_value(lease).unwrap()
}

/// So many services on `node-1`, all with their addresses.
fn objects(services: usize, others: &[&str]) -> Objects {
    let service = |number: usize| {
        let service = json!({
            "metadata": {"namespace": "default", "name": format!("web-{number}")},
            "spec": {"type": "LoadBalancer", "ipFamilies": ["IPv4"]},
            "status": {"loadBalancer": {"ingress": [{"ip": format!("10.0.10.{number}")}]}},
        });
        serde_json::from_value(service).unwrap()
    };
    let pool = json!({
        "apiVersion": "cilium.io/v2", "kind": "CiliumLoadBalancerIPPool",
        "metadata": {"name": "first"}, "spec": {"blocks": [{"cidr": "10.0.10.0/24"}]},
    });
    let policy = json!({
        "apiVersion": "cilium.io/v2alpha1", "kind": "CiliumL2AnnouncementPolicy",
        "metadata": {"name": "all"}, "spec": {"loadBalancerIPs": true},
    });
    let names: Vec<_> = ["node-1"].iter().chain(others).copied().collect();
    Objects {
        services: (0..services).map(service).collect(),
        pools: vec![serde_json::from_value(pool).unwrap()],
        policies: vec![serde_json::from_value(policy).unwrap()],
        nodes: names.iter().map(|name| node(name)).collect(),
        bindings: (0..services).map(|number| bound(number, "node-1")).collect(),
        heartbeats: names
            .iter()
            .map(|name| heartbeat(name, "2026-01-01T00:00:55.000000Z"))
            .collect(),
        ..Objects::default()
    }
}

fn rehearse(objects: Objects) -> Rehearsal {
    Rehearsal::of(objects, DefaultClass::LbIpam, wall())
}

fn holders(rehearsal: &Rehearsal, services: usize) -> Vec<String> {
    let holder = |number| match rehearsal.outcome(&ServiceId::new("default", format!("web-{number}"))) {
        Some(Outcome::Placed(placed)) => placed.holder.to_string(),
        other => format!("{other:?}"),
    };
    (0..services).map(holder).collect()
}

#[test]
fn what_is_settled_stays_and_what_is_drained_moves_beyond_the_pace_of_moves() {
    let objects = objects(120, &["node-2", "node-3"]);
    let settled = holders(&rehearse(objects.clone()), 120);
    assert!(settled.iter().all(|holder| holder == "node-1"), "{settled:?}");
    let drained = holders(&rehearse(objects.drained("node-1")), 120);
    let on = |node: &str| drained.iter().filter(|holder| *holder == node).count();
    assert_eq!((on("node-1"), on("node-2"), on("node-3")), (0, 60, 60));
}

#[test]
fn a_node_that_was_not_heard_of_is_a_last_resort() {
    let mut objects = objects(1, &["node-2"]);
    objects.heartbeats[0] = heartbeat("node-1", "2026-01-01T00:00:00.000000Z");
    assert_eq!(holders(&rehearse(objects.clone()), 1), ["node-2"]);
    objects.heartbeats[1] = heartbeat("node-2", "2026-01-01T00:00:00.000000Z");
    let rehearsal = rehearse(objects.without("node-1"));
    let Some(Outcome::Placed(placed)) = rehearsal.outcome(&ServiceId::new("default", "web-0")) else {
        panic!("not placed");
    };
    assert_eq!(placed.caveats, [Caveat::OnlyNode(NodeTrait::Silent)].into());
}

#[test]
fn a_drained_node_keeps_what_no_other_can_hold() {
    let rehearsal = rehearse(objects(1, &[]).drained("node-1"));
    assert_eq!(holders(&rehearsal, 1), ["node-1"]);
    let gone = rehearse(objects(1, &[]).without("node-1"));
    assert_eq!(
        gone.outcome(&ServiceId::new("default", "web-0")),
        Some(&Outcome::NoNode([].into()))
    );
}

#[test]
fn what_cannot_be_read_is_told_with_its_field() {
    let mut objects = objects(1, &[]);
    objects.policies[0].spec.interfaces = vec!["eth[".to_owned()];
    objects.policies[0].spec.load_balancer_ips = None;
    let rehearsal = rehearse(objects);
    let problems = rehearsal.policy_problems();
    let fields: Vec<_> = problems[0].1.iter().map(|(field, _)| *field).collect();
    assert_eq!(fields, ["interfaces", "loadBalancerIPs"]);
    assert_eq!(
        rehearsal.outcome(&ServiceId::new("default", "web-0")),
        Some(&Outcome::Unwanted(Unwanted::NoPolicy))
    );
}
