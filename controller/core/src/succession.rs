//! How one lease takes another's place as the authority on a group, and that the order of an address never goes back.
//!
//! Claims in flight are compare-and-swaps on the old primary's lease. It is written first, which makes them fail; only
//! then does another lease become the authority, with the same holder; only then is the old one deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use leader::leader;

use crate::binding::Binding;
use crate::names::{NodeName, ServiceId};
use crate::placement::{Outcome, Placed, Placements};

#[cfg(test)]
pub(crate) mod broken;
pub(crate) mod leader;

type Bindings = BTreeMap<ServiceId, Binding>;

/// What the bindings of the past decide about those to come.
#[derive(Clone, Debug, Default)]
pub struct Succession {
    /// The highest epoch in which each address was ever bound, as far as this leader has seen. Grows by the addresses that
    /// are ever given.
    epochs: BTreeMap<IpAddr, i32>,
    /// Services by the primary that their leases name.
    named_by: BTreeMap<ServiceId, BTreeSet<ServiceId>>,
    /// The primary that each service's lease names.
    names: BTreeMap<ServiceId, ServiceId>,
    #[cfg(test)]
    broken: Option<broken::Rule>,
}

/// What has to happen before a lease is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum First {
    /// This lease has to say that nobody stands by: claims of it that are under way fail, and no others are made.
    Part(ServiceId),
    /// This lease has to say what is decided.
    Write(ServiceId),
}

impl Succession {
    /// The binding of a service is what `bindings` say now.
    pub fn bound(&mut self, id: &ServiceId, bindings: &Bindings) {
        if let Some(before) = self.names.remove(id)
            && let Some(namers) = self.named_by.get_mut(&before)
        {
            namers.remove(id);
            if namers.is_empty() {
                self.named_by.remove(&before);
            }
        }
        let Some(binding) = bindings.get(id) else {
            return;
        };
        let primary = &binding.order.primary;
        self.names.insert(id.clone(), primary.clone());
        self.named_by
            .entry(primary.clone())
            .or_default()
            .insert(id.clone());
        let authority = bindings.get(primary).unwrap_or(binding);
        self.raise(binding, authority.transitions);
        if primary == id {
            let copies = self.named_by.get(id).into_iter().flatten();
            let copies: Vec<_> = copies.filter_map(|copy| bindings.get(copy)).collect();
            for copy in copies {
                self.raise(copy, binding.transitions);
            }
        }
    }

    fn raise(&mut self, binding: &Binding, epoch: i32) {
        for address in binding.order.addresses() {
            let known = self.epochs.entry(address).or_insert(epoch);
            *known = epoch.max(*known);
        }
    }

    /// The least epoch with which a service may be bound as decided: not below any in which one of its addresses was
    /// bound, and above where the node may be another.
    #[must_use]
    pub fn epoch(&self, outcome: Option<&Outcome>, bound: Option<&Binding>) -> i32 {
        let Some(Outcome::Placed(placed)) = outcome else {
            return 0;
        };
        if placed.order.primary != placed.order.service {
            return 0;
        }
        #[cfg(test)]
        if self.broken == Some(broken::Rule::Epochs) {
            return 0;
        }
        let own = bound.map(|one| one.order.addresses()).unwrap_or_default();
        let same_node = bound.is_some_and(|one| one.holder == placed.holder);
        let least = |address: &IpAddr| {
            let known = self.epochs.get(address)?;
            let stays = same_node && own.contains(address);
            Some(if stays { *known } else { known.saturating_add(1) })
        };
        placed
            .order
            .addresses()
            .iter()
            .filter_map(least)
            .max()
            .unwrap_or(0)
    }

    /// What has to be written before the lease of a service, if anything.
    pub fn first(
        &self,
        id: &ServiceId,
        outcome: Option<&Outcome>,
        bindings: &Bindings,
        placements: &Placements,
    ) -> Option<First> {
        let Some(Outcome::Placed(placed)) = outcome else {
            // A lease that others still name as their authority is not deleted under them.
            let is_retired = self.names.get(id).is_some_and(|primary| primary != id);
            return self.heirs(id, placements).find(|_| is_retired).map(First::Write);
        };
        match self.names.get(id) {
            // Its own write is what retires it.
            Some(before) if before == id => None,
            Some(_) => left(id, placed, bindings)
                .filter(|left| is_claimable(left, bindings) && self.parts())
                .map(|left| First::Part(left.clone()))
                .or_else(|| copy_waits(id, placed, bindings, placements)),
            None => copy_waits(id, placed, bindings, placements),
        }
    }

    /// Whether a write that is under way, by which the lease of `written` binds an address of a service and names a primary, has to
    /// be answered before that service's lease is written: whoever is unbound has to know who counts on it, whoever leaves a
    /// primary what that one binds, and whoever is to lead in which epoch another does.
    #[must_use]
    pub fn awaits(
        &self,
        id: &ServiceId,
        outcome: Option<&Outcome>,
        written: &ServiceId,
        named: &ServiceId,
        bindings: &Bindings,
    ) -> bool {
        #[cfg(test)]
        if self.broken == Some(broken::Rule::Answers) {
            return false;
        }
        let Some(Outcome::Placed(placed)) = outcome else {
            return named == id;
        };
        let primary = &placed.order.primary;
        if primary == id && named != id {
            return true;
        }
        let left = self.names.get(id).filter(|one| *one != primary);
        left.is_some_and(|left| left == written || leader(left, bindings) == Some(written))
    }

