//! Addresses that a write of ours may have put into a status, or may yet: nobody else's until that is known.
//!
//! A write that was not answered is not a write that failed. The API server may carry it out until its own time is
//! over, and then nothing but a fresh read tells; until that, the address is treated as shown.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use lightship_core::names::ServiceId;
use lightship_core::time::Instant;

use super::by_address::ByAddress;

/// A minute, which the API server gives a request (`--request-timeout`), and time for a read that is under way.
const PATIENCE: Duration = Duration::from_secs(70);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The write is under way.
    InFlight,
    /// It was not answered, and may be carried out until then.
    Unanswered(Instant),
    /// Whatever is read now is true.
    Over,
}

#[derive(Clone, Debug)]
struct Claim {
    version: Option<u64>,
    addresses: BTreeSet<IpAddr>,
    stage: Stage,
}

/// What the writes may have done.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    by_service: BTreeMap<ServiceId, Claim>,
    by_address: ByAddress,
    /// When the next write's time is over.
    deadlines: BTreeSet<(Instant, ServiceId)>,
}

impl Claims {
    /// Services that a write may make show the address.
    pub(super) fn services(&self, address: &IpAddr) -> impl Iterator<Item = &ServiceId> {
        self.by_address.services(address)
    }

    /// A status with these addresses is written, bound to a version of the service.
    pub(super) fn sent(&mut self, id: &ServiceId, version: Option<u64>, addresses: Vec<IpAddr>) {
        for address in &addresses {
            self.by_address.insert(*address, id.clone());
        }
        let claim = self.by_service.entry(id.clone()).or_insert(Claim {
            version,
            addresses: BTreeSet::new(),
            stage: Stage::InFlight,
        });
        claim.version = version;
        claim.addresses.extend(addresses);
    }

    /// The write was refused: it did nothing. What an earlier one did is as unknown as before.
    pub(super) fn refused(&mut self, id: &ServiceId) -> BTreeSet<IpAddr> {
        let in_flight = self.stage(id) == Some(Stage::InFlight);
        if in_flight { self.end(id) } else { BTreeSet::new() }
    }

    /// The write was not answered.
    pub(super) fn unanswered(&mut self, id: &ServiceId, now: Instant) {
        if let Some(claim) = self.by_service.get_mut(id) {
            let until = now + PATIENCE;
            if let Stage::Unanswered(before) = claim.stage {
                self.deadlines.remove(&(before, id.clone()));
            }
            claim.stage = Stage::Unanswered(until);
            self.deadlines.insert((until, id.clone()));
        }
    }

    /// The service was seen: a later version than the write was bound to refuses the write from then on.
    pub(super) fn seen(&mut self, id: &ServiceId, version: Option<u64>) -> BTreeSet<IpAddr> {
        let claim = self.by_service.get(id);
        if claim.is_some_and(|claim| claim.version < version || version.is_none()) {
            self.end(id)
        } else {
            BTreeSet::new()
        }
    }

    /// The service was read from the API server: true for good once the time of the write is over.
    pub(super) fn read(&mut self, id: &ServiceId) -> BTreeSet<IpAddr> {
        let is_over = self.stage(id) == Some(Stage::Over);
        if is_over { self.end(id) } else { BTreeSet::new() }
    }

    /// The service is gone, and with it what could be written into it.
    pub(super) fn end(&mut self, id: &ServiceId) -> BTreeSet<IpAddr> {
        let Some(claim) = self.by_service.remove(id) else {
            return BTreeSet::new();
        };
        if let Stage::Unanswered(until) = claim.stage {
            self.deadlines.remove(&(until, id.clone()));
        }
        for address in &claim.addresses {
            self.by_address.remove(address, id);
        }
        claim.addresses
    }

    /// Services whose write's time is over by now: they are to be read once more.
    pub(super) fn advance(&mut self, now: Instant) -> Vec<ServiceId> {
        let mut over = Vec::new();
        while self.deadlines.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, id)) = self.deadlines.pop_first() else {
                break;
            };
            if let Some(claim) = self.by_service.get_mut(&id) {
                claim.stage = Stage::Over;
            }
            over.push(id);
        }
        over
    }

    /// When [`Self::advance`] has something to do next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    fn stage(&self, id: &ServiceId) -> Option<Stage> {
        self.by_service.get(id).map(|claim| claim.stage)
    }
}
