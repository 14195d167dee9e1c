//! Whatever pools and policies the API server lets through: the object says what is wrong with it, what of it can be in force
//! is, and a sane pool beside it serves.

use lightship_crd::condition::{policy as policies, pool as pools};

use super::*;
use crate::status;

/// What a pool says of its blocks, and how many addresses it has.
fn pool_says(spec: &Value) -> (String, String) {
    let odd = json!({
        "apiVersion": "cilium.io/v2alpha1", "kind": "CiliumLoadBalancerIPPool",
        "metadata": {"name": "odd", "generation": 1, "creationTimestamp": "2026-01-02T00:00:00Z"}, "spec": spec,
    });
    let mut server = Server::default();
    server.put_pool(&serde_json::from_value(odd).unwrap());
    server.put_pool(&pool("p", "10.0.10.0/24"));
    server.put(&plain("sane"));
    let mut world = leader(&server, at(0));
    settle(&mut world, &mut server, at(0));
    settle(&mut world, &mut server, at(2_000));
    assert_eq!(server.shows("sane"), ["10.0.10.0"], "{spec}");
    let said =
        server.pool_condition("odd", pools::BAD_BLOCK) + &server.pool_condition("odd", pools::CONFLICT);
    (said, server.pool_condition("odd", pools::IPS_TOTAL))
}

#[test]
fn a_bad_part_of_a_pool_is_named_and_the_rest_of_it_is_in_force() {
    let block = |block: Value| json!({"blocks": [block, {"cidr": "10.1.0.0/24"}]});
    let cidr = |text: &str| block(json!({"cidr": text}));
    let range = |start: &str, stop: &str| block(json!({"start": start, "stop": stop}));
    let reserved = |text: &str| json!({"blocks": [{"cidr": "10.1.0.0/24"}], "reserved": [text]});
    let selector = |one: Value| json!({"blocks": [{"cidr": "10.1.0.0/24"}], "serviceSelector": {"matchExpressions": [one]}});
    let rows = [
        (
            block(json!({})),
            "block 1: failed to read a block without cidr and start",
        ),
        (
            block(json!({"stop": "10.1.1.9"})),
            "block 1: failed to read a block without cidr and start",
        ),
        (cidr("10.1.1.0"), "\"10.1.1.0\" as a CIDR"),
        (cidr("10.1.1.0/33"), "\"10.1.1.0/33\" as a CIDR"),
        (cidr("10.1.1.0/+24"), "as a CIDR"),
        (cidr("10.1.1.0/99999999999999999999"), "as a CIDR"),
        (cidr("999999999999.1/8"), "as a CIDR"),
        (cidr("010.1.1.0/24"), "as a CIDR"),
        (
            cidr("::ffff:10.1.1.0/120"),
            "it is an IPv4 address in IPv6 notation; write it as IPv4",
        ),
        (range("10.1.1.9", "10.1.1.1"), "10.1.1.9 to 10.1.1.1"),
        (range("2004::9", "2004::1"), "2004::9 to 2004::1"),
        (range("10.1.1.1", "2004::1"), "both must be of one family"),
        (
            range("::ffff:10.1.1.1", "::ffff:10.1.1.9"),
            "it is an IPv4 address in IPv6 notation",
        ),
        (range("fe80::1%eth0", "fe80::9"), "\"fe80::1%eth0\" as an address"),
        (range("ten", "10.1.1.9"), "\"ten\" as an address"),
        (
            json!({"cidrs": [{"cidr": "junk"}], "blocks": [{"cidr": "10.1.0.0/24"}]}),
            "block 2: failed to read \"junk\"",
        ),
        (reserved("junk"), "reserved \"junk\""),
        (reserved("10.1.0.9-10.1.0.1"), "reserved \"10.1.0.9-10.1.0.1\""),
        (reserved("10.1.0.1-2004::1"), "both must be of one family"),
        (reserved("::ffff:10.1.0.1"), "IPv4 address in IPv6 notation"),
        (reserved("-"), "reserved \"-\""),
        (
            selector(json!({"key": "color", "operator": "In"})),
            "serviceSelector: failed to read the requirement on \"color\"",
        ),
        (
            selector(json!({"key": "color", "operator": "Exists", "values": ["x"]})),
            "Exists takes no values",
        ),
        (
            selector(json!({"key": "no key!", "operator": "Exists"})),
            "no label can have such a key",
        ),
        (
            selector(json!({"key": "a", "operator": "In", "values": ["bl ue"]})),
            "the value \"bl ue\"",
        ),
    ];
    for (spec, words) in rows {
        let (said, total) = pool_says(&spec);
        assert!(
            said.starts_with("True bad_block") && said.contains(words),
            "{spec}: {said}"
        );
        assert_eq!(total, "Unknown noreason 256", "{spec}");
    }
}

