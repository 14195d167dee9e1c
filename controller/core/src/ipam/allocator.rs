//! The state machine: which service holds which address, kept true event by event.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::conflict::conflicts;
use super::pool::{Admission, Pool, PoolReport, PoolSpec};
use super::range::Family;
use super::verdict::{Cause, Missed, Reason, Released, Verdict};
use crate::names::{PoolName, ServiceId};
use crate::service::{Handling, IngressOwner, Requested, Service};
use crate::time::{Instant, Timestamp};

/// A pool that is deleted and created again at once takes nothing away from anybody.
const VANISHED_POOL_GRACE: Duration = Duration::from_secs(5);

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
struct Tracked {
    service: Service,
    held: Vec<IpAddr>,
    released: Vec<Released>,
    verdict: Option<Verdict>,
}

/// Whether settling a service freed an address that others may wait for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Freed {
    Nothing,
    Something,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Collecting,
    Serving,
}

/// Address management of a cluster.
///
/// Until [`Ipam::start`] it only collects, so that nothing is allocated before every address already in use is known.
#[derive(Clone, Debug, Default)]
pub struct Ipam {
    phase: Phase,
    pools: BTreeMap<PoolName, Pool>,
    services: BTreeMap<ServiceId, Tracked>,
    holders: BTreeMap<IpAddr, ServiceId>,
    uncovered: BTreeMap<IpAddr, Instant>,
    changed: BTreeSet<ServiceId>,
}

impl Ipam {
    /// Every pool and service that exists has been applied: addresses in use are adopted, the older service first,
    /// then everybody is served.
    pub fn start(&mut self, now: Instant) {
        self.phase = Phase::Serving;
        let mut in_order: Vec<(Timestamp, ServiceId)> = self
            .services
            .iter()
            .map(|(id, tracked)| (tracked.service.created, id.clone()))
            .collect();
        in_order.sort();
        for (_, id) in &in_order {
            self.adopt(id);
        }
        self.settle(in_order.into_iter().map(|(_, id)| id), now);
    }

    /// A pool was created or edited.
    pub fn apply_pool(&mut self, spec: PoolSpec, now: Instant) {
        if self.pools.get(&spec.name).is_some_and(|known| known.spec == spec) {
            return;
        }
        let held: Vec<_> = self
            .holders
            .keys()
            .copied()
            .filter(|address| spec.covers(*address))
            .collect();
        self.pools.insert(spec.name.clone(), Pool::new(spec, held));
        self.pools_changed(now);
    }

    /// A pool was deleted.
    pub fn delete_pool(&mut self, name: &PoolName, now: Instant) {
        if self.pools.remove(name).is_some() {
            self.pools_changed(now);
        }
    }

    /// A service was created or changed, or its status was seen.
    pub fn apply_service(&mut self, service: Service, now: Instant) {
        let id = service.id.clone();
        match self.services.get_mut(&id) {
            Some(tracked) if tracked.service == service => return,
            Some(tracked) => {
                tracked
                    .released
                    .retain(|lost| service.ingress.contains(&lost.address));
                tracked.service = service;
            }
            None => {
                let tracked = Tracked {
                    service,
                    held: Vec::new(),
                    released: Vec::new(),
                    verdict: None,
                };
                self.services.insert(id.clone(), tracked);
                if self.phase == Phase::Serving {
                    self.adopt(&id);
                }
            }
        }
        if self.phase == Phase::Serving {
            self.settle([id], now);
        }
    }

    /// A service was deleted.
    pub fn delete_service(&mut self, id: &ServiceId, now: Instant) {
        let Some(tracked) = self.services.remove(id) else {
            return;
        };
        self.changed.remove(id);
        for address in &tracked.held {
            self.free(*address);
        }
        if !tracked.held.is_empty() {
            self.serve_waiting(now);
        }
    }

