//! The state machine: which service holds which address, kept true event by event.
//!
//! An event changes what is known, settles whom it concerns (`settle`), and then serves those who wait for what it
//! set free (`serve`). What an address costs does not depend on how many pools, services or waiters there are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::adopt::{Claims, is_left_to_others};
use super::conflict::Conflict;
use super::holders::Holders;
use super::pool::{Counts, Pool, PoolReport, PoolSpec};
use super::pools::{Pools, ranges};
use super::services::{Digest, Id, Services};
use super::sharing::SharingKey;
use super::verdict::{Kind, NAMED, Released, Verdict};
use super::waiting::{Waiter, Waiting};
use crate::names::{PoolName, ServiceId};
use crate::service::Service;
use crate::time::Instant;

/// An address a service has, with the pool it counts against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The address.
    pub address: IpAddr,
    /// The pool that covers it; `None` for a moment when the pool vanished.
    pub pool: Option<PoolName>,
}

/// What a service has and why: everything its status and events need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// Its addresses, those it had in their old order, new ones behind, IPv4 first.
    pub given: Vec<Given>,
    /// What it lost since its status last showed it.
    pub released: Vec<Released>,
    /// Whether it has what it asked for; `None` when it is not ours to say.
    pub verdict: Option<Verdict>,
}

#[derive(Clone, Debug)]
pub(super) struct Tracked {
    pub(super) id: Id,
    pub(super) service: Arc<Service>,
    pub(super) held: Vec<IpAddr>,
    pub(super) released: Vec<Released>,
    pub(super) verdict: Option<Verdict>,
    /// Whether it is among those whose allocation changed.
    pub(super) is_changed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) enum Phase {
    #[default]
    Collecting,
    Serving,
    /// The pools cannot be believed, for this reason.
    Frozen(String),
}

/// Addresses no pool covers any more, and until when they are kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Graces {
    until: BTreeMap<IpAddr, Instant>,
    queue: BTreeSet<(Instant, IpAddr)>,
}

impl Graces {
    pub(super) fn start(&mut self, address: IpAddr, until: Instant) -> Instant {
        let until = *self.until.entry(address).or_insert(until);
        self.queue.insert((until, address));
        until
    }

    pub(super) fn end(&mut self, address: IpAddr) {
        if let Some(until) = self.until.remove(&address) {
            self.queue.remove(&(until, address));
        }
    }
}

/// Address management of a cluster.
///
/// Until [`Ipam::start`] it only collects, so that nothing is allocated before every address already in use is known. From
/// [`Ipam::freeze`] until it is started again it does the same.
#[derive(Clone, Debug, Default)]
pub struct Ipam {
    pub(super) phase: Phase,
    pub(super) pools: Pools,
    pub(super) services: Services,
    pub(super) holders: Holders,
    pub(super) waiting: Waiting,
    pub(super) graces: Graces,
    /// Addresses that were set free, or whose services changed so that others might join.
    pub(super) loosened: BTreeSet<IpAddr>,
    /// Keys of which the same is true.
    pub(super) loosened_keys: BTreeSet<SharingKey>,
    /// Services that lost an address to somebody else.
    pub(super) resettle: BTreeSet<Waiter>,
    /// Services that show an address which somebody else put there and which was set free just now.
    pub(super) returning: BTreeSet<Waiter>,
    pub(super) changed: Vec<Id>,
}

impl Ipam {
    /// Every pool and service that exists has been applied: addresses in use are adopted, ours before those that
    /// somebody else gave, those first who have been satisfied longest; then everybody is served, the oldest first.
    pub fn start(&mut self, now: Instant) {
        self.phase = Phase::Serving;
        let had = self.lay_down();
        let mut claims: Vec<_> = self
            .services
            .iter()
            .map(|tracked| {
                let service = &tracked.service;
                let since = service.satisfied_since;
                let theirs = is_left_to_others(service);
                let claim = (theirs, since.is_none(), since, service.created);
                (claim, tracked.id.clone())
            })
            .collect();
        claims.sort();
        for pass in [Claims::Kept, Claims::All] {
            for (_, id) in &claims {
                self.adopt(id, pass, had.get(id).map_or(&[], Vec::as_slice));
            }
        }
        let claimants: Vec<_> = claims.into_iter().map(|(_, id)| id).collect();
        self.settle_contested(&claimants, now);
        let everybody = self.services.iter().map(Tracked::waiter).collect();
        self.settle_all(everybody, now);
        self.serve(now);
        // Who was given what it waited for may have let go of what it kept until then.
        let regained = self.settle_contested(&claimants, now);
        self.settle_all(regained, now);
        self.serve(now);
    }

