//! Addresses that a write of ours may have put into a status or a lease, or may yet: nobody else's until that is known.
//!
//! A write that was not answered is not a write that failed. The API server gives it up after a limit, but counts that
//! from when it gets the write, and one that was frozen gets it when it thaws; and when its store was frozen, what was
//! given up is carried out even so (seen with etcd). So the time starts with the first read that is answered: both are
//! there again, and have what was sent to them. When it is over, another read tells for good; until that, the address
//! is treated as shown.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use lightship_core::names::ServiceId;
use lightship_core::time::Instant;

use super::by_address::ByAddress;

/// What a machine under load may take to get from a request it has to the clock it starts for it.
const MARGIN: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The write is under way.
    InFlight,
    /// It was not answered, and nothing was since.
    Unanswered,
    /// The API server answers again; what it got before it gives up by then.
    Late(Instant),
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
#[derive(Clone, Debug)]
pub(super) struct Claims {
    by_service: BTreeMap<ServiceId, Claim>,
    by_address: ByAddress,
    /// When the next write's time is over.
    deadlines: BTreeSet<(Instant, ServiceId)>,
    lateness: Duration,
}

/// How late a write may be carried out by an API server that answers, when it gives up after `limit`.
pub(crate) fn lateness(limit: Duration) -> Duration {
    limit + MARGIN
}

impl Claims {
    /// No write was sent yet; those to come are given up after `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            by_service: BTreeMap::new(),
            by_address: ByAddress::default(),
            deadlines: BTreeSet::new(),
            lateness: lateness(limit),
        }
    }

    /// Services that a write may make show the address.
    pub(super) fn services(&self, address: &IpAddr) -> impl Iterator<Item = &ServiceId> {
        self.by_address.services(address)
    }

    /// Services of which the same is true, but not of a write that is simply under way.
    pub(super) fn unanswered_services(&self, address: &IpAddr) -> impl Iterator<Item = &ServiceId> {
        let known = |id: &&ServiceId| self.stage(id).is_some_and(|stage| stage != Stage::InFlight);
        self.services(address).filter(known)
    }

    /// These addresses are written, bound to a version of the object; to none when it is created.
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
    pub(super) fn unanswered(&mut self, id: &ServiceId) {
        self.enter(id, Stage::Unanswered);
    }

    /// The object was seen: a later version than the write was bound to refuses the write from then on.
    pub(super) fn seen(&mut self, id: &ServiceId, version: Option<u64>) -> BTreeSet<IpAddr> {
        let claim = self.by_service.get(id);
        if claim.is_some_and(|claim| claim.version < version || version.is_none()) {
            self.end(id)
        } else {
            BTreeSet::new()
        }
    }

    /// The object was read from the API server: true for good once the time of the write is over.
    pub(super) fn read(&mut self, id: &ServiceId, now: Instant) -> BTreeSet<IpAddr> {
        match self.stage(id) {
            Some(Stage::Unanswered) => {
                let until = now + self.lateness;
                self.enter(id, Stage::Late(until));
                self.deadlines.insert((until, id.clone()));
                BTreeSet::new()
            }
            Some(Stage::Over) => self.end(id),
            Some(Stage::InFlight | Stage::Late(_)) | None => BTreeSet::new(),
        }
    }

    /// Nothing can be written there any more by what was sent.
    pub(super) fn end(&mut self, id: &ServiceId) -> BTreeSet<IpAddr> {
        let Some(claim) = self.by_service.remove(id) else {
            return BTreeSet::new();
        };
        if let Stage::Late(until) = claim.stage {
            self.deadlines.remove(&(until, id.clone()));
        }
        for address in &claim.addresses {
            self.by_address.remove(address, id);
        }
        claim.addresses
    }

    /// Services whose write's time is over by now: their object is to be read once more.
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

    /// Whether some write may arrive yet that nobody knows the outcome of.
    pub(super) fn any_unanswered(&self) -> bool {
        let mut stages = self.by_service.values().map(|claim| claim.stage);
        stages.any(|stage| matches!(stage, Stage::Unanswered | Stage::Late(_)))
    }

    fn enter(&mut self, id: &ServiceId, stage: Stage) {
        if let Some(claim) = self.by_service.get_mut(id) {
            if let Stage::Late(before) = claim.stage {
                self.deadlines.remove(&(before, id.clone()));
            }
            claim.stage = stage;
        }
    }

    fn stage(&self, id: &ServiceId) -> Option<Stage> {
        self.by_service.get(id).map(|claim| claim.stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::after_start(Duration::from_secs(seconds))
    }

    fn claimed() -> (Claims, ServiceId, IpAddr) {
        let mut claims = Claims::new(Duration::from_secs(4));
        let (id, address) = (ServiceId::new("default", "web"), IpAddr::from([10, 0, 10, 0]));
        claims.sent(&id, Some(7), vec![address]);
        (claims, id, address)
    }

    #[test]
    fn only_a_later_version_ends_a_claim() {
        let (mut claims, id, address) = claimed();
        for version in [Some(6), Some(7)] {
            assert_eq!(claims.seen(&id, version), BTreeSet::new());
            assert_eq!(claims.services(&address).count(), 1);
        }
        assert_eq!(claims.seen(&id, Some(8)), BTreeSet::from([address]));
        assert_eq!(claims.services(&address).count(), 0);
    }

    #[test]
    fn a_refusal_says_nothing_of_an_earlier_write_that_was_not_answered() {
        let (mut claims, id, address) = claimed();
        claims.unanswered(&id);
        claims.sent(&id, Some(7), vec![]);
        assert_eq!(claims.refused(&id), BTreeSet::new());
        assert_eq!(claims.unanswered_services(&address).count(), 1);
        assert_eq!(claims.read(&id, at(0)), BTreeSet::new());
        assert_eq!(claims.refused(&id), BTreeSet::new());
        assert_eq!(claims.advance(at(5)), std::slice::from_ref(&id));
        assert_eq!(claims.read(&id, at(5)), BTreeSet::from([address]));
    }
}
