//! Labels on a Gateway are enough for the service that is generated for it.

use lightship_crd::gateway::Gateway;

use super::*;

fn generated() -> Service {
    let mut service = plain("central");
    let labels = json!({"gateway.networking.k8s.io/gateway-name": "central"});
    service.metadata.labels = serde_json::from_value(labels).unwrap();
    service
}

fn gateway(labels: &Value, infrastructure: &Value) -> Gateway {
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": "central", "namespace": "default", "labels": labels},
        "spec": {"infrastructure": {"labels": infrastructure}},
    });
    serde_json::from_value(gateway).unwrap()
}

fn for_labelled() -> CiliumLoadBalancerIPPool {
    let mut pool = pool("p", "10.0.10.0/24");
    let selector = json!({"matchLabels": {"ippool": "l2announced"}});
    pool.spec.service_selector = serde_json::from_value(selector).unwrap();
    pool
}

fn apply(world: &mut World, gateway: Gateway, now: Instant) {
    world.observe(Change::Gateway(Seen::Applied(Box::new(gateway))), now);
}

#[test]
fn a_label_that_comes_later_serves_the_service_and_one_that_goes_takes_the_address_back() {
    let mut server = Server::default();
    server.put_pool(&for_labelled());
    server.put(&generated());
    let mut world = leader(&server, at(0));
    settle(&mut world, &mut server, at(0));
    assert_eq!(server.told("central"), "no_pool");
    apply(
        &mut world,
        gateway(&json!({}), &json!({"ippool": "l2announced"})),
        at(1),
    );
    settle(&mut world, &mut server, at(1));
    assert_eq!(server.shows("central"), ["10.0.10.0"]);
    let id = ServiceId::new("default", "central");
    assert_eq!(world.cluster.services[&id].labels["ippool"], "l2announced");
    // The Gateway's own labels count as well, so nothing changes when the label moves there.
    apply(
        &mut world,
        gateway(&json!({"ippool": "l2announced"}), &json!({})),
        at(2),
    );
    assert_eq!(due(&mut world, &mut server, at(2)).len(), 0);
    world.observe(Change::Gateway(Seen::Listed(vec![])), at(3));
    settle(&mut world, &mut server, at(3));
    assert_eq!(server.shows("central"), [] as [&str; 0]);
    assert!(!world.cluster.services[&id].labels.contains_key("ippool"));
}

#[test]
fn a_new_leader_decides_nothing_before_it_knows_the_gateways() {
    let mut server = Server::default();
    server.put_pool(&for_labelled());
    server.put(&generated());
    let mut first = leader(&server, at(0));
    let labelled = gateway(&json!({}), &json!({"ippool": "l2announced"}));
    apply(&mut first, labelled.clone(), at(0));
    settle(&mut first, &mut server, at(0));
    let mut next = unlisted(&server, at(0));
    assert!(!next.is_complete());
    assert_eq!(next.decide(at(0), ALL).len(), 0);
    next.observe(Change::Gateway(Seen::Listed(vec![labelled])), at(1));
    assert_eq!(
        due(&mut next, &mut server, at(1)).len(),
        0,
        "it keeps what it has"
    );
    assert_eq!(server.shows("central"), ["10.0.10.0"]);
}
