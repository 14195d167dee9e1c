use lightship_core::service::DefaultClass;

use super::*;
use crate::command::validate;

fn import(text: &str) -> Import {
    let mut found = Found::default();
    for one in document::split(text) {
        found.add(one.value().unwrap());
    }
    convert(&found)
}

/// As their documentation has them, with what its users add.
const CLUSTER: &str = include_str!("tests/metallb.yaml");

#[test]
fn a_cluster_as_people_have_it() {
    let imported = import(CLUSTER);
    let text = manifest(&imported).unwrap();
    let kept = include_str!("tests/lightship.yaml");
    assert!(
        text == kept,
        "the import of tests/metallb.yaml is not tests/lightship.yaml:\n{text}"
    );
    // The API server and the operator take all of it.
    assert_eq!(validate::problems(&text, DefaultClass::LbIpam).unwrap(), []);
}

#[test]
fn a_plain_pool_and_advertisement_lose_nothing() {
    let imported = import(
        "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: first, namespace: metallb-system}\n\
         spec: {addresses: [192.168.1.240-192.168.1.250]}\n---\n\
         apiVersion: metallb.io/v1beta1\nkind: L2Advertisement\nmetadata: {name: all, namespace: metallb-system}\n",
    );
    assert_eq!(imported.not_carried_over, []);
    assert_eq!(imported.policies[0].spec.load_balancer_ips, Some(true));
    let block = &imported.pools[0].spec.blocks[0];
    assert_eq!(
        (block.start.as_deref(), block.stop.as_deref()),
        (Some("192.168.1.240"), Some("192.168.1.250"))
    );
}

#[test]
fn a_large_pool_without_buggy_addresses_says_that_it_has_too_many() {
    let imported = import(
        "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: huge}\n\
         spec: {addresses: [10.0.0.0/8], avoidBuggyIPs: true}\n",
    );
    assert!(
        imported.not_carried_over[0]
            .what
            .starts_with("avoidBuggyIPs: it has too many"),
        "{imported:?}"
    );
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_goes_on() {
    let imported = import(
        "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: odd}\n\
         spec: {addresses: [10.0.0.9-10.0.0.1, nonsense, 10.0.1.0/28]}\n---\n\
         apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: worse}\nspec: {addresses: 7}\n---\n\
         kind: List\napiVersion: v1\nitems: [{apiVersion: metallb.io/v1beta2, kind: BGPPeer, metadata: {name: tor}, spec: {}}]\n",
    );
    assert_eq!(imported.pools[0].spec.blocks.len(), 1);
    let told: Vec<_> = imported
        .not_carried_over
        .iter()
        .map(|lost| lost.object.as_str())
        .collect();
    assert_eq!(
        told,
        [
            "IPAddressPool/worse",
            "BGPPeer/tor",
            "IPAddressPool/odd",
            "IPAddressPool/odd",
            "L2Advertisement"
        ]
    );
}
