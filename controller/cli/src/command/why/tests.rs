//! Each thing that commonly goes wrong (J4.4), with the cause and the remedy that are told.

use serde_json::{Value, json};

use super::*;

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
fn pools() {
    let text = broken(|scene| scene["pools"] = json!([]));
    told(
        &text,
        &[
            "there is no CiliumLoadBalancerIPPool",
            "-> create a pool, with addresses of your network that nobody else uses, for example: echo '{",
        ],
    );

    let selector = json!({"matchLabels": {"color": "blue"}});
    let text = broken(|scene| scene["pools"][0]["spec"]["serviceSelector"] = selector);
    told(
        &text,
        &[
            "pool blue: its serviceSelector wants color=blue",
            "kubectl -n default label service web --overwrite color=blue",
        ],
    );

    let text = broken(|scene| {
        scene["pools"][0]["spec"]["blocks"] = json!([{"cidr": "10.0.10.0/32"}]);
        push(&mut scene["services"], other("10.0.10.0", &json!({})));
    });
    told(
        &text,
        &[
            "no free address in pool blue",
            "-> add a block (kubectl edit ippools blue)",
        ],
    );

    let text = broken(|scene| scene["pools"][0]["spec"]["disabled"] = true.into());
    told(
        &text,
        &[
            "pool blue: it is disabled",
            r#"-> kubectl patch ippools blue --type=merge -p '{"spec":{"disabled":false}}'"#,
        ],
    );

    let text = broken(|scene| {
        scene["pools"][0]["metadata"]["creationTimestamp"] = "2026-02-01T00:00:00Z".into();
        push(
            &mut scene["pools"],
            json!({
                "apiVersion": "cilium.io/v2", "kind": "CiliumLoadBalancerIPPool",
                "metadata": {"name": "red", "creationTimestamp": "2026-01-01T00:00:00Z"},
                "spec": {"blocks": [{"cidr": "10.0.10.0/25"}], "serviceSelector": {"matchLabels": {"color": "red"}}},
            }),
        );
    });
    told(
        &text,
        &[
            "it conflicts with another pool",
            "overlaps 10.0.10.0 - 10.0.10.127 of pool red",
            "-> take the addresses that overlap",
        ],
    );

    let text = broken(|scene| {
        scene["pools"][0]["spec"]["blocks"] = json!([{"start": "10.0.10.9", "stop": "10.0.10.1"}]);
    });
    told(
        &text,
        &[
            "part of pool blue is not used: block 1",
            "-> correct it: kubectl edit ippools blue",
        ],
    );
}

#[test]
fn requests() {
    let text = broken(|scene| {
        scene["services"][0]["spec"]["loadBalancerIP"] = "10.0.10.7".into();
        push(&mut scene["services"], other("10.0.10.7", &json!({})));
    });
    told(
        &text,
        &[
            "10.0.10.7 cannot be given: service default/older has it",
            "lbipam.cilium.io/sharing-key=older",
        ],
    );

    let key = json!({"lbipam.cilium.io/sharing-key": "dns"});
    let text = broken(|scene| {
        scene["services"][0]["spec"]["loadBalancerIP"] = "10.0.10.7".into();
        scene["services"][0]["metadata"]["annotations"] = key.clone();
        push(&mut scene["services"], other("10.0.10.7", &key));
    });
    told(
        &text,
        &[
            "it cannot be shared: both use port 80",
            "-> use another port than",
        ],
    );

    let text = broken(|scene| scene["services"][0]["spec"]["loadBalancerIP"] = "ten".into());
    told(&text, &["\"ten\" is requested", "-> correct spec.loadBalancerIP"]);

    let text = broken(|scene| scene["services"][0]["spec"]["loadBalancerClass"] = "metallb.io/x".into());
    told(
        &text,
        &["loadBalancerClass metallb.io/x", "-> the class cannot be changed"],
    );

    let text = broken(|scene| scene["services"][0]["spec"]["type"] = "ClusterIP".into());
    told(
        &text,
        &[
            "it is not of type LoadBalancer",
            "kubectl -n default patch service web",
        ],
    );
}

