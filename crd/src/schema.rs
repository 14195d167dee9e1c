//! Pieces of schema that several types need.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Longest text accepted as one address or network: room for every spelling of an IPv6 network. It bounds what a
/// validation rule can cost.
pub(crate) const MAX_ADDRESS_LENGTH: usize = 64;

/// A validation rule the API server evaluates (CEL).
pub(crate) struct Rule {
    /// The expression that must hold.
    pub(crate) holds: &'static str,
    /// The sentence the user sees when it does not.
    pub(crate) otherwise: &'static str,
}

/// The rules as the schema extension the API server reads.
pub(crate) fn rules(rules: &[Rule]) -> Value {
    rules
        .iter()
        .map(|rule| json!({"rule": rule.holds, "message": rule.otherwise}))
        .collect()
}

/// The standard list of conditions, keyed by type, with the limits of the Kubernetes type (which its Rust schema lacks).
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "description": "One aspect of the object's current state.",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "lastTransitionTime": {
                    "type": "string",
                    "format": "date-time",
                    "description": "When the status last changed.",
                },
                "message": {
                    "type": "string",
                    "maxLength": 32768,
                    "description": "The details, for people. Empty when there is nothing to add.",
                },
                "observedGeneration": {
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                    "description": "The generation of the spec this was found out for.",
                },
                "reason": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                    "description": "Why the status is what it is, in one word for programs.",
                },
                "status": {
                    "type": "string",
                    "enum": ["True", "False", "Unknown"],
                    "description": "True, False or Unknown.",
                },
                "type": {
                    "type": "string",
                    "maxLength": 316,
                    "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?\
                                (([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
                    "description": "Which aspect this is about.",
                },
            },
        },
    })
}
