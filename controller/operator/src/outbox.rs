//! What is to be written, when: level-triggered, one write per object at a time.
//!
//! An object is *touched* when what it should say may have changed. A failed write is tried again with growing
//! pauses until it succeeds or the object changes; statuses of pools and policies are written at most once a second,
//! their last state always.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use lightship_core::names::{PolicyName, PoolName, ServiceId};
use lightship_core::time::Instant;

const STATUS_PACE: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Something that is written as one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Target {
    /// The status of a service.
    Service(ServiceId),
    /// The lease of a service.
    Lease(ServiceId),
    /// The status of a pool.
    Pool(PoolName),
    /// The status of a policy.
    Policy(PolicyName),
}

impl Target {
    /// The kind, as metrics label it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Service(_) => "service",
            Self::Lease(_) => "lease",
            Self::Pool(_) => "pool",
            Self::Policy(_) => "policy",
        }
    }

    fn pace(&self) -> Duration {
        match self {
            Self::Service(_) | Self::Lease(_) => Duration::ZERO,
            Self::Pool(_) | Self::Policy(_) => STATUS_PACE,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(id) => write!(f, "the status of service {id}"),
            Self::Lease(id) => write!(f, "the lease of service {id}"),
            Self::Pool(name) => write!(f, "the status of pool {name}"),
            Self::Policy(name) => write!(f, "the status of policy {name}"),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Rest {
    /// It was just written.
    Paced(Instant),
    /// It failed that many times in a row.
    Failed(Instant, u32),
}

/// The writes to come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    /// Touched objects, first come first served, so that under load nothing starves.
    queue: BTreeMap<u64, Target>,
    places: BTreeMap<Target, u64>,
    next_place: u64,
    in_flight: BTreeSet<Target>,
    resting: BTreeMap<Target, Rest>,
    /// Objects of which it is not known what the last write did: they are read before anything is decided.
    doubted: BTreeSet<Target>,
}

impl Outbox {
    /// What the object should say may have changed.
    pub(crate) fn touch(&mut self, target: Target) {
        if !self.places.contains_key(&target) {
            self.queue.insert(self.next_place, target.clone());
            self.places.insert(target, self.next_place);
            self.next_place += 1;
        }
    }

    /// The object itself was seen anew: a failure before that says nothing any more.
    pub(crate) fn observed(&mut self, target: Target) {
        if let Some(Rest::Failed(..)) = self.resting.get(&target) {
            self.resting.remove(&target);
        }
        self.touch(target);
    }

    /// It is not known what a write did to the object.
    pub(crate) fn doubt(&mut self, target: Target) {
        self.doubted.insert(target.clone());
        self.touch(target);
    }

    /// Whether the object has to be read before it is written.
    pub(crate) fn is_doubted(&self, target: &Target) -> bool {
        self.doubted.contains(target)
    }

    /// Takes what may be written now, `most` at the most.
    pub(crate) fn take_due(&mut self, now: Instant, most: usize) -> Vec<Target> {
        let may = |target: &Target| {
            let rested = self.resting.get(target).is_none_or(|rest| rest.until() <= now);
            rested && !self.in_flight.contains(target)
        };
        let due: Vec<(u64, Target)> = self
            .queue
            .iter()
            .filter(|(_, target)| may(target))
            .take(most)
            .map(|(place, target)| (*place, target.clone()))
            .collect();
        for (place, target) in &due {
            self.queue.remove(place);
            self.places.remove(target);
        }
        due.into_iter().map(|(_, target)| target).collect()
    }

    /// A write was sent.
    pub(crate) fn sent(&mut self, target: Target) {
        self.in_flight.insert(target);
    }

    /// The write, or the read, came back done.
    pub(crate) fn written(&mut self, target: Target, now: Instant) {
        self.in_flight.remove(&target);
        self.doubted.remove(&target);
        let pace = target.pace();
        if pace.is_zero() {
            self.resting.remove(&target);
        } else {
            self.resting.insert(target, Rest::Paced(now + pace));
        }
    }

    /// The write came back refused, or did not come back in time.
    pub(crate) fn failed(&mut self, target: Target, now: Instant) {
        self.in_flight.remove(&target);
        let failures = match self.resting.get(&target) {
            Some(Rest::Failed(_, failures)) => failures.saturating_add(1),
            _ => 1,
        };
        let pause = FIRST_RETRY.saturating_mul(1 << failures.min(16)).min(LAST_RETRY);
        self.resting
            .insert(target.clone(), Rest::Failed(now + pause, failures));
        self.touch(target);
    }

    /// Whether writes are under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// When [`Self::take_due`] has something next, of what rests.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let waits = |target: &Target| self.places.contains_key(target) && !self.in_flight.contains(target);
        self.resting
            .iter()
            .filter(|(target, _)| waits(target))
            .map(|(_, rest)| rest.until())
            .min()
    }
}

impl Rest {
    fn until(&self) -> Instant {
        match self {
            Self::Paced(until) | Self::Failed(until, _) => *until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::after_start(Duration::from_millis(milliseconds))
    }

    #[test]
    fn one_write_at_a_time_and_the_last_state_always() {
        let target = Target::Service(ServiceId::new("default", "web"));
        let mut outbox = Outbox::default();
        outbox.touch(target.clone());
        assert_eq!(outbox.take_due(at(0), 9), std::slice::from_ref(&target));
        outbox.sent(target.clone());
        outbox.touch(target.clone());
        assert_eq!(outbox.take_due(at(0), 9), []);
        outbox.written(target.clone(), at(1));
        assert_eq!(outbox.take_due(at(1), 9), [target]);
    }

    #[test]
    fn first_come_first_served_and_no_more_than_asked_for() {
        let of = |name: &str| Target::Lease(ServiceId::new("default", name));
        let mut outbox = Outbox::default();
        for name in ["b", "c", "a", "b"] {
            outbox.touch(of(name));
        }
        assert_eq!(outbox.take_due(at(0), 2), [of("b"), of("c")]);
        assert_eq!(outbox.take_due(at(0), 2), [of("a")]);
    }

    #[test]
    fn a_pool_is_written_once_a_second() {
        let target = Target::Pool("p".into());
        let mut outbox = Outbox::default();
        outbox.sent(target.clone());
        outbox.written(target.clone(), at(0));
        outbox.touch(target.clone());
        assert_eq!(outbox.take_due(at(999), 9), []);
        assert_eq!(outbox.next_due(), Some(at(1000)));
        assert_eq!(outbox.take_due(at(1000), 9), [target]);
    }

    #[test]
    fn failures_pause_longer_each_time_until_the_object_changes() {
        let target = Target::Service(ServiceId::new("default", "web"));
        let mut outbox = Outbox::default();
        outbox.failed(target.clone(), at(0));
        assert_eq!(outbox.next_due(), Some(at(100)));
        outbox.failed(target.clone(), at(100));
        assert_eq!(outbox.next_due(), Some(at(300)));
        outbox.observed(target.clone());
        assert_eq!(outbox.take_due(at(101), 9), [target]);
    }
}
