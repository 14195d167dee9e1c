//! Manifests as the guides write them become the values a reader of them expects.

use lightship_crd::{
    AllowFirstLastIps, Block, CiliumL2AnnouncementPolicy, CiliumLoadBalancerIPPool, LabelSelector, Operator,
    Requirement,
};
use serde_json::json;

#[test]
fn a_pool_with_every_kind_of_block() {
    let pool: CiliumLoadBalancerIPPool = serde_json::from_value(json!({
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumLoadBalancerIPPool",
        "metadata": {"name": "ip-pool"},
        "spec": {
            "blocks": [{"cidr": "10.0.10.0/24"}, {"start": "10.0.3.5", "stop": "10.0.3.15"}],
            "serviceSelector": {"matchLabels": {"ippool": "l2announced"}},
            "allowFirstLastIPs": "No",
        },
    }))
    .unwrap();
    let range = Block {
        start: Some("10.0.3.5".to_owned()),
        stop: Some("10.0.3.15".to_owned()),
        ..Block::default()
    };
    assert_eq!(
        pool.spec.blocks,
        [
            Block {
                cidr: Some("10.0.10.0/24".into()),
                ..Block::default()
            },
            range
        ]
    );
    let labels = LabelSelector {
        match_labels: [("ippool".to_owned(), "l2announced".to_owned())].into(),
        ..LabelSelector::default()
    };
    assert_eq!(pool.spec.service_selector, Some(labels));
    assert_eq!(pool.spec.allow_first_last_ips, Some(AllowFirstLastIps::No));
    assert!(!pool.spec.disabled);
}

#[test]
fn a_pool_in_the_oldest_form() {
    let pool: CiliumLoadBalancerIPPool = serde_json::from_value(json!({
        "apiVersion": "cilium.io/v2alpha1",
        "kind": "CiliumLoadBalancerIPPool",
        "metadata": {"name": "pool"},
        "spec": {"cidrs": [{"cidr": "12.0.0.128/25"}]},
    }))
    .unwrap();
    assert_eq!(
        pool.spec.cidrs,
        [Block {
            cidr: Some("12.0.0.128/25".into()),
            ..Block::default()
        }]
    );
    assert!(pool.spec.blocks.is_empty());
}

#[test]
fn a_policy_and_what_it_leaves_out() {
    let policy: CiliumL2AnnouncementPolicy = serde_json::from_value(json!({
        "apiVersion": "cilium.io/v2alpha1",
        "kind": "CiliumL2AnnouncementPolicy",
        "metadata": {"name": "policy"},
        "spec": {
            "nodeSelector": {
                "matchExpressions": [{"key": "node-role.kubernetes.io/control-plane", "operator": "DoesNotExist"}],
            },
            "interfaces": ["^eth[0-9]+"],
            "loadBalancerIPs": true,
        },
    }))
    .unwrap();
    let workers = Requirement {
        key: "node-role.kubernetes.io/control-plane".to_owned(),
        operator: Operator::DoesNotExist,
        values: Vec::new(),
    };
    assert_eq!(policy.spec.node_selector.unwrap().match_expressions, [workers]);
    assert_eq!(
        (policy.spec.load_balancer_ips, policy.spec.external_ips),
        (Some(true), None)
    );
    assert_eq!(policy.spec.service_selector, None);
}

#[test]
fn what_is_absent_is_not_written() {
    let pool = CiliumLoadBalancerIPPool::new("empty", lightship_crd::PoolSpec::default());
    assert_eq!(
        serde_json::to_value(&pool).unwrap()["spec"],
        json!({"disabled": false})
    );
}
