//! What the API server refuses, with which sentence, and what it must go on accepting because Cilium serves it.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use kube_cel::Validator;
use lightship_crd::crds;
use serde_json::{Value, json};

/// The sentences a pool with this spec is refused with, by the schema of either version.
fn refusals(spec: &Value) -> Vec<String> {
    let pool = crds().unwrap().swap_remove(0);
    let schema = pool.spec.versions[0]
        .schema
        .as_ref()
        .unwrap()
        .open_api_v3_schema
        .as_ref();
    let schema = serde_json::to_value(schema).unwrap();
    let object = json!({"metadata": {"name": "pool"}, "spec": spec});
    match Validator::new().validate(&schema, &object, None) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.iter().map(|error| error.message.clone()).collect(),
    }
}

fn block(block: &Value) -> Vec<String> {
    let refusals_of_blocks = refusals(&json!({"blocks": [block]}));
    assert_eq!(
        refusals_of_blocks,
        refusals(&json!({"cidrs": [block]})),
        "the retired field has the same rules"
    );
    refusals_of_blocks
}

#[test]
fn a_block_that_can_never_work_is_refused_with_one_sentence() {
    for (bad, sentence) in [
        (json!({}), "an empty block holds no address"),
        (json!({"stop": "10.0.0.1"}), "stop alone makes no range"),
        (
            json!({"start": "10.0.0"}),
            "start must be one IPv4 or IPv6 address",
        ),
        (
            json!({"start": "10.0.0.1", "stop": "x"}),
            "stop must be one IPv4 or IPv6 address",
        ),
        (
            json!({"start": "10.0.0.1", "stop": "2004::1"}),
            "start and stop must be of one family",
        ),
        (
            json!({"start": "10.0.0.10", "stop": "10.0.0.9"}),
            "start comes after stop",
        ),
        (
            json!({"start": "10.1.0.0", "stop": "10.0.255.255"}),
            "start comes after stop",
        ),
        (json!({"cidr": "10.0.0.0/33"}), "cidr must be a network"),
    ] {
        let refusals = block(&bad);
        assert!(
            refusals.len() == 1 && refusals[0].starts_with(sentence),
            "{bad}: {refusals:?}"
        );
    }
}

#[test]
fn a_block_that_cilium_serves_is_accepted() {
    for good in [
        json!({"cidr": "10.0.10.0/24"}),
        json!({"cidr": "10.0.10.12/24"}),
        json!({"cidr": "2004::0/112"}),
        json!({"start": "10.0.3.5"}),
        json!({"start": "10.0.3.5", "stop": "10.0.3.15"}),
        json!({"start": "9.255.255.255", "stop": "10.0.0.0"}),
        json!({"start": "2004::5", "stop": "2004::1"}),
        json!({"cidr": "10.0.10.0/24", "start": "nonsense", "stop": "1"}),
    ] {
        assert_eq!(block(&good), [""; 0], "{good}");
    }
}

#[test]
fn reserved_entries_are_addresses_ranges_or_networks() {
    let good = json!([
        "10.0.10.5",
        "10.0.10.5-10.0.10.9",
        "10.0.10.0/28",
        "2004::5-2004::9"
    ]);
    assert_eq!(refusals(&json!({"reserved": good})), [""; 0]);
    for (bad, sentence) in [
        ("router", "a reserved entry must be"),
        ("10.0.10.5-", "a reserved entry must be"),
        ("10.0.10.5-10.0.10.9-10.0.10.12", "a reserved entry must be"),
        ("10.0.10.5-2004::9", "a reserved range must not mix"),
    ] {
        let refusals = refusals(&json!({"reserved": [bad]}));
        assert!(
            refusals.len() == 1 && refusals[0].starts_with(sentence),
            "{bad}: {refusals:?}"
        );
    }
}
