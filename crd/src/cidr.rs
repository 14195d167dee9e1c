//! A network in CIDR notation as people write it, host bits and all.
//!
//! The value is kept as text: the API server has checked that it is a network, and whoever computes with it parses it
//! into a type made for that.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::schema::{MAX_ADDRESS_LENGTH, Rule, rules};

/// A network such as `10.0.10.0/24` or `2001:db8::/112`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cidr(pub String);

impl Cidr {
    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Cidr {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Cidr {
    fn schema_name() -> Cow<'static, str> {
        "Cidr".into()
    }

    // Cilium's schema says `format: cidr` instead, which names only itself when it refuses and keeps rules from being read.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": MAX_ADDRESS_LENGTH,
            "x-kubernetes-validations": rules(&[Rule {
                holds: "isCIDR(self)",
                otherwise: "cidr must be a network such as 10.0.10.0/24 or 2001:db8::/112",
            }]),
        })
    }
}