    /// Ends the grace of vanished pools that is over by now.
    pub fn advance(&mut self, now: Instant) {
        let over: Vec<IpAddr> = self
            .uncovered
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(a, _)| *a)
            .collect();
        let affected: BTreeSet<ServiceId> = over
            .iter()
            .filter_map(|address| self.holders.get(address).cloned())
            .collect();
        self.settle(affected, now);
    }

    /// When [`Self::advance`] has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.uncovered.values().min().copied()
    }

    /// Services whose allocation changed since the last call.
    pub fn take_changed(&mut self) -> BTreeSet<ServiceId> {
        std::mem::take(&mut self.changed)
    }

    /// What a service has and why.
    #[must_use]
    pub fn allocation(&self, id: &ServiceId) -> Option<Allocation> {
        let tracked = self.services.get(id)?;
        let given = tracked
            .held
            .iter()
            .map(|address| Given {
                address: *address,
                pool: self.covering(*address).map(|pool| pool.spec.name.clone()),
            })
            .collect();
        Some(Allocation {
            given,
            released: tracked.released.clone(),
            verdict: tracked.verdict.clone(),
        })
    }

    /// The service that has an address, or is about to.
    #[must_use]
    pub fn holder(&self, address: IpAddr) -> Option<&ServiceId> {
        self.holders.get(&address)
    }

    /// What is to be told about a pool.
    #[must_use]
    pub fn report(&self, name: &PoolName) -> Option<PoolReport> {
        let pool = self.pools.get(name)?;
        let allocations: Vec<_> = self
            .holders
            .iter()
            .filter(|(address, _)| pool.spec.covers(**address))
            .map(|(address, service)| (*address, service.clone()))
            .collect();
        Some(PoolReport {
            counts: pool.counts(allocations.len()),
            conflict: pool.conflict.clone(),
            problems: pool.spec.problems.clone(),
            allocations,
        })
    }

    /// How many services wait for something.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.services.values().filter(|tracked| tracked.waits()).count()
    }

    fn pools_changed(&mut self, now: Instant) {
        let mut conflicts = conflicts(self.pools.values().map(|pool| &pool.spec));
        for (name, pool) in &mut self.pools {
            pool.conflict = conflicts.remove(name);
        }
        if self.phase == Phase::Collecting {
            return;
        }
        self.settle(self.by_age(|tracked| !tracked.held.is_empty()), now);
        self.serve_waiting(now);
    }

    fn serve_waiting(&mut self, now: Instant) {
        self.settle(self.by_age(Tracked::waits), now);
    }

    fn by_age(&self, wanted: impl Fn(&Tracked) -> bool) -> Vec<ServiceId> {
        let mut found: Vec<_> = self.services.values().filter(|tracked| wanted(tracked)).collect();
        found.sort_by_key(|tracked| (tracked.service.created, &tracked.service.id));
        found
            .into_iter()
            .map(|tracked| tracked.service.id.clone())
            .collect()
    }

    /// Takes over what the service's status shows and nobody else holds, disabled and conflicting pools included.
    ///
    /// What somebody else put there is taken over only where a pool of ours covers it.
    fn adopt(&mut self, id: &ServiceId) {
        let Some(service) = self.services.get(id).map(|tracked| tracked.service.clone()) else {
            return;
        };
        let ours = service.ingress_owner == IngressOwner::Us;
        for address in service.ingress {
            match self.holders.get(&address) {
                Some(holder) if holder != id && ours => {
                    let cause = Cause::HeldBy(holder.clone());
                    self.lost(id, address, cause);
                }
                None if service.handling != Handling::Ours && ours => {
                    self.lost(id, address, Cause::NotHandled);
                }
                None if service.handling != Handling::Ours => {}
                None if ours || self.covering(address).is_some() => self.hold(id, address),
                _ => {}
            }
        }
    }

    /// Brings services to what they should have, and those that wait for what this frees.
    fn settle(&mut self, ids: impl IntoIterator<Item = ServiceId>, now: Instant) {
        let mut queue: VecDeque<ServiceId> = ids.into_iter().collect();
        while let Some(id) = queue.pop_front() {
            if self.settle_one(&id, now) == Freed::Something {
                let waiting = self.by_age(|tracked| tracked.waits() && tracked.service.id != id);
                queue.retain(|queued| !waiting.contains(queued));
                queue.extend(waiting);
            }
        }
    }

    /// First what the service loses, then what it can get, then what it has and does not ask for.
    fn settle_one(&mut self, id: &ServiceId, now: Instant) -> Freed {
        let Some(before) = self.services.get(id).cloned() else {
            return Freed::Nothing;
        };
        let service = &before.service;
        let mut freed = Freed::Nothing;
        for address in &before.held {
            if let Some(cause) = self.must_go(service, *address, now) {
                self.lost(id, *address, cause);
                self.free(*address);
                freed = Freed::Something;
            }
        }
        let verdict = (service.handling == Handling::Ours).then(|| self.fill(service));
        if verdict == Some(Verdict::Satisfied) && self.drop_unasked(id) == Freed::Something {
            freed = Freed::Something;
        }
        if let Some(tracked) = self.services.get_mut(id) {
            tracked.verdict = verdict;
        }
        self.changed.insert(id.clone());
        freed
    }

    /// Why an address cannot stay with the service, whatever else it asks for.
    fn must_go(&mut self, service: &Service, address: IpAddr, now: Instant) -> Option<Cause> {
        if service.handling != Handling::Ours {
            return Some(Cause::NotHandled);
        }
        let Some(pool) = self.covering(address) else {
            let until = *self.uncovered.entry(address).or_insert(now + VANISHED_POOL_GRACE);
            return (until <= now).then_some(Cause::NoPool);
        };
        let missed = pool
            .missed_by(service)
            .map(|missed| (pool.spec.name.clone(), missed));
        self.uncovered.remove(&address);
        missed.map(|(pool, missed)| Cause::PoolMissed(pool, missed))
    }

    fn fill(&mut self, service: &Service) -> Verdict {
        let reasons: Vec<Reason> = if service.requested.is_empty() {
            service
                .families
                .iter()
                .filter_map(|family| self.fill_family(service, *family).err())
                .collect()
        } else {
            service
                .requested
                .iter()
                .filter_map(|item| self.fill_requested(service, item).err())
                .collect()
        };
        if reasons.is_empty() {
            Verdict::Satisfied
        } else {
            Verdict::Unsatisfied(reasons)
        }
    }

    fn fill_family(&mut self, service: &Service, family: Family) -> Result<(), Reason> {
        if self
            .held(&service.id)
            .iter()
            .any(|address| Family::of(*address) == family)
        {
            return Ok(());
        }
        let (mut missed, mut full) = (Vec::new(), Vec::new());
        let mut found = None;
        for pool in self.pools_in_order() {
            if let Some(why) = pool.refuses(service, family) {
                missed.push((pool.spec.name.clone(), why));
            } else if let Some(address) = pool.lowest(family) {
                found = Some(address);
                break;
            } else {
                full.push(pool.spec.name.clone());
            }
        }
        match found {
            Some(address) => {
                self.hold(&service.id, address);
                Ok(())
            }
            None if full.is_empty() => Err(Reason::NoPool { family, missed }),
            None => Err(Reason::OutOfAddresses { family, pools: full }),
        }
    }

    fn fill_requested(&mut self, service: &Service, item: &Requested) -> Result<(), Reason> {
        let address = match item {
            Requested::Address(address) => *address,
            Requested::Unreadable(text) => return Err(Reason::Unreadable(text.clone())),
        };
        match self.holders.get(&address) {
            Some(holder) if *holder == service.id => return Ok(()),
            Some(holder) => {
                return Err(Reason::Taken {
                    address,
                    by: holder.clone(),
                });
            }
            None => {}
        }
        let mut reason = Reason::NotInAnyPool(address);
        for pool in self
            .pools_in_order()
            .into_iter()
            .filter(|pool| pool.spec.covers(address))
        {
            let name = pool.spec.name.clone();
            match pool.refuses(service, Family::of(address)) {
                Some(missed) => {
                    reason = Reason::PoolMissed {
                        address,
                        pool: name,
                        missed,
                    }
                }
                None if !pool.gives(address) => reason = Reason::Withheld { address, pool: name },
                None => {
                    self.hold(&service.id, address);
                    return Ok(());
                }
            }
        }
        Err(reason)
    }

    /// A satisfied service gives back what it does not ask for; an unsatisfied one keeps what it has.
    fn drop_unasked(&mut self, id: &ServiceId) -> Freed {
        let Some(tracked) = self.services.get(id) else {
            return Freed::Nothing;
        };
        let service = &tracked.service;
        let named: Vec<IpAddr> = service
            .requested
            .iter()
            .filter_map(|item| match item {
                Requested::Address(address) => Some(*address),
                Requested::Unreadable(_) => None,
            })
            .collect();
        let cause = |address: &IpAddr| match named.is_empty() {
            false if !named.contains(address) => Some(Cause::NotRequested),
            true if !service.families.contains(&Family::of(*address)) => Some(Cause::FamilyNotAsked),
            _ => None,
        };
        let unasked: Vec<_> = tracked
            .held
            .iter()
            .filter_map(|address| Some((*address, cause(address)?)))
            .collect();
        for (address, cause) in &unasked {
            self.lost(id, *address, cause.clone());
            self.free(*address);
        }
        if unasked.is_empty() {
            Freed::Nothing
        } else {
            Freed::Something
        }
    }

    fn hold(&mut self, id: &ServiceId, address: IpAddr) {
        self.holders.insert(address, id.clone());
        for pool in self.pools.values_mut().filter(|pool| pool.spec.covers(address)) {
            pool.take(address);
        }
        if let Some(tracked) = self.services.get_mut(id) {
            tracked.released.retain(|lost| lost.address != address);
            tracked.held.push(address);
            // What the status shows keeps its place; what is new goes behind, IPv4 first.
            let shown = tracked.service.ingress.clone();
            tracked.held.sort_by_key(|held| {
                let place = shown.iter().position(|one| one == held).unwrap_or(shown.len());
                (place, Family::of(*held))
            });
        }
    }

    fn free(&mut self, address: IpAddr) {
        self.uncovered.remove(&address);
        self.holders.remove(&address);
        for pool in self.pools.values_mut().filter(|pool| pool.spec.covers(address)) {
            pool.give(address);
        }
    }

    fn lost(&mut self, id: &ServiceId, address: IpAddr, cause: Cause) {
        if let Some(tracked) = self.services.get_mut(id) {
            tracked.held.retain(|held| *held != address);
            let shown = tracked.service.ingress.contains(&address);
            if shown && !tracked.released.iter().any(|lost| lost.address == address) {
                tracked.released.push(Released { address, cause });
            }
        }
    }

    fn held(&self, id: &ServiceId) -> &[IpAddr] {
        self.services.get(id).map_or(&[], |tracked| &tracked.held)
    }

    /// The pool an address counts against: of those that cover it, the one that comes first.
    fn covering(&self, address: IpAddr) -> Option<&Pool> {
        self.pools_in_order()
            .into_iter()
            .find(|pool| pool.spec.covers(address))
    }

    fn pools_in_order(&self) -> Vec<&Pool> {
        let mut pools: Vec<_> = self.pools.values().collect();
        pools.sort_by_key(|pool| (-i64::from(pool.spec.priority), pool.spec.created, &pool.spec.name));
        pools
    }
}

impl Tracked {
    fn waits(&self) -> bool {
        matches!(self.verdict, Some(Verdict::Unsatisfied(_)))
    }
}

impl Pool {
    /// Why the pool does not serve the service, whether or not it may give anything new.
    fn missed_by(&self, service: &Service) -> Option<Missed> {
        if service
            .pool
            .as_ref()
            .is_some_and(|named| *named != self.spec.name)
        {
            return Some(Missed::NotNamed);
        }
        match &self.spec.selector {
            Ok(selector) => selector.unmet(&service.labels).map(Missed::Selector),
            Err(error) => Some(Missed::UnreadableSelector(error.to_string())),
        }
    }

    /// Why the pool gives the service nothing new of a family.
    fn refuses(&self, service: &Service, family: Family) -> Option<Missed> {
        self.missed_by(service)
            .or_else(|| (self.spec.admission == Admission::Disabled).then_some(Missed::Disabled))
            .or_else(|| self.conflict.is_some().then_some(Missed::Conflicting))
            .or_else(|| (!self.has_family(family)).then_some(Missed::Family))
    }
}
