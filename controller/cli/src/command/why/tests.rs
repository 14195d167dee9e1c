//! Each thing that commonly goes wrong (J4.4), with the cause and the remedy that are told.

use serde_json::{Value, json};

use super::*;

mod address;
mod announcement;

/// A cluster in which all is well: one node, one pool, one policy, `default/web` announced.
fn healthy() -> Value {
    let inventory =
        json!({"interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "link": "up", "suitable": true}]});
    let id = json!({"namespace": "default", "name": "web"});
    let order = json!({
        "service": id, "primary": id,
        "announcements": [{"policy": "l2", "addresses": ["10.0.10.0"]}],
    });
    json!({
        "services": [{
            "metadata": {"namespace": "default", "name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"type": "LoadBalancer", "ipFamilies": ["IPv4"], "selector": {"app": "web"}, "ports": [{"port": 80}]},
        }],
        "pools": [{
            "apiVersion": "cilium.io/v2", "kind": "CiliumLoadBalancerIPPool",
            "metadata": {"name": "blue", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"blocks": [{"cidr": "10.0.10.0/24"}]},
        }],
        "policies": [{
            "apiVersion": "cilium.io/v2alpha1", "kind": "CiliumL2AnnouncementPolicy",
            "metadata": {"name": "l2"}, "spec": {"loadBalancerIPs": true},
        }],
        "nodes": [{
            "metadata": {"name": "node-1"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }],
        "bindings": [{
            "metadata": {
                "name": "cilium-l2announce-default-web",
                "annotations": {"lightship.dev/service": "default/web", "lightship.dev/work-order": order.to_string()},
            },
            "spec": {"holderIdentity": "node-1"},
        }],
        "heartbeats": [{
            "metadata": {"name": "lightship-agent-node-1", "annotations": {"lightship.dev/inventory": inventory.to_string()}},
            "spec": {"holderIdentity": "node-1", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:55.000000Z"},
        }],
        "leader": {
            "metadata": {"name": "lightship-operator"},
            "spec": {"holderIdentity": "operator-1", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:55.000000Z"},
        },
        "slices": [{
            "metadata": {"namespace": "default", "name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.1.0.1"], "nodeName": "node-9", "conditions": {"ready": true}}],
        }],
    })
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn of(scene: &Value) -> Explanation {
    let cluster = Cluster {
        objects: lightship_operator::rehearsal::Objects {
            services: read(&scene["services"]),
            pools: read(&scene["pools"]),
            policies: read(&scene["policies"]),
            gateways: vec![],
            endpoints: read(&scene["slices"]),
            nodes: read(&scene["nodes"]),
            bindings: read(&scene["bindings"]),
            heartbeats: read(&scene["heartbeats"]),
            definitions: scene.get("definitions").map(read).unwrap_or_default(),
        },
        leader: read(&scene["leader"]),
        wall: "2026-01-01T00:01:00Z".parse().unwrap(),
    };
    let id = ServiceId::new("default", "web");
    explain(&cluster, "kube-system", &id, DefaultClass::LbIpam).unwrap()
}

/// The text of `why` after `change` was made to a cluster in which all was well.
fn broken(change: impl FnOnce(&mut Value)) -> String {
    let mut scene = healthy();
    change(&mut scene);
    let explanation = of(&scene);
    assert_eq!(
        explanation.state,
        State::Wrong,
        "{}",
        render(&explanation, Colours::Off)
    );
    render(&explanation, Colours::Off)
}

/// Every text must be there; the last is the remedy.
fn told(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "\"{part}\" is missing in:\n{text}");
    }
}

/// Another service that has an address of its own.
fn other(address: &str, annotations: &Value) -> Value {
    json!({
        "metadata": {
            "namespace": "default", "name": "older", "creationTimestamp": "2025-01-01T00:00:00Z", "annotations": annotations,
        },
        "spec": {
            "type": "LoadBalancer", "ipFamilies": ["IPv4"], "ports": [{"port": 80}], "loadBalancerIP": address,
        },
    })
}

fn push(list: &mut Value, item: Value) {
    list.as_array_mut().unwrap().push(item);
}

#[test]
fn where_all_is_well_it_says_so() {
    let mut scene = healthy();
    scene["services"][0]["status"] = json!({"loadBalancer": {"ingress": [{"ip": "10.0.10.0"}]}});
    let explanation = of(&scene);
    assert_eq!(
        render(&explanation, Colours::Off),
        "default/web: 10.0.10.0, held by node-1\n\
         ok     operator   operator-1 leads\n\
         ok     address    10.0.10.0 of pool blue\n\
         ok     policy     l2 announces it\n\
         ok     node       node-1 holds it, nobody stands by\n\
         ok     agent      the agent on node-1 lives\n\
         ok     backends   endpoints that are ready: 1\n"
    );
    assert_eq!(explanation.state, State::Well);
}

#[test]
fn a_definition_that_is_not_ours_is_told_with_what_puts_it_back() {
    let text = broken(|scene| {
        let mut definition = serde_json::to_value(&lightship_crd::crds().unwrap()[0]).unwrap();
        for version in definition["spec"]["versions"].as_array_mut().unwrap() {
            let properties = &mut version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
            properties.as_object_mut().unwrap().remove("reserved");
        }
        scene["definitions"] = json!([definition]);
    });
    told(
        &text,
        &[
            "ciliumloadbalancerippools.cilium.io lacks spec.reserved",
            "-> lightship crd | kubectl apply --server-side --force-conflicts -f -",
        ],
    );
}

#[test]
fn the_rest_of_the_way() {
    let text = broken(|scene| scene["leader"]["spec"]["renewTime"] = "2026-01-01T00:00:00.000000Z".into());
    told(
        &text,
        &["no operator leads; the last sign of one is 1m old", "-> start it"],
    );
    let text = broken(|scene| scene["leader"] = Value::Null);
    told(
        &text,
        &["no operator has ever led", "-> kubectl apply -k manifests"],
    );
    let text = broken(|scene| scene["slices"] = json!([]));
    told(
        &text,
        &[
            "no endpoint is ready",
            "-> kubectl -n default get pods -l app=web",
        ],
    );
}
