//! What statuses show already: addresses in use are taken over, what others put there is left, duplicates are repaired.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::machine::Ipam;
use super::range::{Family, Range};
use super::services::Id;
use super::verdict::{Cause, Verdict};
use super::waiting::Waiter;
use crate::service::{Handling, IngressOwner, Service};
use crate::time::Instant;

/// Whose a service's status is.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// Ours to decide about.
    Ours,
    /// Somebody else's, with what is to be said about that.
    Left(Option<Verdict>),
}

/// Which of the addresses a status shows are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claims {
    /// Those of ours that the service would keep: they come before those that it is about to lose anyway.
    Kept,
    /// All.
    All,
}

impl Ipam {
    /// Takes over what a service `had` before and what its status shows, disabled and conflicting pools included.
    pub(super) fn adopt(&mut self, id: &Id, claims: Claims, had: &[IpAddr]) {
        let Some(tracked) = self.services.get(id) else {
            return;
        };
        let (service, is_known) = (Arc::clone(&tracked.service), tracked.verdict.is_some());
        if is_left_to_others(&service) {
            if claims == Claims::All {
                self.leave_to_others(id, &service);
            }
            return;
        }
        for address in had.iter().chain(&service.ingress) {
            let passed_over = claims == Claims::Kept && !self.keeps(&service, *address);
            if passed_over || self.has(id, *address) || self.is_released(id, *address) {
                continue;
            }
            let cause = if service.handling != Handling::Ours {
                Some(Cause::NotHandled)
            } else if let Some((other, _)) = self.clash(id, &service, *address) {
                Some(Cause::HeldBy(other))
            } else if is_known
                && !had.contains(address)
                && !service.requests(*address)
                && self.has_one_of(id, *address)
            {
                // A late write of ours: what was decided since stands.
                Some(Cause::NotRequested)
            } else {
                None
            };
            match cause {
                Some(cause) => self.release(id, *address, cause),
                None => self.hold(id, *address),
            }
        }
    }

    /// What somebody else put into the status stays as it is, and is nobody else's while it is there.
    pub(super) fn leave_to_others(&mut self, id: &Id, service: &Service) -> Standing {
        if !is_left_to_others(service) {
            return Standing::Ours;
        }
        let mut foreign = Vec::new();
        for address in service.ingress.iter().copied() {
            if self.is_released(id, address) {
                continue;
            }
            let covered = self.pools.covering(address).next().is_some();
            let clash = self.clash(id, service, address);
            match clash {
                _ if !covered => {
                    self.unhold(id, address);
                    foreign.push(address);
                }
                None if self.has(id, address) => {}
                None => self.hold(id, address),
                Some(_) if self.is_shown_by_no_other(id, address) => {
                    self.evict_others(id, address);
                    if !self.has(id, address) {
                        self.hold(id, address);
                    }
                }
                Some((other, _)) if is_overwritten(service) => {
                    self.lose(id, address, Cause::HeldBy(other.clone()));
                    self.release(id, address, Cause::HeldBy(other));
                }
                Some(_) => {
                    self.unhold(id, address);
                    foreign.push(address);
                }
            }
        }
        let shown = &service.ingress;
        if !shown.is_empty() && shown.iter().all(|address| self.is_released(id, *address)) {
            return Standing::Ours;
        }
        for address in self.held(id) {
            if !shown.contains(&address) {
                self.unhold(id, address);
            }
        }
        if foreign.is_empty() && !shown.is_empty() {
            return Standing::Left((service.handling == Handling::Ours).then_some(Verdict::Satisfied));
        }
        let mut serving = Family::BOTH
            .iter()
            .flat_map(|family| self.pools.serving(service, *family));
        let ours = (service.handling == Handling::Ours)
            .then(|| serving.next())
            .flatten();
        let pool = ours.map(|pool| pool.spec.name.clone());
        Standing::Left(Some(Verdict::Foreign {
            addresses: foreign,
            pool,
        }))
    }

