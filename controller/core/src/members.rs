//! The members of the cluster as every agent knows them: each node's interfaces, with what they can be reached by on the
//! segment. The operator writes them into one object; probing, witnesses and the fence use them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::inventory::{Interface, Inventory, Mac};
use crate::names::NodeName;

/// Every node whose agent has reported, with its interfaces sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Members {
    /// By node.
    pub nodes: BTreeMap<NodeName, Vec<Interface>>,
}

impl Members {
    /// The members as their inventories tell, interfaces without carrier included: their hardware address is still the
    /// node's.
    #[must_use]
    pub fn of<'a>(inventories: impl IntoIterator<Item = (&'a NodeName, &'a Inventory)>) -> Self {
        let nodes = inventories.into_iter().map(|(node, inventory)| {
            let ethernet = inventory.interfaces.iter().filter(|one| one.mac.is_some());
            (node.clone(), ethernet.cloned().collect())
        });
        Self {
            nodes: nodes.collect(),
        }
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
        let has = |interfaces: &[Interface]| interfaces.iter().any(|one| one.mac == Some(mac));
        let mut nodes = self.nodes.iter();
        nodes
            .find(|(_, interfaces)| has(interfaces))
            .map(|(node, _)| node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::LinkState;

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