#[test]
fn a_pool_that_overlaps_itself_or_another_says_so_and_odd_numbers_are_none() {
    let itself = json!({"blocks": [{"cidr": "10.1.0.0/24"}, {"start": "10.1.0.255", "stop": "10.1.1.9"}]});
    let another = json!({"blocks": [{"cidr": "10.0.10.128/25"}]});
    for overlapping in [itself, another] {
        let (said, _) = pool_says(&overlapping);
        assert!(said.starts_with("True cidr_overlap"), "{overlapping}: {said}");
    }
    for (fine, total) in [
        (json!({}), "0"),
        (json!({"blocks": [], "priority": i32::MIN}), "0"),
        (
            json!({"blocks": [{"cidr": "2004::/1"}]}),
            "170141183460469231731687303715884105728",
        ),
        (
            json!({"blocks": [{"cidr": "11.0.0.0/8", "start": "junk", "stop": ""}]}),
            "16777216",
        ),
        (
            json!({"blocks": [{"start": "11.0.0.1", "stop": ""}], "reserved": ["192.0.2.1"]}),
            "1",
        ),
    ] {
        let (said, counted) = pool_says(&fine);
        assert!(said.starts_with("False resolved"), "{fine}: {said}");
        assert_eq!(counted, format!("Unknown noreason {total}"), "{fine}");
    }
}

#[test]
fn a_bad_part_of_a_policy_is_named_and_the_policy_is_not_in_force() {
    let interfaces = |text: &str| json!({"interfaces": ["eth0", text]});
    let selector = |field: &str, one: Value| json!({field: {"matchExpressions": [one]}});
    let rows = [
        (interfaces("eth["), policies::BAD_INTERFACE_REGEX, "\"eth[\""),
        (
            interfaces("(?=eth)"),
            policies::BAD_INTERFACE_REGEX,
            "\"(?=eth)\"",
        ),
        (interfaces("(?P<a"), policies::BAD_INTERFACE_REGEX, "\"(?P<a\""),
        (
            interfaces("\\p{Nope}"),
            policies::BAD_INTERFACE_REGEX,
            "\"\\p{Nope}\"",
        ),
        (
            interfaces("((((e{100}){100}){100}){100})"),
            policies::BAD_INTERFACE_REGEX,
            "size limit",
        ),
        (
            selector("nodeSelector", json!({"key": "a", "operator": "NotIn"})),
            policies::BAD_NODE_SELECTOR,
            "NotIn needs at least one value",
        ),
        (
            selector("serviceSelector", json!({"key": "a/b/c", "operator": "Exists"})),
            policies::BAD_SERVICE_SELECTOR,
            "no label can have such a key",
        ),
    ];
    for (spec, type_, words) in rows {
        let object = json!({
            "apiVersion": "cilium.io/v2alpha1", "kind": "CiliumL2AnnouncementPolicy", "metadata": {"name": "odd"},
            "spec": spec,
        });
        let policy: CiliumL2AnnouncementPolicy = serde_json::from_value(object).unwrap();
        let reading = index::policy::policy(&policy);
        assert_eq!(reading.policy, None, "{spec}");
        let told = status::policy::update(
            &policy,
            &reading,
            vec![],
            [].into_iter(),
            jiff::Timestamp::UNIX_EPOCH,
        );
        let told = told.unwrap();
        let said = told.patch["status"]["conditions"].as_array().unwrap();
        let one = said.iter().find(|one| one["type"] == type_);
        let one = one.unwrap_or_else(|| panic!("{spec}: {said:?}"));
        assert_eq!(
            (&one["status"], &one["reason"]),
            (&json!("True"), &json!("error")),
            "{spec}"
        );
        assert!(one["message"].as_str().unwrap().contains(words), "{spec}: {one}");
        assert!(told.notes[0].message.contains(words), "{spec}: {:?}", told.notes);
    }
}
