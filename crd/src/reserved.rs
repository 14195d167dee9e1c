//! Addresses of a pool that are given only to a service that asks for the very address.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::schema::{Rule, rules};

/// Two IPv6 addresses of full length and the hyphen between them, with a little room.
const MAX_LENGTH: usize = 96;

/// An address (`10.0.10.5`), a range with both ends included (`10.0.10.5-10.0.10.9`) or a network (`10.0.10.0/28`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reserved(pub String);

impl Reserved {
    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Reserved {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Reserved {
    fn schema_name() -> Cow<'static, str> {
        "Reserved".into()
    }

    // Substrings and not split(): the API server reckons with as many parts as there are characters and finds it too dear.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "An address (10.0.10.5), a range with both ends included (10.0.10.5-10.0.10.9) or a network \
                            (10.0.10.0/28).",
            "maxLength": MAX_LENGTH,
            "x-kubernetes-validations": rules(&[
                Rule {
                    holds: "isIP(self) || isCIDR(self) || (self.contains('-') && \
                            isIP(self.substring(0, self.indexOf('-'))) && \
                            isIP(self.substring(self.indexOf('-') + 1)))",
                    otherwise: "a reserved entry must be an address (10.0.10.5), a range without spaces \
                                (10.0.10.5-10.0.10.9) or a network (10.0.10.0/28)",
                },
                Rule {
                    holds: "!self.contains('-') || !isIP(self.substring(0, self.indexOf('-'))) || \
                            !isIP(self.substring(self.indexOf('-') + 1)) || \
                            ip(self.substring(0, self.indexOf('-'))).family() == \
                            ip(self.substring(self.indexOf('-') + 1)).family()",
                    otherwise: "a reserved range must not mix IPv4 and IPv6",
                },
            ]),
        })
    }
}