    /// The service that takes the place of one that is to be unbound as the authority on their group.
    #[must_use]
    pub fn successor(
        &self,
        id: &ServiceId,
        outcome: Option<&Outcome>,
        placements: &Placements,
    ) -> Option<ServiceId> {
        #[cfg(test)]
        if self.broken == Some(broken::Rule::Retirement) {
            return None;
        }
        let leads = self.names.get(id) == Some(id) && !matches!(outcome, Some(Outcome::Placed(_)));
        let heir = self.heirs(id, placements).find(|_| leads)?;
        match placements.get(&heir) {
            Some(Outcome::Placed(placed)) => Some(placed.order.primary.clone()),
            _ => None,
        }
    }

    /// The services whose leases name a service as their primary.
    #[must_use]
    pub fn copies(&self, id: &ServiceId) -> Vec<ServiceId> {
        let namers = self.named_by.get(id).into_iter().flatten();
        namers.filter(|other| *other != id).cloned().collect()
    }

    /// What the lease of a primary has to say until a part of its group has left: that nobody stands by.
    #[must_use]
    pub fn parted(
        &self,
        id: &ServiceId,
        outcome: Option<&Outcome>,
        bindings: &Bindings,
        placements: &Placements,
    ) -> Option<Outcome> {
        let Some(Outcome::Placed(placed)) = outcome else {
            return None;
        };
        let leaves = |other: ServiceId| match placements.get(&other) {
            Some(Outcome::Placed(placed)) => left(&other, placed, bindings) == Some(id),
            _ => false,
        };
        let is_left = self.names.get(id) == Some(id) && self.heirs(id, placements).any(leaves);
        (is_left && self.parts()).then(|| {
            let mut placed = placed.clone();
            placed.order.standbys.clear();
            Outcome::Placed(placed)
        })
    }

    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "tests switch the rule off"))]
    fn parts(&self) -> bool {
        #[cfg(test)]
        if self.broken == Some(broken::Rule::Parting) {
            return false;
        }
        true
    }

    /// The other services that are to be bound and name a primary, or still one that it succeeded.
    fn heirs<'a>(
        &'a self,
        id: &'a ServiceId,
        placements: &'a Placements,
    ) -> impl Iterator<Item = ServiceId> + 'a {
        let mut others = BTreeSet::new();
        let mut reached = vec![id];
        while let Some(named) = reached.pop() {
            let namers = self.named_by.get(named).into_iter().flatten();
            reached.extend(namers.filter(|other| *other != id && others.insert(*other)));
        }
        let placed = |other: &&ServiceId| matches!(placements.get(other), Some(Outcome::Placed(_)));
        others.into_iter().filter(placed).cloned()
    }
}

/// The authority that a service leaves by being bound as decided.
fn left<'a>(id: &'a ServiceId, placed: &Placed, bindings: &'a Bindings) -> Option<&'a ServiceId> {
    leader(id, bindings).filter(|left| *left != id && **left != placed.order.primary)
}

/// Whether a lease is claimed from its holder when that falls silent.
fn is_claimable(id: &ServiceId, bindings: &Bindings) -> bool {
    let leads = |one: &&Binding| one.order.primary == *id;
    let binding = bindings.get(id).filter(leads);
    binding.is_some_and(|one| !one.order.standbys.is_empty())
}

/// Whether a binding by a holder under a primary keeps a service from being bound as decided: two must never answer for an
/// address. Leases of one group move together, the primary first; they must not wait for each other.
#[must_use]
pub fn are_rivals(holder: &NodeName, primary: &ServiceId, placed: &Placed) -> bool {
    *holder != placed.holder && *primary != placed.order.primary
}

/// Whether another service's lease keeps a service from being bound as decided: its authority does, for a copy may lag behind.
#[must_use]
pub fn keeps_from(other: &ServiceId, bindings: &Bindings, placed: &Placed) -> bool {
    let authority = leader(other, bindings).and_then(|one| bindings.get(one));
    let own = bindings.get(other);
    own.is_some_and(|own| are_rivals(&authority.unwrap_or(own).holder, &own.order.primary, placed))
}

/// A copy is written when its primary says the same.
fn copy_waits(
    id: &ServiceId,
    placed: &Placed,
    bindings: &Bindings,
    placements: &Placements,
) -> Option<First> {
    let primary = &placed.order.primary;
    let says_so = bindings
        .get(primary)
        .is_some_and(|one| one.order.primary == *primary && one.holder == placed.holder);
    let will_say_so = matches!(placements.get(primary), Some(Outcome::Placed(_)));
    (primary != id && !says_so && will_say_so).then(|| First::Write(primary.clone()))
}

#[cfg(test)]
mod tests;
