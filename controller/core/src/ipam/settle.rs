//! Bringing one service to what it should have: first what it loses, then what it can get, then what it has and does
//! not ask for.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::adopt::Standing;
use super::machine::{Ipam, Tracked};
use super::range::Family;
use super::services::Id;
use super::sharing::{SharingKey, may_share};
use super::verdict::{Cause, Released, Verdict};
use super::waiting::Waiter;
use crate::service::{Handling, Service};
use crate::time::Instant;

/// A pool that is deleted and created again at once takes nothing away from anybody.
const VANISHED_POOL_GRACE: Duration = Duration::from_secs(5);

impl Ipam {
    /// Settles services, the oldest first.
    pub(super) fn settle_all(&mut self, services: BTreeSet<Waiter>, now: Instant) {
        for (_, id) in services {
            self.settle(&id, now);
        }
    }

    /// Settles one service; what it sets free goes to who shows it at once, and is noted for those who wait.
    pub(super) fn settle(&mut self, id: &Id, now: Instant) {
        self.settle_alone(id, now);
        while let Some((_, id)) = self.returning.pop_first() {
            self.settle_alone(&id, now);
        }
    }

    fn settle_alone(&mut self, id: &Id, now: Instant) {
        let Some(tracked) = self.services.get(id) else {
            return;
        };
        let before = tracked.clone();
        let verdict = self.decide(id, &before.service, now);
        if verdict != before.verdict {
            let waiter = before.waiter();
            self.waiting
                .remove(&waiter, &before.service, before.verdict.as_ref());
            self.waiting.insert(&waiter, &before.service, verdict.as_ref());
        }
        let Some(tracked) = self.services.get_mut(id) else {
            return;
        };
        let had = (&before.verdict, &before.held, &before.released);
        if had != (&verdict, &tracked.held, &tracked.released) && !tracked.is_changed {
            tracked.is_changed = true;
            self.changed.push(id.clone());
        }
        tracked.verdict = verdict;
    }

    fn decide(&mut self, id: &Id, service: &Service, now: Instant) -> Option<Verdict> {
        if let Standing::Left(verdict) = self.leave_to_others(id, service) {
            return verdict;
        }
        for address in self.held(id) {
            if let Some(cause) = self.must_go(id, service, address, now) {
                self.lose(id, address, cause);
            }
        }
        if service.handling != Handling::Ours {
            return None;
        }
        let verdict = self.fill(id, service);
        if verdict == Verdict::Satisfied {
            self.drop_unasked(id, service);
        }
        Some(verdict)
    }

    /// Why an address cannot stay with the service, whatever else it asks for.
    fn must_go(&mut self, id: &Id, service: &Service, address: IpAddr, now: Instant) -> Option<Cause> {
        if service.handling != Handling::Ours {
            return Some(Cause::NotHandled);
        }
        for other in self.holders.of(address).iter().filter(|other| *other != id) {
            let clash = self
                .services
                .get(other)
                .map(|other| may_share(service, &other.service));
            if let Some(Err(clash)) = clash {
                return Some(Cause::CannotShare(other.name().clone(), clash));
            }
        }
        let mut missed = None;
        for (_, pool) in self.pools.covering(address) {
            match pool.spec.missed_by(service) {
                None => {
                    self.graces.end(address);
                    return None;
                }
                // The pool that gave it is the one that does not yield.
                Some(why) if missed.is_none() || pool.conflict.is_none() => {
                    missed = Some(Cause::PoolMissed(pool.spec.name.clone(), why));
                }
                Some(_) => {}
            }
        }
        if missed.is_some() {
            return missed;
        }
        let until = self.graces.start(address, now + VANISHED_POOL_GRACE);
        (until <= now).then_some(Cause::NoPool)
    }

    /// A satisfied service gives back what it does not ask for; an unsatisfied one keeps what it has.
    fn drop_unasked(&mut self, id: &Id, service: &Service) {
        let unasked = |address: &IpAddr| {
            if service.names_addresses() {
                (!service.requests(*address)).then_some(Cause::NotRequested)
            } else {
                (!service.families.contains(&Family::of(*address))).then_some(Cause::FamilyNotAsked)
            }
        };
        let tracked = self.services.get(id);
        let held = tracked.into_iter().flat_map(|tracked| &tracked.held);
        let goes: Vec<_> = held
            .filter_map(|address| Some((*address, unasked(address)?)))
            .collect();
        for (address, cause) in goes {
            self.lose(id, address, cause);
        }
    }

