//! The members of the cluster as every agent knows them: each node's interfaces, with what they can be reached by on the
//! segment. The operator writes them into one object; probing, witnesses and the fence use them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::inventory::{Inventory, LinkState, Mac};
use crate::names::NodeName;

/// One interface of a member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Nic {
    /// Its name on the node.
    pub name: String,
    /// Its hardware address.
    pub mac: Mac,
    /// The node's own addresses on it, to ask whether the node is there at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
}

/// Every node whose agent has reported, with its interfaces sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Members {
    /// By node.
    pub nodes: BTreeMap<NodeName, Vec<Nic>>,
}

impl Members {
    /// The members as their inventories tell. Interfaces without carrier stay listed: their hardware address is still
    /// the node's.
    #[must_use]
    pub fn of<'a>(inventories: impl IntoIterator<Item = (&'a NodeName, &'a Inventory)>) -> Self {
        let nic = |interface: &crate::inventory::Interface| {
            Some(Nic {
                name: interface.name.clone(),
                mac: interface.mac?,
                addresses: if interface.link == LinkState::Down {
                    vec![]
                } else {
                    interface.addresses.clone()
                },
            })
        };
        let nodes = inventories
            .into_iter()
            .map(|(node, inventory)| {
                (
                    node.clone(),
                    inventory.interfaces.iter().filter_map(nic).collect(),
                )
            })
            .collect();
        Self { nodes }
    }

    /// Reads the text of the members object.
    ///
    /// # Errors
    /// When it is not what an operator writes.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The text of the members object.
    ///
    /// # Errors
    /// Never for values of this type; the signature is the serializer's.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The node that has a hardware address.
    #[must_use]
    pub fn node_of(&self, mac: Mac) -> Option<&NodeName> {
        let has = |nics: &Vec<Nic>| nics.iter().any(|nic| nic.mac == mac);
        self.nodes
            .iter()
            .find(|(_, nics)| has(nics))
            .map(|(node, _)| node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Interface;

    #[test]
    fn members_survive_their_object() {
        let inventory = Inventory {
            interfaces: vec![Interface {
                name: "eth0".into(),
                mac: Some(Mac([2, 0, 0, 0, 0, 1])),
                link: LinkState::Up,
                suitable: true,
                addresses: vec!["10.0.0.1".parse().unwrap()],
            }],
            ..Inventory::default()
        };
        let node = NodeName::from("node-1");
        let members = Members::of([(&node, &inventory)]);
        assert_eq!(members.node_of(Mac([2, 0, 0, 0, 0, 1])), Some(&node));
        assert_eq!(Members::from_json(&members.to_json().unwrap()).unwrap(), members);
    }
}
