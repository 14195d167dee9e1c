//! A group with everything its holder depends on, and the outcome once a holder is chosen.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::candidates::{Candidates, Judged};
use super::demand::Endpoints;
use super::eligible::{NodeTrait, Refusal};
use super::group::{Demands, Group, authority};
use super::outcome::{Caveat, MoveCause, Placed};
use super::place::Cluster;
use super::standby::{Standing, standbys};
use crate::binding::{Announcement, Binding, WorkOrder};
use crate::names::{NodeName, ServiceId};

/// A group, who holds it, and which nodes could.
pub(super) struct Seat<'a> {
    pub(super) group: Group,
    /// The binding that says who holds; `None` when nobody ever did.
    pub(super) binding: Option<&'a Binding>,
    pub(super) judged: Rc<Judged>,
    /// Whether endpoints have to be on the holder and none is ready anywhere.
    endless: bool,
}

/// How a holder was chosen.
#[derive(Clone, Debug)]
pub(super) struct Choice<'a> {
    /// The holder.
    pub(super) holder: &'a NodeName,
    /// Why it is another, when the state of the nodes does not tell.
    pub(super) cause: Option<MoveCause>,
    /// Whether the group changed its holder lately.
    pub(super) recency: Recency,
}

/// Whether a group changed its holder lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recency {
    /// Within the time that a new holder has to prove itself.
    Lately,
    /// Long ago or never.
    LongAgo,
}

impl<'a> Seat<'a> {
    /// Judges the nodes for a group.
    pub(super) fn of(
        cluster: &'a Cluster,
        group: Group,
        candidates: &mut Candidates<'_>,
        demands: &Demands,
    ) -> Self {
        let binding = authority(&group.primary, &cluster.bindings);
        let wanted = || group.services.iter().flat_map(|id| demands.of(id));
        let ready = on_nodes(cluster, &group);
        let endless = ready.as_ref().is_some_and(BTreeSet::is_empty);
        // Nothing would be won by leaving a holder when no node is better; who has none waits for an endpoint.
        let endpoints = ready.filter(|_| !endless || binding.is_none());
        let judged = candidates.of(wanted(), endpoints);
        Self {
            group,
            binding,
            judged,
            endless,
        }
    }

