//! The members of the cluster as every agent knows them: each node's interfaces, with what they can be reached by on the
//! segment. The operator writes them into one object; probing, witnesses and the fence use them.

use std::collections::{BTreeMap, BTreeSet};

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

    /// The text of the members object within a length in bytes: first without the nodes' own addresses, which only
    /// help to find out who is silent, then without the last nodes. The number of nodes left out, which can neither
    /// claim nor be claimed from, comes with it.
    ///
    /// # Errors
    /// Never for values of this type; the signature is the serializer's.
    pub fn to_json_within(mut self, longest: usize) -> Result<(String, usize), serde_json::Error> {
        let text = self.to_json()?;
        if text.len() <= longest {
            return Ok((text, 0));
        }
        for interface in self.nodes.values_mut().flatten() {
            interface.addresses.clear();
        }
        // Braces, and a comma and a colon with each node.
        let (mut length, mut kept) = (2, BTreeMap::new());
        let all = self.nodes.len();
        for (node, interfaces) in self.nodes {
            length += serde_json::to_string(&node)?.len() + serde_json::to_string(&interfaces)?.len() + 2;
            if length <= longest {
                kept.insert(node, interfaces);
            }
        }
        let omitted = all - kept.len();
        Ok((Self { nodes: kept }.to_json()?, omitted))
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

/// Whose each hardware address is: the node's that had it first. An agent that reports another node's is not believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    owners: BTreeMap<Mac, NodeName>,
}

/// A hardware address that a node reports and another had before it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usurped {
    /// The node that reports it now too.
    pub node: NodeName,
    /// The hardware address.
    pub mac: Mac,
    /// The node that had it first.
    pub owner: NodeName,
}

impl Roster {
    /// Takes over who had what when the object was last written.
    pub fn adopt(&mut self, members: &Members) {
        for (node, interfaces) in &members.nodes {
            for mac in interfaces.iter().filter_map(|one| one.mac) {
                self.owners.entry(mac).or_insert_with(|| node.clone());
            }
        }
    }

    /// The members as their inventories tell, without what another node had first and what is no station's address.
    pub fn members<'a>(
        &mut self,
        inventories: impl IntoIterator<Item = (&'a NodeName, &'a Inventory)>,
    ) -> (Members, BTreeSet<Usurped>) {
        let mut members = Members::of(inventories);
        let reports = |node: &NodeName, mac: Mac| {
            let interfaces = members.nodes.get(node).into_iter().flatten();
            interfaces.filter_map(|one| one.mac).any(|one| one == mac)
        };
        self.owners.retain(|mac, owner| reports(owner, *mac));
        let mut usurped = BTreeSet::new();
        for (node, interfaces) in &mut members.nodes {
            interfaces.retain(|interface| {
                let Some(mac) = interface.mac.filter(|mac| mac.is_station()) else {
                    return false;
                };
                let owner = self.owners.entry(mac).or_insert_with(|| node.clone());
                if owner != node {
                    usurped.insert(Usurped {
                        node: node.clone(),
                        mac,
                        owner: owner.clone(),
                    });
                }
                owner == node
            });
        }
        (members, usurped)
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

    fn inventory(macs: &[u8]) -> Inventory {
        let interface = |last: &u8| Interface {
            name: format!("eth{last}"),
            mac: Some(Mac([2, 0, 0, 0, 0, *last])),
            link: LinkState::Up,
            suitable: true,
            addresses: vec!["10.0.0.1".parse().unwrap()],
        };
        Inventory {
            interfaces: macs.iter().map(interface).collect(),
            ..Inventory::default()
        }
    }

    #[test]
    fn a_hardware_address_is_the_first_nodes_until_that_has_it_no_more() {
        let (one, two) = (NodeName::from("node-1"), NodeName::from("node-2"));
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let mut earlier = Roster::default();
        let (written, _) = earlier.members([(&two, &inventory(&[1]))]);
        let mut roster = Roster::default();
        roster.adopt(&written);
        let (honest, liar) = (inventory(&[1]), inventory(&[1, 3]));
        let (members, usurped) = roster.members([(&one, &liar), (&two, &honest)]);
        assert_eq!(members.node_of(mac), Some(&two));
        assert_eq!(members.node_of(Mac([2, 0, 0, 0, 0, 3])), Some(&one));
        let expected = Usurped {
            node: one.clone(),
            mac,
            owner: two.clone(),
        };
        assert_eq!(usurped, [expected].into());
        let (members, usurped) = roster.members([(&one, &liar), (&two, &inventory(&[2]))]);
        assert_eq!((members.node_of(mac), usurped), (Some(&one), [].into()));
    }

    #[test]
    fn what_no_station_has_is_nobodys() {
        let mut lies = inventory(&[1, 2]);
        lies.interfaces[0].mac = Some(Mac([0; 6]));
        lies.interfaces[1].mac = Some(Mac([0xff; 6]));
        let node = NodeName::from("node-1");
        let (members, _) = Roster::default().members([(&node, &lies)]);
        assert_eq!(members.nodes[&node], []);
    }

    #[test]
    fn too_many_members_lose_their_addresses_first_and_then_the_last_nodes() {
        let names: Vec<NodeName> = (0..9).map(|n| format!("node-{n}").into()).collect();
        let one = inventory(&[1, 2]);
        let members = Members::of(names.iter().map(|name| (name, &one)));
        let whole = members.to_json().unwrap().len();
        let written = |longest| {
            let (text, omitted) = members.clone().to_json_within(longest).unwrap();
            assert!(text.len() <= longest);
            (Members::from_json(&text).unwrap(), omitted)
        };
        assert_eq!(written(whole), (members.clone(), 0));
        let (bare, omitted) = written(whole - 1);
        assert_eq!((bare.nodes.len(), omitted), (9, 0));
        assert!(bare.nodes.values().flatten().all(|nic| nic.addresses.is_empty()));
        let (few, omitted) = written(whole / 2);
        assert_eq!(few.nodes.len() + omitted, 9);
        assert!(omitted > 0);
    }
}
