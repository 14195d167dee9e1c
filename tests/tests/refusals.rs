//! What the API server refuses of pools and policies, in both versions, with which sentence; and what it must not refuse.

use anyhow::{Result, ensure};
use lightship_tests::{Lab, Options, lab::testing::TestLab};
use serde_json::json;

/// The spec of a pool, and what its refusal must say.
const REFUSED: &[(&str, &str)] = &[
    (
        "blocks: [{}]",
        "an empty block holds no address: give cidr (such as 10.0.10.0/24), or start and stop",
    ),
    (
        "blocks: [{stop: 10.0.10.9}]",
        "stop alone makes no range: add start, the first address of the range",
    ),
    (
        "blocks: [{cidr: 10.0.10.0}]",
        "cidr must be a network such as 10.0.10.0/24 or 2001:db8::/112",
    ),
    (
        "blocks: [{start: ten}]",
        "start must be one IPv4 or IPv6 address such as 10.0.10.5",
    ),
    (
        "blocks: [{start: 10.0.10.5, stop: ten}]",
        "stop must be one IPv4 or IPv6 address such as 10.0.10.15",
    ),
    (
        "blocks: [{start: 10.0.10.5, stop: 2004::9}]",
        "start and stop must be of one family",
    ),
    (
        "blocks: [{start: 10.0.10.15, stop: 10.0.10.5}]",
        "start comes after stop: exchange the two addresses",
    ),
    (
        "blocks: [{start: 9.255.255.255, stop: 9.255.255.254}]",
        "start comes after stop",
    ),
    (
        "blocks: [{cidr: 10.0.10.0/24}], allowFirstLastIPs: Maybe",
        "supported values: \"Yes\", \"No\"",
    ),
    (
        "blocks: [{cidr: 10.0.10.0/24}], reserved: [ten]",
        "a reserved entry must be an address",
    ),
    (
        "blocks: [{cidr: 10.0.10.0/24}], serviceSelector: {matchLabels: {color: \"bl ue\"}}",
        "should match",
    ),
    (
        "blocks: [{cidr: 10.0.10.0/24}], serviceSelector: {matchExpressions: [{key: a, operator: Like}]}",
        "supported values: \"In\", \"NotIn\", \"Exists\", \"DoesNotExist\"",
    ),
    (
        "blocks: [{cidr: \"\"}]",
        "cidr must be a network such as 10.0.10.0/24 or 2001:db8::/112",
    ),
    (
        "blocks: [{cidr: \"::ffff:10.0.10.0/120\"}]",
        "cidr must be a network such as",
    ),
    (
        "blocks: [{start: \"fe80::1%eth0\"}]",
        "start must be one IPv4 or IPv6 address",
    ),
    (
        "cidrs: [{start: 10.0.10.9, stop: 10.0.10.1}]",
        "start comes after stop",
    ),
    (
        "blocks: [{cidr: 10.0.10.0/24}], reserved: [10.0.10.5-2004::5]",
        "a reserved range must not mix",
    ),
    (
        "blocks: [{cidr: 10.0.10.0/24}], priority: 2147483648",
        "spec.priority",
    ),
    ("blocks: [{cidr: 10.0.10.0/24}], disabled: maybe", "spec.disabled"),
    (
        "blocks: [{cidr: 10.0.10.0/24, sotp: 10.0.10.9}]",
        "unknown field \"spec.blocks[0].sotp\"",
    ),
];

/// What Cilium serves must be accepted.
const ACCEPTED: &[&str] = &[
    "blocks: []",
    "blocks: [{cidr: 10.0.10.12/24}]",
    "blocks: [{cidr: 10.0.10.0/24, start: 10.0.10.9, stop: 10.0.10.1}]",
    "blocks: [{start: 10.0.10.5}]",
    "blocks: [{start: 9.255.255.254, stop: 10.0.0.1}]",
    "blocks: [{cidr: \"::/0\"}, {cidr: 0.0.0.0/0}]",
    "blocks: [{start: \"2004::9\", stop: \"2004::1\"}]",
    "cidrs: [{cidr: 12.0.0.128/25}]",
    "blocks: [{cidr: 10.0.10.0/24}], serviceSelector: {matchExpressions: [{key: a, operator: In}]}",
    "blocks: [{cidr: 10.0.10.0/24}], reserved: [10.0.10.5, 10.0.10.7-10.0.10.9, 10.0.10.16/28], priority: -3",
];