    /// At the start: who shows an address that another came to have settles behind that one. What the other does not
    /// keep is taken over before anybody is served, so that none loses it to who had given it up already. Returns who took one
    /// over.
    pub(super) fn settle_contested(&mut self, claimants: &[Id], now: Instant) -> BTreeSet<Waiter> {
        let mut regained = BTreeSet::new();
        for id in claimants {
            if self
                .services
                .get(id)
                .is_some_and(|tracked| is_left_to_others(&tracked.service))
            {
                self.settle(id, now);
            }
        }
        for id in claimants {
            for address in self.lost_to_others(id) {
                for holder in self.holders.of(address).to_vec() {
                    self.settle(&holder, now);
                }
                let Some(tracked) = self.services.get(id) else {
                    continue;
                };
                if !self.has(id, address) && self.clash(id, &tracked.service, address).is_none() {
                    regained.insert(tracked.waiter());
                    self.hold(id, address);
                }
            }
        }
        regained
    }

    fn lost_to_others(&self, id: &Id) -> Vec<IpAddr> {
        let released = self.services.get(id).map_or(&[][..], |tracked| &tracked.released);
        let to_others = released
            .iter()
            .filter(|lost| matches!(lost.cause, Cause::HeldBy(_)));
        to_others.map(|lost| lost.address).collect()
    }

    /// Who shows an address in these ranges that somebody else put there comes before all who wait for one.
    pub(super) fn settle_shown(&mut self, ranges: &BTreeSet<Range>, now: Instant) {
        let mut showing = BTreeSet::new();
        for range in ranges {
            for address in self.waiting.addresses_within(*range) {
                showing.extend(self.showing(address));
            }
        }
        self.settle_all(showing, now);
    }

    /// Who shows an address that somebody else put there and that another service has.
    pub(super) fn showing(&self, address: IpAddr) -> Vec<Waiter> {
        let waiters = self.waiting.for_address(address);
        let shows = |waiter: &&Waiter| {
            let tracked = self.services.get(&waiter.1);
            tracked.is_some_and(|tracked| matches!(tracked.verdict, Some(Verdict::Foreign { .. })))
        };
        waiters.filter(shows).cloned().collect()
    }

    /// Whether the service would keep the address, were it the only one that shows it.
    fn keeps(&self, service: &Service, address: IpAddr) -> bool {
        let mut covering = self.pools.covering(address).map(|(_, pool)| pool).peekable();
        let is_served =
            covering.peek().is_none() || covering.any(|pool| pool.spec.missed_by(service).is_none());
        is_served
            && if service.names_addresses() {
                service.requests(address)
            } else {
                service.families.contains(&Family::of(address))
            }
    }

    fn evict_others(&mut self, id: &Id, address: IpAddr) {
        for other in self.holders.of(address).to_vec() {
            if other != *id {
                self.resettle.extend(self.waiter(&other));
                self.lose(&other, address, Cause::HeldBy(id.name().clone()));
            }
        }
    }

    fn is_released(&self, id: &Id, address: IpAddr) -> bool {
        let tracked = self.services.get(id);
        tracked.is_some_and(|tracked| tracked.released.iter().any(|lost| lost.address == address))
    }

    fn has_one_of(&self, id: &Id, address: IpAddr) -> bool {
        let family = Family::of(address);
        self.held(id).iter().any(|held| Family::of(*held) == family)
    }

    fn is_shown_by_no_other(&self, id: &Id, address: IpAddr) -> bool {
        let mut others = self.holders.of(address).iter().filter(|other| *other != id);
        others.all(|other| {
            let tracked = self.services.get(other);
            tracked.is_none_or(|tracked| !tracked.service.ingress.contains(&address))
        })
    }
}

/// Whether the status is somebody else's; Cilium's addresses are ours to inherit unless Cilium serves the service.
pub(super) fn is_left_to_others(service: &Service) -> bool {
    match (service.ingress_owner, &service.handling) {
        (IngressOwner::Another, _)
        | (IngressOwner::Cilium, Handling::ForeignClass(_) | Handling::DefaultElsewhere) => true,
        (IngressOwner::Cilium, Handling::Ours | Handling::NotLoadBalancer) | (IngressOwner::Us, _) => false,
    }
}

/// Whether somebody wrote over what we had given: the service says that we satisfied it.
fn is_overwritten(service: &Service) -> bool {
    service.handling == Handling::Ours && service.satisfied_since.is_some()
}
