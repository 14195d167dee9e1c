//! What an agent tells about its node: the payload of its heartbeat.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::finding::Finding;

/// A hardware address, written as six hexadecimal octets with colons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Whether a single station can have it: not zero, and no group's.
    #[must_use]
    pub fn is_station(self) -> bool {
        let [first, ..] = self.0;
        self.0 != [0; 6] && first & 1 == 0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = self.0.map(|octet| format!("{octet:02x}"));
        f.write_str(&octets.join(":"))
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

impl TryFrom<String> for Mac {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let refuse = || format!("\"{text}\" is no hardware address of six octets");
        let octets = text
            .split(':')
            .map(|octet| u8::from_str_radix(octet, 16).map_err(|_| refuse()))
            .collect::<Result<Vec<_>, _>>()?;
        octets.try_into().map(Self).map_err(|_| refuse())
    }
}

/// Whether frames can leave through an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LinkState {
    /// Administratively up and the carrier is there.
    Up,
    /// Administratively up without carrier: cable, peer or switch port is gone.
    NoCarrier,
    /// Administratively down.
    Down,
}

/// One interface of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// Its name on the node.
    pub name: String,
    /// Its hardware address; none on interfaces without a link layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// Whether frames can leave through it.
    pub link: LinkState,
    /// Whether a policy that names no interfaces announces here (the node's own rule, or `--devices`).
    #[serde(default)]
    pub suitable: bool,
    /// The node's own addresses on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
}

/// The interfaces of one node, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// Every interface with a link layer.
    pub interfaces: Vec<Interface>,
    /// The latest findings, oldest first, at most [`MOST_FINDINGS`].
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "known_findings"
    )]
    pub findings: Vec<Finding>,
    /// Tells one run of the agent from another, so that a reader knows when the findings' numbers begin anew.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
}

/// How many findings a heartbeat carries.
pub const MOST_FINDINGS: usize = 512;

impl Inventory {
    /// Reads the annotation of a heartbeat.
    ///
    /// # Errors
    /// When the text is no inventory; unknown fields and findings of newer agents are passed over.
    pub fn from_annotation(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The annotation a heartbeat carries.
    ///
    /// # Errors
    /// Never for values of this type; the signature is the serializer's.
    pub fn to_annotation(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// A newer agent finds what this version has no word for, and is heard all the same.
fn known_findings<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Vec<Finding>, D::Error> {
    let all = Vec::<serde_json::Value>::deserialize(deserializer)?;
    let known = all.into_iter().map(serde_json::from_value);
    Ok(known.filter_map(Result::ok).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_of_a_newer_agent_are_passed_over_and_the_others_kept() {
        let text = r#"{"interfaces":[],"findings":[
            {"number":1,"saw":{"kind":"heardAGhost","address":"10.0.0.1"}},
            {"number":2,"saw":{"kind":"conflict","address":"10.0.0.1","interface":"eth0","mac":"02:00:00:00:0a:01"}}
        ]}"#;
        let read = Inventory::from_annotation(text).unwrap();
        let numbers: Vec<_> = read.findings.iter().map(|finding| finding.number).collect();
        assert_eq!(numbers, [2]);
    }

    #[test]
    fn an_inventory_survives_its_annotation() {
        let inventory = Inventory {
            interfaces: vec![Interface {
                name: "eth0".into(),
                mac: Some(Mac([2, 0, 0, 0, 0x0a, 1])),
                link: LinkState::NoCarrier,
                suitable: true,
                addresses: vec!["10.0.0.1".parse().unwrap()],
            }],
            ..Inventory::default()
        };
        let text = inventory.to_annotation().unwrap();
        assert!(text.contains("\"02:00:00:00:0a:01\""), "{text}");
        assert_eq!(Inventory::from_annotation(&text).unwrap(), inventory);
    }

    #[test]
    fn a_malformed_hardware_address_is_refused() {
        let text = r#"{"interfaces":[{"name":"eth0","mac":"02:00","link":"up"}]}"#;
        assert!(
            Inventory::from_annotation(text)
                .unwrap_err()
                .to_string()
                .contains("six octets")
        );
    }
}
