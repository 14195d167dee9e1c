//! The whole cluster in, every service's outcome out.

use std::collections::{BTreeMap, BTreeSet};

use super::candidates::Candidates;
use super::demand::{Announceable, Policy, demand};
use super::eligible::Node;
use super::group::{Demands, Group};
use super::moves::Moves;
use super::outcome::{MoveCause, Outcome};
use super::rebalance;
use super::seat::{Choice, Seat};
use super::steady::Steadiness;
use crate::binding::Binding;
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
    /// Which agents fell lately.
    pub steadiness: Steadiness,
    /// Service leases as they are.
    pub bindings: BTreeMap<ServiceId, Binding>,
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
    moves: Moves,
    rebalancing: Rebalancing,
    /// When it is looked whether load is to be evened out.
    evening: Option<Instant>,
}

/// Whether addresses leave good holders that have more than their share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rebalancing {
    /// They do, few at a time.
    Gentle,
    /// They do not.
    #[default]
    Off,
}

#[cfg(test)]
impl FromIterator<(ServiceId, Outcome)> for Placements {
    fn from_iter<T: IntoIterator<Item = (ServiceId, Outcome)>>(outcomes: T) -> Self {
        Self {
            outcomes: outcomes.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl Placements {
    /// Placements of nothing yet.
    #[must_use]
    pub fn new(rebalancing: Rebalancing) -> Self {
        Self {
            rebalancing,
            ..Self::default()
        }
    }

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
        let is_everything = scope == Scope::Everything;
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
                None => {
                    self.moves.forget(&id);
                    (vec![], None)
                }
            };
            touched.extend(self.demands.set(&id, wanted));
            let previous = self.forget(&id);
            if let Some(unwanted) = unwanted {
                self.outcomes.insert(id.clone(), Outcome::Unwanted(unwanted));
            }
            before.insert(id, previous);
        }
        let groups = self.demands.groups(touched, &cluster.bindings);
        for id in groups.iter().flat_map(|group| &group.services) {
            if !before.contains_key(id) {
                let previous = self.forget(id);
                before.insert(id.clone(), previous);
            }
        }
        self.settle(cluster, groups, now);
        let changed: BTreeSet<_> = before
            .into_iter()
            .filter(|(id, previous)| self.outcomes.get(id) != previous.as_ref())
            .map(|(id, _)| id)
            .collect();
        let may_be_uneven = is_everything || !changed.is_empty();
        if may_be_uneven && self.rebalancing == Rebalancing::Gentle {
            self.evening.get_or_insert(now + rebalance::PACE);
        }
        changed
    }

    /// When [`Self::take_due`] has something next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        [self.moves.next_deadline(), self.evening]
            .into_iter()
            .flatten()
            .min()
    }

    /// The services to be decided anew because of the time: moves that had to wait for their turn, and moves
    /// that even out load.
    pub fn take_due(&mut self, cluster: &Cluster, now: Instant) -> BTreeSet<ServiceId> {
        let mut due = self.moves.take_due(now);
        if self.evening.is_some_and(|at| at <= now) {
            due.extend(self.even_out(cluster, now));
        }
        due
    }

    /// Chooses what leaves its holder to even out load.
    fn even_out(&mut self, cluster: &Cluster, now: Instant) -> BTreeSet<ServiceId> {
        let mut candidates = Candidates::new(cluster, now);
        let mut evening = rebalance::Evening::new(self.load.clone());
        let all = self
            .demands
            .groups(self.outcomes.keys().cloned(), &cluster.bindings);
        for group in all {
            let seat = Seat::of(cluster, group, &mut candidates, &self.demands);
            let primary = &seat.group.primary;
            let is_settled = |holder: &NodeName| match self.outcomes.get(primary) {
                Some(Outcome::Placed(placed)) => placed.holder == *holder,
                _ => false,
            };
            if let Some(holder) = seat.holder().filter(|holder| is_settled(holder))
                && let Some(to) = evening.weigh(&seat, holder, self.moves.recency(primary, now))
            {
                self.moves.even_out(primary, holder, &to);
            }
        }
        self.evening = evening.goes_on().then(|| now + rebalance::PACE);
        evening.into_moving()
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
            for id in group.services.iter().filter(|id| **id != group.primary) {
                self.moves.forget(id);
            }
            let seat = Seat::of(cluster, group, &mut candidates, &self.demands);
            self.moves.saw(&seat.group.primary, seat.holder(), now);
            let best = seat.judged.ranking().best(seat.holder());
            let evens_out = self.moves.evens_out(&seat.group.primary);
            let elsewhere = evens_out.filter(|to| best.contains(to)).cloned();
            match (seat.holder().filter(|name| best.contains(name)), elsewhere) {
                (Some(_), Some(to)) => self.seat(cluster, &seat, &to, Some(MoveCause::Rebalanced), now),
                (Some(holder), None) => {
                    self.moves.stays(&seat.group.primary);
                    self.seat(cluster, &seat, holder, None, now);
                }
                (None, _) => homeless.push(seat),
            }
        }
        for seat in homeless {
            self.house(cluster, &seat, now);
        }
    }

    /// Finds a holder for a group that has none, or one that should not stay.
    fn house(&mut self, cluster: &Cluster, seat: &Seat<'_>, now: Instant) {
        let primary = &seat.group.primary;
        let best = seat.judged.ranking().best(seat.holder());
        let under_way = self.moves.target(primary).filter(|to| best.contains(to)).cloned();
        let forced = seat.binding.filter(|_| !seat.holder_answers());
        let unbound = self.moves.last_holder(primary).filter(|_| seat.binding.is_none());
        let chosen = under_way
            .or_else(|| unbound.filter(|name| best.contains(name)).cloned())
            .or_else(|| forced.and_then(|binding| best.standby(binding)).cloned())
            .or_else(|| best.least_loaded(primary, &self.load).cloned());
        let Some(chosen) = chosen else {
            let outcome = Outcome::NoNode(seat.judged.refused.clone());
            let services = seat.group.services.iter();
            return self
                .outcomes
                .extend(services.map(|id| (id.clone(), outcome.clone())));
        };
        match seat.holder().filter(|_| seat.holder_answers()) {
            Some(holder) if !self.moves.may_move(primary, holder, &chosen, now) => {
                self.seat(cluster, seat, holder, None, now);
            }
            _ => self.seat(cluster, seat, &chosen, None, now),
        }
    }

    fn seat(
        &mut self,
        cluster: &Cluster,
        seat: &Seat<'_>,
        holder: &NodeName,
        cause: Option<MoveCause>,
        now: Instant,
    ) {
        let recency = self.moves.recency(&seat.group.primary, now);
        let choice = Choice {
            holder,
            cause,
            recency,
        };
        for (id, placed) in seat.filled(cluster, &self.demands, &choice) {
            self.outcomes.insert(id, Outcome::Placed(placed));
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