fn pool(version: &str, spec: &str) -> String {
    let head = format!("apiVersion: cilium.io/{version}\nkind: CiliumLoadBalancerIPPool\n");
    format!("{head}metadata: {{name: tried}}\nspec: {{{spec}}}\n")
}

/// Lists and texts that are longer than anybody needs, which is what keeps the rules affordable for the API server.
fn too_long() -> Vec<(String, &'static str)> {
    let items = |item: &str| vec![item; 1025].join(", ");
    let digits = "1".repeat(97);
    vec![
        (
            format!("blocks: [{}]", items("{cidr: 10.0.10.0/24}")),
            "must have at most 1024 items",
        ),
        (
            format!("cidrs: [{}]", items("{cidr: 10.0.10.0/24}")),
            "must have at most 1024 items",
        ),
        (
            format!(
                "blocks: [{{cidr: 10.0.10.0/24}}], reserved: [{}]",
                items("10.0.10.5")
            ),
            "must have at most 1024 items",
        ),
        (
            format!("blocks: [{{cidr: \"{digits}\"}}]"),
            "may not be more than",
        ),
        (
            format!("blocks: [{{start: \"{digits}\"}}]"),
            "may not be more than",
        ),
        (
            format!("blocks: [{{start: 10.0.10.5, stop: \"{digits}\"}}]"),
            "may not be more than",
        ),
        (
            format!("blocks: [{{cidr: 10.0.10.0/24}}], reserved: [\"{digits}\"]"),
            "may not be more than",
        ),
    ]
}

fn refused(lab: &Lab, manifest: &str, sentence: &str) -> Result<()> {
    match lab.apply(manifest) {
        Ok(said) => anyhow::bail!("accepted, but expected to be refused: {manifest}{said}"),
        Err(error) => {
            let said = format!("{error:#}");
            ensure!(
                said.contains(sentence),
                "refused otherwise than with \"{sentence}\": {said}"
            );
            Ok(())
        }
    }
}

#[test]
fn impossible_pools_are_refused_with_a_sentence_and_odd_ones_are_not() {
    let lab = TestLab::up(
        "refusals",
        &Options {
            nodes: 1,
            bare: true,
            ..Options::default()
        },
    )
    .unwrap();
    lab.install_manifests().unwrap();
    for version in ["v2", "v2alpha1"] {
        for (spec, sentence) in REFUSED {
            refused(&lab, &pool(version, spec), sentence).unwrap();
        }
        for (spec, sentence) in too_long() {
            refused(&lab, &pool(version, &spec), sentence).unwrap();
        }
        let most = vec!["{cidr: 10.0.10.0/24, start: 10.0.10.5}"; 1024].join(", ");
        lab.apply(&pool(version, &format!("blocks: [{most}]"))).unwrap();
        lab.kubectl(&["delete", "ippools", "tried"]).unwrap();
        for spec in ACCEPTED {
            lab.apply(&pool(version, spec)).unwrap();
            lab.kubectl(&["delete", "ippools", "tried"]).unwrap();
        }
    }

    // Stored in either version, nothing of it is lost, and `disabled` is always there to be printed.
    lab.apply(&pool("v2alpha1", "cidrs: [{cidr: 12.0.0.128/25}]"))
        .unwrap();
    let stored = lab
        .get(&["ciliumloadbalancerippools.v2.cilium.io", "tried"])
        .unwrap();
    assert_eq!(
        stored["spec"],
        json!({"cidrs": [{"cidr": "12.0.0.128/25"}], "disabled": false})
    );

    let policy = |spec: &str| {
        let head =
            "apiVersion: cilium.io/v2alpha1\nkind: CiliumL2AnnouncementPolicy\nmetadata: {name: tried}\n";
        format!("{head}spec: {{{spec}}}\n")
    };
    // A regular expression that does not compile is told by a condition: Cilium accepts it too.
    lab.apply(&policy("interfaces: [\"eth[\"], loadBalancerIPs: true"))
        .unwrap();
    refused(&lab, &policy("interfaces: eth0"), "spec.interfaces").unwrap();
    refused(
        &lab,
        &policy("loadBalancerIPs: sometimes"),
        "spec.loadBalancerIPs",
    )
    .unwrap();
    let unknown = "serviceSelector: {matchExpressions: [{key: a, operator: Like}]}";
    refused(&lab, &policy(unknown), "supported values: \"In\"").unwrap();
    lab.down().unwrap();
}