    /// The present holder.
    pub(super) fn holder(&self) -> Option<&'a NodeName> {
        self.binding.map(|one| &one.holder)
    }

    /// Whether the present holder could go on, and is alive.
    pub(super) fn holder_answers(&self) -> bool {
        let holder = self.holder().and_then(|name| self.judged.suitable.get(name));
        holder.is_some_and(|one| !one.is(NodeTrait::Silent))
    }

    /// The outcome of every service of the group, once a holder is chosen.
    pub(super) fn filled(
        &self,
        cluster: &Cluster,
        demands: &Demands,
        choice: &Choice<'_>,
    ) -> Vec<(ServiceId, Placed)> {
        let allowing = self.judged.suitable.get(choice.holder).map(|one| &one.policies);
        let allowed = |one: &&Announcement| allowing.is_some_and(|policies| policies.contains(&one.policy));
        let (standbys, caveats) = (self.standbys(choice), self.caveats(choice.holder));
        let place = |id: &ServiceId| {
            let own = cluster.bindings.get(id);
            let (former, deposed) = self.predecessors(own, choice.holder);
            let order = WorkOrder {
                service: id.clone(),
                primary: self.group.primary.clone(),
                announcements: demands.of(id).iter().filter(allowed).cloned().collect(),
                standbys: standbys.clone(),
                former,
                deposed,
            };
            let placed = Placed {
                holder: choice.holder.clone(),
                order,
                moved: self.moved(own, choice),
                caveats: caveats.clone(),
            };
            (id.clone(), placed)
        };
        self.group.services.iter().map(place).collect()
    }

    fn standbys(&self, choice: &Choice<'_>) -> Vec<NodeName> {
        let present = self.binding.map(|one| one.order.standbys.as_slice());
        let hands_over = self
            .holder()
            .filter(|name| *name != choice.holder && self.holder_answers());
        let former = self.binding.and_then(|one| one.order.former.as_ref());
        let handed_over = former.filter(|_| choice.recency == Recency::Lately);
        let standing = Standing {
            primary: &self.group.primary,
            holder: choice.holder,
            present: present.unwrap_or_default(),
            hands_over,
            handed_over,
        };
        standbys(standing, &self.judged)
    }

    fn caveats(&self, holder: &NodeName) -> BTreeSet<Caveat> {
        let traits = self
            .judged
            .suitable
            .get(holder)
            .into_iter()
            .flat_map(|one| &one.traits);
        let grave = traits.filter(|one| matches!(one, NodeTrait::Silent | NodeTrait::Drained));
        let mut caveats: BTreeSet<_> = grave.map(|one| Caveat::OnlyNode(*one)).collect();
        if self.endless {
            caveats.insert(Caveat::NoReadyEndpoint);
        }
        caveats
    }

    fn moved(&self, own: Option<&Binding>, choice: &Choice<'_>) -> Option<(Option<NodeName>, MoveCause)> {
        let Some(own) = own else {
            return Some((None, MoveCause::First));
        };
        let former = &own.holder;
        if former == choice.holder {
            return None;
        }
        let cause = if self.follows(own, choice.holder) {
            MoveCause::Follows(self.group.primary.clone())
        } else {
            choice.cause.clone().unwrap_or_else(|| self.objection(former))
        };
        Some((Some(former.clone()), cause))
    }

    /// Whether a service's own lease is a copy that lags behind its primary's.
    fn follows(&self, own: &Binding, holder: &NodeName) -> bool {
        let is_copy = own.order.service != own.order.primary && own.order.primary == self.group.primary;
        is_copy && self.holder() == Some(holder)
    }

    /// Who held before and goes on until it hears the new holder, and who was found silent.
    fn predecessors(&self, own: Option<&Binding>, holder: &NodeName) -> (Option<NodeName>, Option<NodeName>) {
        let Some(own) = own else {
            return (None, None);
        };
        if own.holder == *holder {
            return (own.order.former.clone(), own.order.deposed.clone());
        }
        if let Some(primary) = self.binding.filter(|_| self.follows(own, holder)) {
            return (primary.order.former.clone(), primary.order.deposed.clone());
        }
        let former = Some(own.holder.clone()).filter(|name| !name.as_str().is_empty());
        (former, None)
    }

    /// What speaks against a node that is to hold no more.
    fn objection(&self, former: &NodeName) -> MoveCause {
        match (self.judged.suitable.get(former), self.judged.refused.get(former)) {
            (Some(one), _) if one.is(NodeTrait::Silent) => MoveCause::Objected(one.traits.clone()),
            (Some(one), _) if one.is(NodeTrait::Drained) => MoveCause::Drained,
            (Some(one), _) if !one.traits.is_empty() => MoveCause::Objected(one.traits.clone()),
            (Some(one), _) if !one.broken.is_empty() => MoveCause::LinksDown(one.broken.clone()),
            (Some(_), _) => MoveCause::Regrouped,
            (None, Some(refusals)) if refusals.iter().any(|(_, why)| *why == Refusal::NoLocalEndpoint) => {
                MoveCause::NoLocalEndpoint
            }
            (None, Some(refusals)) => MoveCause::Refused(refusals.clone()),
            (None, None) => MoveCause::NodeGone,
        }
    }
}

/// The nodes with ready endpoints of the most services of the group; `None` when endpoints may be anywhere.
fn on_nodes(cluster: &Cluster, group: &Group) -> Option<BTreeSet<NodeName>> {
    let services = group.services.iter().filter_map(|id| cluster.services.get(id));
    let local = services.filter_map(|service| match &service.endpoints {
        Endpoints::Anywhere => None,
        Endpoints::On(nodes) => Some(nodes),
    });
    let local: Vec<_> = local.collect();
    if local.is_empty() {
        return None;
    }
    let mut counts: BTreeMap<&NodeName, usize> = BTreeMap::new();
    for node in local.into_iter().flatten() {
        *counts.entry(node).or_default() += 1;
    }
    let most = counts.values().copied().max();
    let with_most = counts.into_iter().filter(|(_, count)| Some(*count) == most);
    Some(with_most.map(|(node, _)| node.clone()).collect())
}
