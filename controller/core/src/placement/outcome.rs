//! What becomes of services, as values that say why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use super::demand::Unwanted;
use super::eligible::{NodeTrait, Refusal};
use crate::binding::WorkOrder;
use crate::names::{NodeName, PolicyName, ServiceId};

/// Why a binding goes to another node than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveCause {
    /// There was no holder.
    First,
    /// The former holder is no node of the cluster any more.
    NodeGone,
    /// No policy allows the former holder any more.
    Refused(Vec<(PolicyName, Refusal)>),
    /// The former holder became a last resort, and there is a better node.
    Objected(BTreeSet<NodeTrait>),
    /// Interfaces of the former holder that the policies mean went down, and another node has all of them up.
    LinksDown(BTreeSet<String>),
    /// People drained the former holder.
    Drained,
    /// The former holder has a ready endpoint of too few of the services, and `externalTrafficPolicy` is `Local`.
    NoLocalEndpoint,
    /// The former holder had more than its share of addresses.
    Rebalanced,
    /// The holder of the group's primary lease is another already: a standby took over, or services came together.
    Follows(ServiceId),
    /// The former holder is good, but serves fewer of the policies, or another of the group held elsewhere.
    Regrouped,
}

impl MoveCause {
    /// The word metrics use.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::First => "first",
            Self::NodeGone => "node_gone",
            Self::Refused(_) => "refused",
            Self::Objected(traits) if traits.contains(&NodeTrait::Silent) => "silent",
            Self::Objected(_) => "objected",
            Self::LinksDown(_) => "links_down",
            Self::Drained => "drained",
            Self::NoLocalEndpoint => "no_local_endpoint",
            Self::Rebalanced => "rebalanced",
            Self::Follows(_) => "follows",
            Self::Regrouped => "regrouped",
        }
    }

    /// Whether the former holder lives, so that it goes on answering until the new one does.
    #[must_use]
    pub fn is_planned(&self) -> bool {
        match self {
            Self::First | Self::NodeGone => false,
            Self::Objected(traits) => !traits.contains(&NodeTrait::Silent),
            _ => true,
        }
    }
}

impl fmt::Display for MoveCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("it had no holder"),
            Self::NodeGone => f.write_str("the former holder has left the cluster"),
            Self::Refused(refusals) => {
                f.write_str("the former holder cannot announce it")?;
                refusals
                    .iter()
                    .try_for_each(|(policy, refusal)| write!(f, "; policy {policy}: {refusal}"))
            }
            Self::Objected(traits) => {
                let words: Vec<_> = traits.iter().map(NodeTrait::to_string).collect();
                write!(f, "the former holder {}", words.join(" and "))
            }
            Self::LinksDown(names) => {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                write!(
                    f,
                    "{} of the former holder is down or has no carrier",
                    names.join(", ")
                )
            }
            Self::Drained => f.write_str("the former holder is drained"),
            Self::NoLocalEndpoint => f.write_str(
                "externalTrafficPolicy is Local and the former holder has no ready endpoint of it",
            ),
            Self::Rebalanced => f.write_str("the former holder had more than its share of addresses"),
            Self::Follows(primary) => write!(f, "the addresses it shares with service {primary} went there"),
            Self::Regrouped => {
                f.write_str("another node serves more of its policies, or the services it shares with")
            }
        }
    }
}

/// A service that has a holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The node that holds.
    pub holder: NodeName,
    /// What it is to announce.
    pub order: WorkOrder,
    /// The holder before, and why it changed; `None` when it did not.
    pub moved: Option<(Option<NodeName>, MoveCause)>,
    /// What is not as it should be although the addresses are held.
    pub caveats: BTreeSet<Caveat>,
}

/// What is not as it should be although a node holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caveat {
    /// The holder is drained or silent, and no other node can hold.
    OnlyNode(NodeTrait),
    /// `externalTrafficPolicy` is `Local`, and no endpoint is ready anywhere.
    NoReadyEndpoint,
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnlyNode(objection) => {
                write!(f, "it {objection}, but no other node can hold the addresses")
            }
            Self::NoReadyEndpoint => {
                f.write_str("externalTrafficPolicy is Local and no endpoint is ready on any node")
            }
        }
    }
}

/// What becomes of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly every service is placed")]
pub enum Outcome {
    /// Nothing is to be announced.
    Unwanted(Unwanted),
    /// A node holds.
    Placed(Placed),
    /// Something is to be announced, and no node can; why each cannot.
    NoNode(BTreeMap<NodeName, Vec<(PolicyName, Refusal)>>),
}

impl Outcome {
    /// The addresses that a node holds.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        match self {
            Self::Placed(placed) => placed.order.addresses(),
            Self::Unwanted(_) | Self::NoNode(_) => vec![],
        }
    }
}
