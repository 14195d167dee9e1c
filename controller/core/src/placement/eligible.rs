//! Which nodes may hold, and which of them only as a last resort.

use std::collections::BTreeSet;
use std::fmt;

use crate::heartbeat::Freshness;
use crate::interfaces::InterfaceSelector;
use crate::inventory::{Inventory, LinkState};
use crate::names::PolicyName;
use crate::selector::Labels;

use super::demand::Policy;

/// What makes a node a last resort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeTrait {
    /// Its `Ready` condition is not `True`.
    NotReady,
    /// It is cordoned.
    Unschedulable,
    /// It carries `node.kubernetes.io/exclude-from-external-load-balancers`.
    Excluded,
    /// People drained it: it holds only what no other node can.
    Drained,
    /// Its agent has not been heard of for a lease duration.
    Silent,
}

impl fmt::Display for NodeTrait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReady => "is not Ready",
            Self::Unschedulable => "is cordoned",
            Self::Excluded => "is labelled node.kubernetes.io/exclude-from-external-load-balancers",
            Self::Drained => "is drained",
            Self::Silent => "has not been heard of for a lease duration",
        })
    }
}

/// A node as placement sees it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Node {
    /// Its labels.
    pub labels: Labels,
    /// What speaks against it, [`NodeTrait::Silent`] excepted.
    pub traits: BTreeSet<NodeTrait>,
}

/// Why a node cannot hold for a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The policy's nodeSelector does not match; the requirement that fails.
    NodeSelector(String),
    /// No agent has ever reported from the node.
    NoAgent,
    /// None of the node's interfaces is meant by the policy.
    NoInterface(Vec<String>),
    /// The interfaces the policy means are down or without carrier.
    LinkDown(Vec<String>),
    /// `externalTrafficPolicy` is `Local`, and no endpoint on the node is ready.
    NoLocalEndpoint,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeSelector(unmet) => write!(f, "the nodeSelector wants {unmet}"),
            Self::NoAgent => f.write_str("no Lightship agent has reported from it"),
            Self::NoInterface(expressions) if expressions.is_empty() => {
                f.write_str("it has no suitable interface; name one in the policy's interfaces")
            }
            Self::NoInterface(expressions) => {
                write!(f, "none of its interfaces matches {}", expressions.join(", "))
            }
            Self::LinkDown(names) => write!(f, "{} is down or has no carrier", names.join(", ")),
            Self::NoLocalEndpoint => {
                f.write_str("externalTrafficPolicy is Local and no ready endpoint is on it")
            }
        }
    }
}

/// How well a node suits a set of policies: fewer objections first, then more of the policies, then fewer lines broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suitability {
    /// What makes it a last resort; empty for a good node.
    pub(super) traits: BTreeSet<NodeTrait>,
    /// The policies that allow it.
    pub(super) policies: BTreeSet<PolicyName>,
    /// Interfaces that the policies mean and that are down, beside others that are up: a segment is not served.
    pub(super) broken: BTreeSet<String>,
    /// Whether it may get what it does not have.
    pub(super) trust: Trust,
}

/// Whether a node may get what it does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// It may.
    Steady,
    /// Its heartbeat was late, and it has to be steady for a while first.
    Late,
    /// It lost addresses by force lately, and has to be steady for a while first.
    HeldDown,
    /// It has been silent for so long that nobody counts on it any more.
    Gone,
}

impl Suitability {
    /// Whether nothing speaks against the node.
    pub(super) fn is_good(&self) -> bool {
        self.traits.is_empty() && self.broken.is_empty() && self.trust == Trust::Steady
    }

    /// Whether something speaks against it.
    pub(super) fn is(&self, objection: NodeTrait) -> bool {
        self.traits.contains(&objection)
    }
}

/// Judges a node for a set of policies; when none allows it, why each does not.
pub(super) fn suitability<'a>(
    node: &Node,
    report: Option<(&Inventory, Freshness)>,
    trust: Trust,
    policies: impl Iterator<Item = (&'a PolicyName, &'a Policy)>,
) -> Result<Suitability, Vec<(PolicyName, Refusal)>> {
    let (mut allowing, mut broken, mut refusals) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (name, policy) in policies {
        match allows(policy, node, report.map(|(inventory, _)| inventory)) {
            Ok(down) => {
                allowing.insert(name.clone());
                broken.extend(down);
            }
            Err(refusal) => refusals.push((name.clone(), refusal)),
        }
    }
    if allowing.is_empty() {
        return Err(refusals);
    }
    let mut traits = node.traits.clone();
    if report.is_none_or(|(_, freshness)| freshness != Freshness::Fresh) {
        traits.insert(NodeTrait::Silent);
    }
    Ok(Suitability {
        traits,
        policies: allowing,
        broken,
        trust,
    })
}

/// The interfaces that are down, when at least one is up.
fn allows(policy: &Policy, node: &Node, inventory: Option<&Inventory>) -> Result<Vec<String>, Refusal> {
    if let Some(unmet) = policy.nodes.unmet(&node.labels) {
        return Err(Refusal::NodeSelector(unmet));
    }
    let inventory = inventory.ok_or(Refusal::NoAgent)?;
    interface_up(&policy.interfaces, inventory)
}

fn interface_up(selector: &InterfaceSelector, inventory: &Inventory) -> Result<Vec<String>, Refusal> {
    let meant: Vec<_> = inventory
        .interfaces
        .iter()
        .filter(|one| selector.selects(one))
        .collect();
    if meant.is_empty() {
        return Err(Refusal::NoInterface(selector.expressions().to_vec()));
    }
    let (up, down): (Vec<_>, Vec<_>) = meant.into_iter().partition(|one| one.link == LinkState::Up);
    let down = down.into_iter().map(|interface| interface.name.clone()).collect();
    if up.is_empty() {
        Err(Refusal::LinkDown(down))
    } else {
        Ok(down)
    }
}
