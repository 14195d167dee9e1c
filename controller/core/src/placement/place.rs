//! The whole cluster in, every service's outcome out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::choose::choose;
use super::demand::{Announceable, Demands, Policy, Unwanted, demand};
use super::eligible::{Node, NodeTrait, Refusal, Suitability, suitability};
use super::group::{Group, groups};
use crate::binding::{Announcement, Binding, WorkOrder};
use crate::heartbeat::Heartbeats;
use crate::names::{NodeName, PolicyName, ServiceId};
use crate::time::Instant;

/// Everything placement looks at.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Services with their addresses.
    pub services: BTreeMap<ServiceId, Announceable>,
    /// Policies that could be read.
    pub policies: BTreeMap<PolicyName, Policy>,
    /// Nodes.
    pub nodes: BTreeMap<NodeName, Node>,
    /// Agents' heartbeats.
    pub heartbeats: Heartbeats,
    /// Service leases as they are.
    pub bindings: BTreeMap<ServiceId, Binding>,
}

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
    /// The former holder is good, but serves fewer of the policies, or another of the group held elsewhere.
    Regrouped,
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
}

/// What becomes of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is to be announced.
    Unwanted(Unwanted),
    /// A node holds.
    Placed(Placed),
    /// Something is to be announced, and no node can; why each cannot.
    NoNode(BTreeMap<NodeName, Vec<(PolicyName, Refusal)>>),
}

/// Decides for every service of the cluster.
#[must_use]
pub fn place(cluster: &Cluster, now: Instant) -> BTreeMap<ServiceId, Outcome> {
    let mut outcomes = BTreeMap::new();
    let mut demands = Demands::new();
    for (id, service) in &cluster.services {
        match demand(service, &cluster.policies) {
            Ok(wanted) => {
                demands.insert(id.clone(), wanted);
            }
            Err(unwanted) => {
                outcomes.insert(id.clone(), Outcome::Unwanted(unwanted));
            }
        }
    }
    let mut load = BTreeMap::new();
    let mut homeless = Vec::new();
    // Who stays is settled first, so that newcomers see the load that is really there.
    for group in groups(&demands) {
        let view = GroupView::new(cluster, &demands, group, now);
        let stays = choose(view.primary(), &view.suitable, view.holder.as_ref(), &load)
            .filter(|chosen| Some(*chosen) == view.holder.as_ref())
            .cloned();
        match stays {
            Some(holder) => view.settle(&holder, &mut load, &mut outcomes),
            None => homeless.push(view),
        }
    }
    for view in homeless {
        let chosen = choose(view.primary(), &view.suitable, view.holder.as_ref(), &load).cloned();
        if let Some(holder) = chosen {
            view.settle(&holder, &mut load, &mut outcomes);
        } else {
            let outcome = Outcome::NoNode(view.refused.clone());
            outcomes.extend(view.group.iter().map(|id| (id.clone(), outcome.clone())));
        }
    }
    outcomes
}

/// A group with what every node offers it.
struct GroupView<'a> {
    cluster: &'a Cluster,
    demands: &'a Demands,
    group: Group,
    holder: Option<NodeName>,
    suitable: BTreeMap<NodeName, Suitability>,
    refused: BTreeMap<NodeName, Vec<(PolicyName, Refusal)>>,
}

impl<'a> GroupView<'a> {
    fn new(cluster: &'a Cluster, demands: &'a Demands, group: Group, now: Instant) -> Self {
        let wanted: Vec<(&Announcement, &Policy)> = group
            .iter()
            .filter_map(|id| demands.get(id))
            .flatten()
            .filter_map(|announcement| Some((announcement, cluster.policies.get(&announcement.policy)?)))
            .collect();
        let (mut suitable, mut refused) = (BTreeMap::new(), BTreeMap::new());
        for (name, node) in &cluster.nodes {
            let beats = &cluster.heartbeats;
            let report = beats.inventory(name).zip(beats.freshness(name, now));
            match suitability(node, report, wanted.iter().copied()) {
                Ok(one) => {
                    suitable.insert(name.clone(), one);
                }
                Err(refusals) => {
                    refused.insert(name.clone(), refusals);
                }
            }
        }
        let holder = group
            .iter()
            .find_map(|id| cluster.bindings.get(id))
            .map(|binding| binding.holder.clone());
        Self {
            cluster,
            demands,
            group,
            holder,
            suitable,
            refused,
        }
    }

    /// The service that speaks for the group; a group has at least one.
    fn primary(&self) -> &ServiceId {
        &self.group[0]
    }

    fn settle(
        &self,
        holder: &NodeName,
        load: &mut BTreeMap<NodeName, usize>,
        outcomes: &mut BTreeMap<ServiceId, Outcome>,
    ) {
        *load.entry(holder.clone()).or_default() += 1;
        let allowed = self
            .suitable
            .get(holder)
            .map(|one| one.announcements.as_slice())
            .unwrap_or_default();
        for id in &self.group {
            let wanted = self.demands.get(id).map(Vec::as_slice).unwrap_or_default();
            let order = WorkOrder {
                service: id.clone(),
                primary: self.primary().clone(),
                announcements: wanted
                    .iter()
                    .filter(|one| allowed.contains(one))
                    .cloned()
                    .collect(),
                standbys: vec![],
            };
            let moved = self.moved(id, holder);
            outcomes.insert(
                id.clone(),
                Outcome::Placed(Placed {
                    holder: holder.clone(),
                    order,
                    moved,
                }),
            );
        }
    }

    fn moved(&self, id: &ServiceId, holder: &NodeName) -> Option<(Option<NodeName>, MoveCause)> {
        let Some(binding) = self.cluster.bindings.get(id) else {
            return Some((None, MoveCause::First));
        };
        let former = &binding.holder;
        if former == holder {
            return None;
        }
        let cause = match (self.suitable.get(former), self.refused.get(former)) {
            (Some(one), _) if !one.traits.is_empty() => MoveCause::Objected(one.traits.clone()),
            (Some(one), _) if !one.broken.is_empty() => MoveCause::LinksDown(one.broken.clone()),
            (Some(_), _) => MoveCause::Regrouped,
            (None, Some(refusals)) => MoveCause::Refused(refusals.clone()),
            (None, None) => MoveCause::NodeGone,
        };
        Some((Some(former.clone()), cause))
    }
}