    /// A pool was created or edited.
    pub fn apply_pool(&mut self, spec: PoolSpec, now: Instant) {
        let name = spec.name.clone();
        let known = self.pools.get(&name).map(|pool| pool.spec.clone());
        if known.as_ref() == Some(&spec) {
            return;
        }
        let held: BTreeSet<IpAddr> = ranges(&spec)
            .flat_map(|range| self.holders.within(range).map(|(address, _)| address))
            .collect();
        let conflicts_before = self.pools_named_first();
        let mut touched = self.pools.put(spec, held);
        touched.insert(name);
        self.pools_changed(&touched, known.as_ref(), &conflicts_before, now);
    }

    /// A pool was deleted.
    pub fn delete_pool(&mut self, name: &PoolName, now: Instant) {
        let Some(known) = self.pools.get(name).map(|pool| pool.spec.clone()) else {
            return;
        };
        let first = self.pools_named_first();
        let touched = self.pools.remove(name);
        self.pools_changed(&touched, Some(&known), &first, now);
    }

    /// A service was created or changed, or its status was seen.
    pub fn apply_service(&mut self, service: Service, now: Instant) {
        let digest = Digest::of(&service.id);
        let known = self.services.find(digest, &service.id).cloned();
        match known.and_then(|id| self.services.get_mut(&id)) {
            Some(tracked) if *tracked.service == service => {}
            Some(tracked) => {
                let waiter = tracked.waiter();
                self.waiting
                    .remove(&waiter, &tracked.service, tracked.verdict.as_ref());
                let before = std::mem::replace(&mut tracked.service, Arc::new(service));
                let shown = tracked.service.ingress.clone();
                tracked.released.retain(|lost| shown.contains(&lost.address));
                tracked.order();
                let waiter = tracked.waiter();
                self.waiting
                    .insert(&waiter, &tracked.service, tracked.verdict.as_ref());
                // Somebody else's service may show one of these too, and now be the only one to.
                let gone = before.ingress.iter().filter(|address| !shown.contains(address));
                self.loosened.extend(gone);
                self.rekey(&waiter.1, &before);
                self.settle_event(&waiter.1, now);
            }
            None => {
                let id = self
                    .services
                    .add(digest, service.id.clone(), |id| Tracked::new(id, service));
                self.settle_event(&id, now);
            }
        }
    }

    /// A service was deleted.
    pub fn delete_service(&mut self, id: &ServiceId, now: Instant) {
        let known = self.services.find(Digest::of(id), id);
        let Some(tracked) = known.and_then(|id| self.services.get(id)) else {
            return;
        };
        let (id, held) = (tracked.id.clone(), tracked.held.clone());
        self.waiting
            .remove(&tracked.waiter(), &tracked.service, tracked.verdict.as_ref());
        for address in held {
            self.unhold(&id, address);
        }
        self.services.remove(&id);
        self.serve(now);
    }

    /// Ends the grace of vanished pools that is over by now.
    pub fn advance(&mut self, now: Instant) {
        if self.is_collecting() {
            return;
        }
        let over = self.graces.queue.iter().take_while(|(until, _)| *until <= now);
        let ids = over.flat_map(|(_, address)| self.holders.of(*address));
        let concerned = ids.filter_map(|id| self.waiter(id)).collect();
        self.settle_all(concerned, now);
        self.serve(now);
    }

