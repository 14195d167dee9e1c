//! The binding of a service's addresses to a node, and the work order its lease carries.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::names::{NodeName, PolicyName, ServiceId};

/// Addresses of a service to be announced on interfaces, as one policy asks.
///
/// Policies add up and do not mix, so each policy is an item of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    /// The policy that asks for it.
    pub policy: PolicyName,
    /// Addresses to answer for.
    pub addresses: Vec<IpAddr>,
    /// Interface expressions; empty means every suitable interface of the holder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<String>,
}

/// What the holder of a lease is to do: the annotation of a service lease.
///
/// What only the operator may change comes before `standbys`: the admission policy of the agents compares all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkOrder {
    /// The service the lease belongs to; its name alone cannot tell (`a-b/c` and `a/b-c` read the same).
    pub service: ServiceId,
    /// The service of the group whose lease is the authority on the holder.
    pub primary: ServiceId,
    /// What to announce, sorted by policy.
    pub announcements: Vec<Announcement>,
    /// Nodes that may claim the binding, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub standbys: Vec<NodeName>,
    /// The holder before this one, if the operator moved the binding. If it lives it goes on answering until it hears the new holder's claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<NodeName>,
    /// The node that a standby took this from because it had fallen silent. It yields as soon as it reads this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deposed: Option<NodeName>,
}

impl WorkOrder {
    /// Reads the annotation of a service lease.
    ///
    /// # Errors
    /// When the text is no work order; unknown fields of newer operators are passed over.
    pub fn from_annotation(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The annotation a service lease carries.
    ///
    /// # Errors
    /// Never for values of this type; the signature is the serializer's.
    pub fn to_annotation(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Every address of the order, sorted, each once.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses: Vec<_> = self
            .announcements
            .iter()
            .flat_map(|one| one.addresses.clone())
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}

/// A service lease as it stands: who holds the addresses of a service, and what is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// `holderIdentity`.
    pub holder: NodeName,
    /// `leaseTransitions`: the epoch of the binding.
    pub transitions: i32,
    /// What the holder announces.
    pub order: WorkOrder,
}

impl Binding {
    /// Whether a node holds it or stands by.
    #[must_use]
    pub fn concerns(&self, node: &NodeName) -> bool {
        self.holder == *node || self.order.standbys.contains(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_order_survives_its_annotation() {
        let service = ServiceId::new("default", "web");
        let order = WorkOrder {
            service: service.clone(),
            primary: service,
            announcements: vec![Announcement {
                policy: "policy1".into(),
                addresses: vec!["10.0.10.0".parse().unwrap(), "2004::".parse().unwrap()],
                interfaces: vec!["^eth[0-9]+".into()],
            }],
            standbys: vec![],
            former: None,
            deposed: None,
        };
        let text = order.to_annotation().unwrap();
        assert_eq!(WorkOrder::from_annotation(&text).unwrap(), order);
        assert_eq!(order.addresses().len(), 2);
    }

    #[test]
    fn what_a_claim_changes_comes_after_all_else() {
        let service = ServiceId::new("default", "web");
        let order = WorkOrder {
            service: service.clone(),
            primary: service,
            announcements: vec![],
            standbys: vec!["node-2".into()],
            former: Some("node-3".into()),
            deposed: Some("node-4".into()),
        };
        let text = order.to_annotation().unwrap();
        let claimed = r#"],"standbys":["node-2"],"former":"node-3","deposed":"node-4"}"#;
        assert!(
            text.ends_with(claimed),
            "the agents' admission policy misreads {text}"
        );
    }
}
