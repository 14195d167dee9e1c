//! What the API server asks of a definition's schema, and what `kubectl explain` owes the reader.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use lightship_crd::crds;
use serde_json::Value;

/// Calls `visit` with every schema of every version and its path.
fn walk_all(mut visit: impl FnMut(&str, &Value)) {
    for crd in crds().unwrap() {
        for version in &crd.spec.versions {
            let schema = serde_json::to_value(&version.schema.as_ref().unwrap().open_api_v3_schema).unwrap();
            walk(
                &format!("{}/{}", crd.spec.names.kind, version.name),
                &schema,
                &mut visit,
            );
        }
    }
}

fn walk(path: &str, schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), property, visit);
    }
    for nested in ["items", "additionalProperties"] {
        if schema[nested].is_object() {
            walk(&format!("{path}[]"), &schema[nested], visit);
        }
    }
}

fn pool() -> CustomResourceDefinition {
    crds().unwrap().swap_remove(0)
}

#[test]
fn every_schema_is_structural() {
    walk_all(|path, schema| {
        assert!(schema["type"].is_string(), "{path} has no type");
        for forbidden in [
            "oneOf",
            "anyOf",
            "allOf",
            "not",
            "nullable",
            "title",
            "$ref",
            "uniqueItems",
        ] {
            assert!(schema.get(forbidden).is_none(), "{path} has {forbidden}");
        }
    });
}

#[test]
fn every_field_is_described() {
    walk_all(|path, schema| {
        // The API server describes metadata itself, and a list's description says what its plain items are.
        let exempt = path.ends_with(".metadata") || (path.ends_with("[]") && schema["type"] == "string");
        assert!(
            exempt || schema["description"].is_string(),
            "{path} has no description"
        );
    });
}

#[test]
fn every_rule_explains_itself_and_is_bounded() {
    walk_all(|path, schema| {
        for rule in schema["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            assert!(
                rule["message"].is_string(),
                "{path}: {} has no message",
                rule["rule"]
            );
        }
        if schema["items"].get("x-kubernetes-validations").is_some() {
            assert!(
                schema["maxItems"].is_number(),
                "{path}: rules on an unbounded list exceed the cost budget"
            );
        }
    });
}

#[test]
fn both_versions_of_the_pool_have_one_schema() {
    let pool = pool();
    let facts: Vec<_> = pool
        .spec
        .versions
        .iter()
        .map(|v| (v.name.as_str(), v.served, v.storage, v.deprecated))
        .collect();
    assert_eq!(
        facts,
        [("v2", true, true, None), ("v2alpha1", true, false, Some(true))]
    );
    assert_eq!(pool.spec.versions[0].schema, pool.spec.versions[1].schema);
    assert_eq!(
        pool.spec.versions[0].additional_printer_columns,
        pool.spec.versions[1].additional_printer_columns
    );
}