#[test]
fn policies() {
    let text = broken(|scene| scene["policies"] = json!([]));
    told(
        &text,
        &["there is no CiliumL2AnnouncementPolicy", "-> create one"],
    );

    let text = broken(|scene| scene["policies"][0]["spec"]["interfaces"] = json!(["eth["]));
    told(
        &text,
        &[
            "policy l2 is not in force: interfaces",
            "-> correct interfaces: kubectl edit",
        ],
    );

    let bad = json!({"matchExpressions": [{"key": "color", "operator": "In", "values": []}]});
    for field in ["serviceSelector", "nodeSelector"] {
        let text = broken(|scene| scene["policies"][0]["spec"][field] = bad.clone());
        told(
            &text,
            &[
                &format!("policy l2 is not in force: {field}"),
                &format!("-> correct {field}: kubectl edit"),
            ],
        );
    }

    let text = broken(|scene| scene["policies"][0]["spec"]["loadBalancerIPs"] = false.into());
    told(
        &text,
        &[
            "policy l2 does not announce it: its flags",
            r#""loadBalancerIPs":true"#,
        ],
    );

    let selector = json!({"matchLabels": {"color": "blue"}});
    let text = broken(|scene| {
        scene["policies"][0]["spec"]["serviceSelector"] = selector;
        scene["services"][0]["metadata"]["labels"] =
            json!({"gateway.networking.k8s.io/gateway-name": "central"});
    });
    told(
        &text,
        &[
            "its serviceSelector wants color=blue",
            "label gateway central --overwrite color=blue",
        ],
    );
}

#[test]
fn nodes() {
    let selector = json!({"matchLabels": {"rack": "1"}});
    let text = broken(|scene| scene["policies"][0]["spec"]["nodeSelector"] = selector);
    told(
        &text,
        &[
            "the nodeSelector wants rack=1",
            "-> kubectl label node node-1 --overwrite rack=1",
        ],
    );

    let text = broken(|scene| scene["policies"][0]["spec"]["interfaces"] = json!(["^wlan"]));
    told(
        &text,
        &[
            "none of its interfaces matches ^wlan",
            "-> name one that it has (eth0;",
        ],
    );

    let text = broken(|scene| {
        let down = json!({"interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "link": "down", "suitable": true}]});
        scene["heartbeats"][0]["metadata"]["annotations"]["lightship.dev/inventory"] =
            down.to_string().into();
    });
    told(
        &text,
        &[
            "eth0 is down or has no carrier",
            "-> on node-1: ip link set eth0 up",
        ],
    );

    let text = broken(|scene| scene["heartbeats"] = json!([]));
    told(
        &text,
        &[
            "no Lightship agent has reported from it",
            "-> run the agent there",
        ],
    );

    let text =
        broken(|scene| scene["heartbeats"][0]["spec"]["renewTime"] = "2026-01-01T00:00:00.000000Z".into());
    told(
        &text,
        &[
            "the agent on node-1 has not been heard of",
            "-> start the agent on node-1",
        ],
    );

    let text = broken(|scene| {
        scene["services"][0]["spec"]["externalTrafficPolicy"] = "Local".into();
        scene["slices"][0]["endpoints"][0]["conditions"]["ready"] = false.into();
        push(&mut scene["nodes"], json!({"metadata": {"name": "node-9"}}));
    });
    told(
        &text,
        &["externalTrafficPolicy is Local", "-> run a ready pod of it"],
    );

    let text = broken(|scene| scene["nodes"] = json!([]));
    told(&text, &["there is no node", "kubectl get nodes"]);
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

#[test]
fn nodes_that_are_not_meant_are_not_to_be_labelled_where_others_are() {
    let text = broken(|scene| {
        scene["policies"][0]["spec"]["nodeSelector"] =
            json!({"matchLabels": {"kubernetes.io/hostname": "node-1"}});
        scene["nodes"][0]["metadata"]["labels"] = json!({"kubernetes.io/hostname": "node-1"});
        scene["heartbeats"] = json!([]);
        push(&mut scene["nodes"], json!({"metadata": {"name": "node-2"}}));
    });
    told(
        &text,
        &[
            "note   node       node-2 cannot announce it",
            "-> run the agent there",
        ],
    );
    assert!(!text.contains("kubectl label node"), "{text}");

    let text = broken(|scene| {
        scene["policies"][0]["spec"]["nodeSelector"] =
            json!({"matchLabels": {"kubernetes.io/hostname": "node-7"}});
    });
    told(
        &text,
        &[
            "a label that is not to be changed",
            "-> no node has kubernetes.io/hostname=node-7",
        ],
    );
    assert!(!text.contains("kubectl label node"), "{text}");
}
