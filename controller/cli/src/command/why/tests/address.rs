//! What keeps a service from an address.

use serde_json::json;

use super::*;

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
