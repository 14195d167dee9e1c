//! What must hold while nothing is decided: everybody has what it had when that began, and is told so.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::super::*;
use super::cluster::{Before, Cluster};
use super::operator::{Write, is_left_to_others};

/// What those are told who wait.
pub(super) const WHY: &str = "the pools are hidden";

/// Since when nothing is decided.
#[derive(Clone)]
pub(super) struct Frozen {
    /// What was decided when it began, without those that are gone since.
    pub(super) before: Before,
    /// Whether the operator began meanwhile, and never decided anything.
    pub(super) is_anew: bool,
}

impl Frozen {
    /// From now on; the grace of an address that a pool covers begins only afterwards.
    pub(super) fn new<'a>(before: Before, pools: impl Iterator<Item = &'a PoolSpec>) -> Self {
        let pools: Vec<_> = pools.collect();
        let blocks = || pools.iter().flat_map(|pool| &pool.blocks);
        let given = before
            .allocations
            .values()
            .flat_map(|allocation| &allocation.given);
        let uncovered = given
            .map(|given| given.address)
            .filter(|address| !blocks().any(|block| block.range.contains(*address)));
        Self {
            before: Before {
                uncovered: Some(uncovered.collect()),
                ..before
            },
            is_anew: false,
        }
    }

    fn decided(&self, id: &ServiceId) -> Option<&Allocation> {
        let decided = self.before.allocations.get(id);
        decided.filter(|_| !self.is_anew)
    }

    /// Holds after every event; `before` is what was before that event.
    pub(super) fn holds(&self, cluster: &Cluster, before: &Before) -> Result<(), String> {
        let ipam = &cluster.operator.ipam;
        let mut waiting = 0;
        for (id, (_, service)) in &cluster.operator.seen {
            let now = ipam.allocation(id).unwrap();
            let decided = self.decided(id);
            let had = decided.map_or_else(BTreeSet::new, addresses);
            if addresses(&now) != had {
                return Err(format!("{id} had {had:?} and has {now:?}"));
            }
            let lost: Vec<&Released> = before.allocations.get(id).map_or_else(Vec::new, |old| {
                let lost = old.released.iter();
                lost.filter(|lost| service.ingress.contains(&lost.address))
                    .collect()
            });
            if !self.is_anew && now.released.iter().collect::<Vec<_>>() != lost {
                return Err(format!("{id} had lost {lost:?} and now {:?}", now.released));
            }
            let is_waiting = lacks(service, &had);
            waiting += usize::from(is_waiting);
            let verdict = if is_waiting {
                Verdict::Unsatisfied(vec![Reason::Frozen(WHY.to_owned())])
            } else {
                let told = decided.and_then(|decided| decided.verdict.clone());
                told.unwrap_or(Verdict::Deferred)
            };
            if now.verdict.as_ref() != Some(&verdict) {
                return Err(format!("{id} is to be told {verdict:?}: {now:?}"));
            }
        }
        let pending: BTreeMap<_, _> = (waiting > 0)
            .then_some((Kind::Frozen, waiting))
            .into_iter()
            .collect();
        if ipam.pending() != pending {
            return Err(format!("{waiting} wait, not {:?}", ipam.pending()));
        }
        if let Some(deadline) = ipam.next_deadline() {
            return Err(format!("something is to be decided at {deadline:?}"));
        }
        Ok(())
    }

    /// What a write gives or takes away that was not given or taken away before, if it does.
    pub(super) fn decides(&self, write: &Write, service: &Service) -> Option<String> {
        let decided = self.decided(&write.id);
        let had = decided.map_or_else(BTreeSet::new, addresses);
        let lost: BTreeSet<IpAddr> = decided
            .iter()
            .flat_map(|decided| decided.released.iter().map(|lost| lost.address))
            .collect();
        let gives = |one: &&IpAddr| !service.ingress.contains(one) && !had.contains(one);
        let takes = |one: &&IpAddr| !write.ingress.contains(one) && !lost.contains(one);
        let is_kept =
            write.ingress.iter().all(|one| !gives(&one)) && service.ingress.iter().all(|one| !takes(&one));
        (!is_kept).then(|| {
            format!(
                "{:?} of {} is written while nothing is decided",
                write.ingress, write.id
            )
        })
    }
}

fn addresses(allocation: &Allocation) -> BTreeSet<IpAddr> {
    allocation.given.iter().map(|given| given.address).collect()
}

/// Whether a service of ours asks for what it neither had nor shows.
fn lacks(service: &Service, had: &BTreeSet<IpAddr>) -> bool {
    if service.handling != Handling::Ours || is_left_to_others(service) {
        return false;
    }
    let has: BTreeSet<IpAddr> = had.iter().chain(&service.ingress).copied().collect();
    let families: BTreeSet<Family> = has.iter().map(|address| Family::of(*address)).collect();
    let asks_by_name = service.requested.iter().any(|asked| match asked {
        Requested::Address(address) => !has.contains(address),
        Requested::Unreadable(_) => true,
    });
    let asks_by_family =
        service.requested.is_empty() && service.families.iter().any(|family| !families.contains(family));
    asks_by_name || asks_by_family
}
