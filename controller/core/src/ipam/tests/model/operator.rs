//! The edges around the allocator, as the operator has them: what is seen, what is written, what may have been.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::super::*;
use crate::names::PoolName;

/// Seconds after which a write that was not answered cannot be applied any more: what is read then is true.
pub(super) const PATIENCE: u64 = 10;

/// A write of a status, bound to the version it was decided on.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) id: ServiceId,
    pub(super) version: u64,
    pub(super) ingress: Vec<IpAddr>,
    pub(super) satisfied: bool,
    pub(super) sent: u64,
    /// Who shared an address with it when that was decided; what an edit since forbids is for the next write to repair.
    pub(super) sharers: BTreeSet<ServiceId>,
}

/// Whether what the status shows is not ours to take away.
pub(super) fn is_left_to_others(service: &Service) -> bool {
    match service.ingress_owner {
        IngressOwner::Us => false,
        IngressOwner::Cilium => matches!(service.handling, Handling::ForeignClass(_)),
        IngressOwner::Another => true,
    }
}

#[derive(Clone, Debug)]
struct Claim {
    version: u64,
    addresses: BTreeSet<IpAddr>,
    until: Option<u64>,
}

#[derive(Clone, Default)]
pub(super) struct Operator {
    pub(super) ipam: Ipam,
    pub(super) seen: BTreeMap<ServiceId, (u64, Service)>,
    pub(super) pools: BTreeMap<PoolName, PoolSpec>,
    claims: BTreeMap<ServiceId, Claim>,
    fresh: bool,
}

impl Operator {
    /// Everything there is was seen.
    pub(super) fn start(&mut self, now: Instant) {
        self.go_on_from(true, now);
    }

    /// What it sees can be believed again, or for the first time since it is there.
    pub(super) fn go_on_from(&mut self, is_anew: bool, now: Instant) {
        self.ipam.start(now);
        self.fresh = is_anew;
    }

    /// Whether it started in the last event.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh
    }

    pub(super) fn go_on(&mut self) {
        self.fresh = false;
    }

    pub(super) fn see(&mut self, version: u64, service: Service, now: Instant) {
        let id = service.id.clone();
        if self.seen.get(&id).is_some_and(|(known, _)| *known > version) {
            return;
        }
        let over =
            |claim: &Claim| claim.version < version || claim.until.is_some_and(|until| at(until) <= now);
        if self.claims.get(&id).is_some_and(over) {
            self.claims.remove(&id);
        }
        self.seen.insert(id, (version, service.clone()));
        self.ipam.apply_service(service, now);
    }

    pub(super) fn forget(&mut self, id: &ServiceId, now: Instant) {
        self.seen.remove(id);
        self.claims.remove(id);
        self.ipam.delete_service(id, now);
    }

    /// What there is of a pool now.
    pub(super) fn see_pool(&mut self, name: &PoolName, spec: Option<&PoolSpec>, now: Instant) {
        if let Some(spec) = spec {
            self.pools.insert(name.clone(), spec.clone());
            self.ipam.apply_pool(spec.clone(), now);
        } else {
            self.pools.remove(name);
            self.ipam.delete_pool(name, now);
        }
    }

    pub(super) fn advance(&mut self, seconds: u64) {
        self.ipam.advance(at(seconds));
    }

    /// What the status should say, if it does not.
    pub(super) fn write(&mut self, id: &ServiceId, sent: u64) -> Option<Write> {
        let (version, service) = self.seen.get(id)?;
        let allocation = self.ipam.allocation(id)?;
        if is_left_to_others(service) && allocation.released.is_empty() {
            return None;
        }
        let mut ingress = service.ingress.clone();
        ingress.retain(|shown| !allocation.released.iter().any(|lost| lost.address == *shown));
        for given in &allocation.given {
            if !ingress.contains(&given.address) && !self.is_elsewhere(id, given.address) {
                ingress.push(given.address);
            }
        }
        let satisfied = match allocation.verdict {
            Some(Verdict::Foreign { .. } | Verdict::Deferred) => service.satisfied_since.is_some(),
            Some(Verdict::Satisfied) => allocation
                .given
                .iter()
                .all(|given| ingress.contains(&given.address)),
            _ => false,
        };
        if ingress == service.ingress && satisfied == service.satisfied_since.is_some() {
            return None;
        }
        let claim = self.claims.entry(id.clone()).or_insert_with(|| Claim {
            version: *version,
            addresses: BTreeSet::new(),
            until: None,
        });
        claim.version = *version;
        claim.addresses.extend(&ingress);
        let sharers = ingress.iter().flat_map(|address| self.ipam.holders(*address));
        let sharers = sharers.cloned().collect();
        Some(Write {
            id: id.clone(),
            version: *version,
            ingress,
            satisfied,
            sent,
            sharers,
        })
    }

    pub(super) fn refused(&mut self, id: &ServiceId) {
        if self.claims.get(id).is_some_and(|claim| claim.until.is_none()) {
            self.claims.remove(id);
        }
    }

    pub(super) fn unanswered(&mut self, id: &ServiceId, seconds: u64) {
        if let Some(claim) = self.claims.get_mut(id) {
            claim.until = Some(seconds + PATIENCE);
        }
    }

    /// Whether another service that does not share it shows the address, or may come to.
    fn is_elsewhere(&self, id: &ServiceId, address: IpAddr) -> bool {
        let mut others = self.seen.iter().filter(|(other, _)| *other != id);
        others.any(|(other, (_, service))| {
            let claimed = self
                .claims
                .get(other)
                .is_some_and(|claim| claim.addresses.contains(&address));
            let shares = self.ipam.holders(address).any(|holder| holder == other);
            (service.ingress.contains(&address) || claimed) && !shares
        })
    }
}