    /// When [`Self::advance`] has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let first = self.graces.queue.first().filter(|_| !self.is_collecting());
        first.map(|(until, _)| *until)
    }

    /// Services whose allocation changed since the last call, in the order it did.
    pub fn take_changed(&mut self) -> Vec<Id> {
        let mut changed = std::mem::take(&mut self.changed);
        // A deleted service has no allocation any more.
        changed.retain(|id| {
            let tracked = self.services.get_mut(id);
            tracked.is_some_and(|tracked| std::mem::take(&mut tracked.is_changed))
        });
        changed
    }

    /// Pools whose report changed since the last call.
    pub fn take_changed_pools(&mut self) -> BTreeSet<PoolName> {
        self.pools.take_changed()
    }

    /// What a service has and why.
    #[must_use]
    pub fn allocation(&self, id: &ServiceId) -> Option<Allocation> {
        let tracked = self.services.get(self.services.find(Digest::of(id), id)?)?;
        let given = tracked.held.iter().map(|address| Given {
            address: *address,
            pool: self.pool_of(*address, &tracked.service).cloned(),
        });
        Some(Allocation {
            given: given.collect(),
            released: tracked.released.clone(),
            verdict: self.verdict(tracked),
        })
    }

    /// The services that have an address, or are about to.
    pub fn holders(&self, address: IpAddr) -> impl Iterator<Item = &ServiceId> {
        self.holders.of(address).iter().map(Id::name)
    }

    /// What is to be told about a pool, with at most so many of its allocations.
    #[must_use]
    pub fn report(&self, name: &PoolName, longest: usize) -> Option<PoolReport> {
        let pool = self.pools.get(name)?;
        let extent = pool.extent();
        let mut held = extent.flat_map(|range| self.holders.within(range).collect::<Vec<_>>());
        let allocations = held.by_ref().take(longest).map(|(address, services)| {
            let services = services.iter().map(|id| id.name().clone()).collect();
            (address, services)
        });
        let allocations: Vec<_> = allocations.collect();
        Some(PoolReport {
            counts: pool.counts(),
            conflict: pool.conflict.clone(),
            problems: pool.spec.problems.clone(),
            allocations,
            omitted: held.count(),
        })
    }

    /// Counts of all pools, and whether they conflict.
    pub fn counts(&self) -> impl Iterator<Item = (&PoolName, Counts, Option<&Conflict>)> {
        let pools = self.pools.iter();
        pools.map(|pool| (&pool.spec.name, pool.counts(), pool.conflict.as_ref()))
    }

    /// How many services wait, by the first thing they lack.
    #[must_use]
    pub fn pending(&self) -> BTreeMap<Kind, usize> {
        match self.phase {
            Phase::Frozen(_) => self.pending_frozen(),
            Phase::Collecting | Phase::Serving => self.waiting.counts().clone(),
        }
    }

    pub(super) fn waiter(&self, id: &Id) -> Option<Waiter> {
        self.services.get(id).map(Tracked::waiter)
    }

    /// Whether changes are only taken in, and nothing is decided.
    pub(super) fn is_collecting(&self) -> bool {
        self.phase != Phase::Serving
    }

    /// The pools that are named to services that no pool serves.
    fn pools_named_first(&self) -> Vec<(PoolSpec, Option<Conflict>)> {
        if self.waiting.for_any_pool().next().is_none() {
            return vec![];
        }
        let first = self.pools.iter().take(NAMED + 1);
        first
            .map(|pool| (pool.spec.clone(), pool.conflict.clone()))
            .collect()
    }

    /// The pool an address of a service counts against: the first that serves the service, or else that covers it.
    fn pool_of(&self, address: IpAddr, service: &Service) -> Option<&PoolName> {
        let mut covering = self.pools.covering(address).map(|(_, pool)| pool);
        let first = covering.next()?;
        let serves = |pool: &&Pool| pool.conflict.is_none() && pool.spec.missed_by(service).is_none();
        let best = std::iter::once(first).chain(covering).find(serves);
        Some(&best.unwrap_or(first).spec.name)
    }

    fn settle_event(&mut self, id: &Id, now: Instant) {
        if self.is_collecting() {
            return;
        }
        self.adopt(id, Claims::All, &[]);
        self.settle(id, now);
        self.serve(now);
    }

    /// Whom a change of pools concerns: who has an address there, who shows one, and who waits for one.
    fn pools_changed(
        &mut self,
        touched: &BTreeSet<PoolName>,
        before: Option<&PoolSpec>,
        first_before: &[(PoolSpec, Option<Conflict>)],
        now: Instant,
    ) {
        self.pools.note_changed(touched);
        if self.is_collecting() {
            return;
        }
        let specs: Vec<PoolSpec> = touched
            .iter()
            .filter_map(|name| self.pools.get(name))
            .map(|pool| &pool.spec)
            .chain(before)
            .cloned()
            .collect();
        let ranges: BTreeSet<_> = specs.iter().flat_map(ranges).collect();
        self.settle_shown(&ranges, now);
        let mut holders = BTreeSet::new();
        for range in &ranges {
            let services = self.holders.within(*range).flat_map(|(_, services)| services);
            holders.extend(services.filter_map(|id| self.waiter(id)));
        }
        self.settle_all(holders, now);
        let waiters = specs.iter().flat_map(|spec| self.waiters_of(spec)).collect();
        self.settle_all(waiters, now);
        if self.pools_named_first() != first_before {
            let told = self.waiting.for_any_pool().cloned().collect();
            self.settle_all(told, now);
        }
        self.serve(now);
    }
}

impl Tracked {
    /// A service of which nothing was decided yet.
    fn new(id: Id, service: Service) -> Self {
        Self {
            id,
            service: Arc::new(service),
            held: Vec::new(),
            released: Vec::new(),
            verdict: None,
            is_changed: false,
        }
    }

    pub(super) fn waiter(&self) -> Waiter {
        (self.service.created, self.id.clone())
    }
}
