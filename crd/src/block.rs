//! One block of a pool's addresses: a network, a range, or a single address.
//!
//! The rules let the API server refuse what could never work and say why. They refuse nothing that Cilium serves:
//! `cidr` beside `start` and `stop` wins, and these are then not looked at.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cidr::Cidr;
use crate::schema::{MAX_ADDRESS_LENGTH, Rule, rules};

/// A network, a range or a single address the pool hands out. cidr wins over start and stop beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(RULES)))]
pub struct Block {
    /// A network such as 10.0.10.0/24; host bits are ignored, so 10.0.10.12/24 is the same. All its addresses are
    /// handed out, the first and last too unless allowFirstLastIPs is No. Wins over start and stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<Cidr>,
    /// The first address of a range, IPv4 or IPv6; without stop the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_ADDRESS_LENGTH))]
    pub start: Option<String>,
    /// The last address of the range, included. Needs start, of the same family and not after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_ADDRESS_LENGTH))]
    pub stop: Option<String>,
}

/// CEL's IP library has no order, so IPv4 addresses are compared as the number their octets make; IPv6 order is left
/// to the pool's condition.
const RULES: &[Rule] = &[
    Rule {
        holds: "has(self.cidr) || has(self.start) || has(self.stop)",
        otherwise: "an empty block holds no address: give cidr (such as 10.0.10.0/24), or start and stop",
    },
    Rule {
        holds: "has(self.cidr) || has(self.start) || !has(self.stop)",
        otherwise: "stop alone makes no range: add start, the first address of the range",
    },
    Rule {
        holds: "has(self.cidr) || !has(self.start) || isIP(self.start)",
        otherwise: "start must be one IPv4 or IPv6 address such as 10.0.10.5",
    },
    Rule {
        holds: "has(self.cidr) || !has(self.start) || !has(self.stop) || isIP(self.stop)",
        otherwise: "stop must be one IPv4 or IPv6 address such as 10.0.10.15",
    },
    Rule {
        holds: "has(self.cidr) || !has(self.start) || !has(self.stop) || !isIP(self.start) || !isIP(self.stop) || \
                ip(self.start).family() == ip(self.stop).family()",
        otherwise: "start and stop must be of one family: both IPv4 or both IPv6",
    },
    Rule {
        holds: "has(self.cidr) || !has(self.start) || !has(self.stop) || !isIP(self.start) || !isIP(self.stop) || \
                ip(self.start).family() != 4 || ip(self.stop).family() != 4 || \
                int(self.start.split('.')[0]) * 16777216 + int(self.start.split('.')[1]) * 65536 + \
                int(self.start.split('.')[2]) * 256 + int(self.start.split('.')[3]) <= \
                int(self.stop.split('.')[0]) * 16777216 + int(self.stop.split('.')[1]) * 65536 + \
                int(self.stop.split('.')[2]) * 256 + int(self.stop.split('.')[3])",
        otherwise: "start comes after stop: exchange the two addresses",
    },
];
