//! What keeps an address from being answered.

use serde_json::json;

use super::*;

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

#[test]
fn what_the_agent_saw() {
    let text = broken(|scene| {
        let inventory = json!({
            "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "link": "up", "suitable": true}],
            "findings": [{"number": 1, "service": {"namespace": "default", "name": "web"}, "saw": {
                "kind": "refused", "address": "10.0.10.0", "interface": "eth0", "why": "the map is full: give it room",
            }}],
        });
        scene["heartbeats"][0]["metadata"]["annotations"]["lightship.dev/inventory"] =
            inventory.to_string().into();
    });
    told(
        &text,
        &[
            "node-1 cannot be made to answer for 10.0.10.0 on eth0: the map is full: give it room",
            "-> let another node hold it: lightship drain node-1",
        ],
    );
}