    pub(super) fn held(&self, id: &Id) -> Vec<IpAddr> {
        let tracked = self.services.get(id);
        tracked.map(|tracked| tracked.held.clone()).unwrap_or_default()
    }

    /// The service has the address from now on.
    pub(super) fn hold(&mut self, id: &Id, address: IpAddr) {
        let Some(tracked) = self.services.get_mut(id) else {
            return;
        };
        let service = Arc::clone(&tracked.service);
        tracked.released.retain(|lost| lost.address != address);
        // Nearly always it is the only one.
        tracked.held.reserve_exact(1);
        tracked.held.push(address);
        tracked.order();
        let key = service.sharing.as_ref().map(|sharing| &sharing.key);
        if self.holders.add(address, id, key) {
            self.pools.take(address);
        } else {
            self.pools.share(address);
        }
        self.graces.end(address);
        self.loosen(address, key);
    }

    /// The service has the address no more, and its status, should it show it, is to lose it.
    pub(super) fn lose(&mut self, id: &Id, address: IpAddr, cause: Cause) {
        self.release(id, address, cause);
        self.unhold(id, address);
    }

    /// The status of the service, should it show the address, is to lose it.
    pub(super) fn release(&mut self, id: &Id, address: IpAddr, cause: Cause) {
        if let Some(tracked) = self.services.get_mut(id) {
            tracked.note_release(address, cause);
        }
    }

    /// The service has the address no more.
    pub(super) fn unhold(&mut self, id: &Id, address: IpAddr) {
        let Some(tracked) = self.services.get_mut(id) else {
            return;
        };
        let Some(place) = tracked.held.iter().position(|held| *held == address) else {
            return;
        };
        tracked.held.remove(place);
        let service = Arc::clone(&tracked.service);
        let key = service.sharing.as_ref().map(|sharing| &sharing.key);
        if self.holders.remove(address, id, key) {
            self.graces.end(address);
            self.pools.give(address);
            self.returning.extend(self.showing(address));
        } else {
            self.pools.share(address);
        }
        self.loosen(address, key);
    }

    /// A service may have another sharing key than before; its addresses are found by it at once.
    pub(super) fn rekey(&mut self, id: &Id, before: &Service) {
        let Some(tracked) = self
            .services
            .get(id)
            .filter(|now| now.service.sharing != before.sharing)
        else {
            return;
        };
        let (held, after) = (tracked.held.clone(), Arc::clone(&tracked.service));
        let [old, new] = [before, &after].map(|service| service.sharing.as_ref().map(|sharing| &sharing.key));
        for address in held {
            self.holders.remove_key(address, old);
            self.holders.add_key(address, new);
            self.loosen(address, old);
            self.loosen(address, new);
        }
    }

    /// Somebody might have the address now who could not before, or has to be told another reason.
    fn loosen(&mut self, address: IpAddr, key: Option<&SharingKey>) {
        if self.waiting.is_empty() {
            return;
        }
        self.loosened.insert(address);
        if let Some(key) = key.filter(|key| self.waiting.waits_for_key(key)) {
            self.loosened_keys.insert(key.clone());
        }
    }
}

impl Tracked {
    /// What the status shows keeps its place; what is new goes behind, IPv4 first.
    pub(super) fn order(&mut self) {
        let shown = &self.service.ingress;
        self.held.sort_by_key(|held| {
            let place = shown.iter().position(|one| one == held);
            (place.unwrap_or(shown.len()), Family::of(*held))
        });
    }

    /// What the status shows and the service is not to have is taken out of the status, and told.
    pub(super) fn note_release(&mut self, address: IpAddr, cause: Cause) {
        let known = self.released.iter().any(|lost| lost.address == address);
        if self.service.ingress.contains(&address) && !known {
            self.released.push(Released { address, cause });
        }
    }
}
