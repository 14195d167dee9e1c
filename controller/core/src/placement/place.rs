//! The whole cluster in, every service's outcome out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::candidates::{Candidates, Judged};
use super::choose::choose;
use super::demand::{Announceable, Policy, Unwanted, demand};
use super::eligible::{Node, NodeTrait, Refusal};
use super::group::{Demands, Group};
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
#[expect(clippy::large_enum_variant, reason = "nearly every service is placed")]
pub enum Outcome {
    /// Nothing is to be announced.
    Unwanted(Unwanted),
    /// A node holds.
    Placed(Placed),
    /// Something is to be announced, and no node can; why each cannot.
    NoNode(BTreeMap<NodeName, Vec<(PolicyName, Refusal)>>),
}

/// What has to be decided anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Policies, nodes or heartbeats changed.
    Everything,
    /// Only these services or their bindings changed.
    Services(BTreeSet<ServiceId>),
}

/// Every service's outcome, kept true by [`Placements::decide`].
#[derive(Clone, Debug, Default)]
pub struct Placements {
    demands: Demands,
    outcomes: BTreeMap<ServiceId, Outcome>,
    /// Services by holder.
    load: BTreeMap<NodeName, usize>,
}

impl Placements {
    /// What becomes of a service.
    #[must_use]
    pub fn get(&self, id: &ServiceId) -> Option<&Outcome> {
        self.outcomes.get(id)
    }

    /// All outcomes.
    pub fn iter(&self) -> impl Iterator<Item = (&ServiceId, &Outcome)> {
        self.outcomes.iter()
    }

    /// Decides anew what `scope` says, and returns the services whose outcome is another than before.
    ///
    /// Services outside the scope are looked at only where they share an address with one inside.
    pub fn decide(&mut self, cluster: &Cluster, scope: Scope, now: Instant) -> BTreeSet<ServiceId> {
        let asked = match scope {
            Scope::Everything => cluster
                .services
                .keys()
                .chain(self.outcomes.keys())
                .cloned()
                .collect(),
            Scope::Services(services) => services,
        };
        let mut before = BTreeMap::new();
        let mut touched = asked.clone();
        for id in asked {
            let (wanted, unwanted) = match cluster
                .services
                .get(&id)
                .map(|one| demand(one, &cluster.policies))
            {
                Some(Ok(wanted)) => (wanted, None),
                Some(Err(unwanted)) => (vec![], Some(unwanted)),
                None => (vec![], None),
            };
            touched.extend(self.demands.set(&id, wanted));
            let previous = self.forget(&id);
            if let Some(unwanted) = unwanted {
                self.outcomes.insert(id.clone(), Outcome::Unwanted(unwanted));
            }
            before.insert(id, previous);
        }
        let groups = self.demands.groups(touched);
        for id in groups.iter().flat_map(|group| &group.services) {
            if !before.contains_key(id) {
                let previous = self.forget(id);
                before.insert(id.clone(), previous);
            }
        }
        self.settle(cluster, groups, now);
        before
            .into_iter()
            .filter(|(id, previous)| self.outcomes.get(id) != previous.as_ref())
            .map(|(id, _)| id)
            .collect()
    }

    fn forget(&mut self, id: &ServiceId) -> Option<Outcome> {
        let outcome = self.outcomes.remove(id)?;
        if let Outcome::Placed(placed) = &outcome
            && let Some(load) = self.load.get_mut(&placed.holder)
        {
            *load = load.saturating_sub(1);
        }
        Some(outcome)
    }

    /// Who stays is settled first, so that newcomers see the load that is really there.
    fn settle(&mut self, cluster: &Cluster, groups: Vec<Group>, now: Instant) {
        let mut candidates = Candidates::new(cluster, now);
        let mut homeless = Vec::new();
        for group in groups {
            let judged = candidates.of(group.services.iter().flat_map(|id| self.demands.of(id)));
            let holder = group
                .services
                .iter()
                .find_map(|id| cluster.bindings.get(id))
                .map(|one| &one.holder);
            match choose(&group.primary, &judged.suitable, holder, &self.load) {
                Some(chosen) if Some(chosen) == holder => self.bind(cluster, &group, chosen, &judged),
                _ => homeless.push((group, judged)),
            }
        }
        for (group, judged) in homeless {
            if let Some(chosen) = choose(&group.primary, &judged.suitable, None, &self.load) {
                self.bind(cluster, &group, chosen, &judged);
            } else {
                let outcome = Outcome::NoNode(judged.refused.clone());
                self.outcomes
                    .extend(group.services.into_iter().map(|id| (id, outcome.clone())));
            }
        }
    }

    fn bind(&mut self, cluster: &Cluster, group: &Group, holder: &NodeName, judged: &Judged) {
        let allowing = judged.suitable.get(holder).map(|one| &one.policies);
        let allowed = |one: &&Announcement| allowing.is_some_and(|policies| policies.contains(&one.policy));
        for id in &group.services {
            let order = WorkOrder {
                service: id.clone(),
                primary: group.primary.clone(),
                announcements: self.demands.of(id).iter().filter(allowed).cloned().collect(),
                standbys: vec![],
                former: None,
                deposed: None,
            };
            let moved = moved(cluster.bindings.get(id), holder, judged);
            let placed = Placed {
                holder: holder.clone(),
                order,
                moved,
            };
            self.outcomes.insert(id.clone(), Outcome::Placed(placed));
            *self.load.entry(holder.clone()).or_default() += 1;
        }
    }
}

/// Decides for every service of a cluster from nothing but the cluster.
#[must_use]
pub fn place(cluster: &Cluster, now: Instant) -> BTreeMap<ServiceId, Outcome> {
    let mut placements = Placements::default();
    placements.decide(cluster, Scope::Everything, now);
    placements.outcomes
}

fn moved(
    binding: Option<&Binding>,
    holder: &NodeName,
    judged: &Judged,
) -> Option<(Option<NodeName>, MoveCause)> {
    let Some(binding) = binding else {
        return Some((None, MoveCause::First));
    };
    let former = &binding.holder;
    if former == holder {
        return None;
    }
    let cause = match (judged.suitable.get(former), judged.refused.get(former)) {
        (Some(one), _) if !one.traits.is_empty() => MoveCause::Objected(one.traits.clone()),
        (Some(one), _) if !one.broken.is_empty() => MoveCause::LinksDown(one.broken.clone()),
        (Some(_), _) => MoveCause::Regrouped,
        (None, Some(refusals)) => MoveCause::Refused(refusals.clone()),
        (None, None) => MoveCause::NodeGone,
    };
    Some((Some(former.clone()), cause))
}
