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
    touched: BTreeSet<Target>,
    in_flight: BTreeSet<Target>,
    resting: BTreeMap<Target, Rest>,
}

impl Outbox {
    /// What the object should say may have changed.
    pub(crate) fn touch(&mut self, target: Target) {
        self.touched.insert(target);
    }

    /// The object itself was seen anew: a failure before that says nothing any more.
    pub(crate) fn observed(&mut self, target: Target) {
        if let Some(Rest::Failed(..)) = self.resting.get(&target) {
            self.resting.remove(&target);
        }
        self.touch(target);
    }

    /// Takes what may be written now.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<Target> {
        let due: Vec<Target> = self
            .touched
            .iter()
            .filter(|target| !self.in_flight.contains(target))
            .filter(|target| self.resting.get(target).is_none_or(|rest| rest.until() <= now))
            .cloned()
            .collect();
        for target in &due {
            self.touched.remove(target);
        }
        due
    }

    /// A write was sent.
    pub(crate) fn sent(&mut self, target: Target) {
        self.in_flight.insert(target);
    }

    /// The write came back done.
    pub(crate) fn written(&mut self, target: Target, now: Instant) {
        self.in_flight.remove(&target);
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
        let waiting = self
            .touched
            .iter()
            .filter(|target| !self.in_flight.contains(target));
        waiting
            .filter_map(|target| self.resting.get(target))
            .map(Rest::until)
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
        assert_eq!(outbox.take_due(at(0)), std::slice::from_ref(&target));
        outbox.sent(target.clone());
        outbox.touch(target.clone());
        assert_eq!(outbox.take_due(at(0)), []);
        outbox.written(target.clone(), at(1));
        assert_eq!(outbox.take_due(at(1)), [target]);
    }

    #[test]
    fn a_pool_is_written_once_a_second() {
        let target = Target::Pool("p".into());
        let mut outbox = Outbox::default();
        outbox.sent(target.clone());
        outbox.written(target.clone(), at(0));
        outbox.touch(target.clone());
        assert_eq!(outbox.take_due(at(999)), []);
        assert_eq!(outbox.next_due(), Some(at(1000)));
        assert_eq!(outbox.take_due(at(1000)), [target]);
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
        assert_eq!(outbox.take_due(at(101)), [target]);
    }
}
