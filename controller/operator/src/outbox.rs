//! What is to be written, when: level-triggered, one write per object at a time.
//!
//! An object is *touched* when what it should say may have changed. A failed write is tried again with growing
//! pauses until it succeeds or the object changes. Pools and policies sum up many services: they are looked at and
//! written at most once a second, their last state always, and never stand in one line with what they sum up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use lightship_core::names::{PolicyName, PoolName, ServiceId};
use lightship_core::time::Instant;

const SUMMARY_PACE: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Writes of pools and policies under way at once, beside all others.
const MOST_SUMMARIES: usize = 2;

/// Those who stand in one line. None waits for the other: an address must not wait for ten thousand pools, nor the
/// counts of a pool for ten thousand addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Services and leases.
    Services,
    /// Pools and policies.
    Summaries,
}

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
    /// The object that tells agents about each other.
    Members,
}

impl Target {
    /// The kind, as metrics label it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Service(_) => "service",
            Self::Lease(_) => "lease",
            Self::Pool(_) => "pool",
            Self::Policy(_) => "policy",
            Self::Members => "members",
        }
    }

    fn lane(&self) -> Lane {
        match self {
            Self::Service(_) | Self::Lease(_) => Lane::Services,
            Self::Pool(_) | Self::Policy(_) | Self::Members => Lane::Summaries,
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
            Self::Members => f.write_str("the members object"),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Rest {
    /// It was just looked at or written, or is left to somebody else for a while.
    Paced(Instant),
    /// It failed that many times in a row.
    Failed(Instant, u32),
}

/// The writes to come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    /// Touched objects, in each lane first come first served, so that under load nothing starves.
    queue: BTreeMap<(Lane, u64), Target>,
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
            self.queue
                .insert((target.lane(), self.next_place), target.clone());
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

    /// The object is not written before `until`: somebody else is busy with it, or with others like it.
    pub(crate) fn rest(&mut self, target: Target, until: Instant) {
        self.resting.insert(target, Rest::Paced(until));
    }

    /// Nobody is busy with the object any more.
    pub(crate) fn wake(&mut self, target: &Target) {
        if let Some(Rest::Paced(_)) = self.resting.get(target) {
            self.resting.remove(target);
        }
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

    /// How many more summaries may be under way.
    pub(crate) fn room_for_summaries(&self) -> usize {
        let under_way = self
            .in_flight
            .iter()
            .filter(|target| target.lane() == Lane::Summaries);
        MOST_SUMMARIES.saturating_sub(under_way.count())
    }

    /// Takes what may be written now of one lane, `most` at the most.
    pub(crate) fn take_due(&mut self, lane: Lane, now: Instant, most: usize) -> Vec<Target> {
        let may = |target: &Target| {
            let rested = self.resting.get(target).is_none_or(|rest| rest.until() <= now);
            rested && !self.in_flight.contains(target)
        };
        let due: Vec<(u64, Target)> = self
            .queue
            .range((lane, 0)..=(lane, u64::MAX))
            .filter(|(_, target)| may(target))
            .take(most)
            .map(|((_, place), target)| (*place, target.clone()))
            .collect();
        for (place, target) in &due {
            self.queue.remove(&(lane, *place));
            self.places.remove(target);
        }
        due.into_iter().map(|(_, target)| target).collect()
    }

    /// The object says already what it should. For a summary that is costly to find out, so not at every change.
    pub(crate) fn found_right(&mut self, target: Target, now: Instant) {
        if target.lane() == Lane::Summaries {
            self.resting.insert(target, Rest::Paced(now + SUMMARY_PACE));
        }
    }

    /// A write was sent.
    pub(crate) fn sent(&mut self, target: Target) {
        self.in_flight.insert(target);
    }

    /// The write, or the read, came back done.
    pub(crate) fn written(&mut self, target: Target, now: Instant) {
        self.in_flight.remove(&target);
        self.doubted.remove(&target);
        match target.lane() {
            Lane::Services => self.resting.remove(&target),
            Lane::Summaries => self.resting.insert(target, Rest::Paced(now + SUMMARY_PACE)),
        };
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

    /// Whether nothing is to be written to the object, nor under way.
    pub(crate) fn is_settled(&self, target: &Target) -> bool {
        !self.places.contains_key(target) && !self.in_flight.contains(target)
    }

    /// Whether writes are under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// When something will have rested that rests now. What has rested already and is still here waits for a write to
    /// come back, not for time to pass: a deadline in the past would keep its owner awake for nothing.
    pub(crate) fn next_due(&self, now: Instant) -> Option<Instant> {
        let waits = |target: &Target| self.places.contains_key(target) && !self.in_flight.contains(target);
        self.resting
            .iter()
            .filter(|(target, rest)| now < rest.until() && waits(target))
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
        assert_eq!(
            outbox.take_due(Lane::Services, at(0), 9),
            std::slice::from_ref(&target)
        );
        outbox.sent(target.clone());
        outbox.touch(target.clone());
        assert_eq!(outbox.take_due(Lane::Services, at(0), 9), []);
        outbox.written(target.clone(), at(1));
        assert_eq!(outbox.take_due(Lane::Services, at(1), 9), [target]);
    }

    #[test]
    fn first_come_first_served_and_no_more_than_asked_for() {
        let of = |name: &str| Target::Lease(ServiceId::new("default", name));
        let mut outbox = Outbox::default();
        for name in ["b", "c", "a", "b"] {
            outbox.touch(of(name));
        }
        assert_eq!(outbox.take_due(Lane::Services, at(0), 2), [of("b"), of("c")]);
        assert_eq!(outbox.take_due(Lane::Services, at(0), 2), [of("a")]);
    }

    #[test]
    fn a_pool_is_written_once_a_second() {
        let target = Target::Pool("p".into());
        let mut outbox = Outbox::default();
        outbox.sent(target.clone());
        outbox.written(target.clone(), at(0));
        outbox.touch(target.clone());
        assert_eq!(outbox.take_due(Lane::Summaries, at(999), 9), []);
        assert_eq!(outbox.next_due(at(999)), Some(at(1000)));
        assert_eq!(outbox.take_due(Lane::Summaries, at(1000), 9), [target]);
    }

    #[test]
    fn who_has_rested_and_finds_no_room_is_not_waited_for() {
        let target = Target::Pool("p".into());
        let mut outbox = Outbox::default();
        outbox.sent(target.clone());
        outbox.written(target.clone(), at(0));
        outbox.touch(target.clone());
        assert_eq!(outbox.take_due(Lane::Summaries, at(1000), 0), []);
        assert_eq!(outbox.next_due(at(1000)), None);
        assert_eq!(outbox.take_due(Lane::Summaries, at(1001), 9), [target]);
    }

    #[test]
    fn neither_lane_waits_for_the_other() {
        let mut outbox = Outbox::default();
        let service = Target::Service(ServiceId::new("default", "web"));
        let pools = ["p", "q", "r"].map(|name| Target::Pool(name.into()));
        for target in pools.iter().chain([&service]) {
            outbox.touch(target.clone());
        }
        assert_eq!(outbox.room_for_summaries(), 2);
        let [first, second, third] = pools;
        for target in outbox.take_due(Lane::Summaries, at(0), 2) {
            outbox.sent(target);
        }
        assert_eq!(outbox.room_for_summaries(), 0);
        assert_eq!(outbox.take_due(Lane::Services, at(0), 9), [service]);
        outbox.written(first, at(1));
        outbox.found_right(second, at(1));
        assert_eq!(outbox.room_for_summaries(), 1);
        assert_eq!(outbox.take_due(Lane::Summaries, at(1), 9), [third]);
    }

    #[test]
    fn failures_pause_longer_each_time_until_the_object_changes() {
        let target = Target::Service(ServiceId::new("default", "web"));
        let mut outbox = Outbox::default();
        outbox.failed(target.clone(), at(0));
        assert_eq!(outbox.next_due(at(0)), Some(at(100)));
        outbox.failed(target.clone(), at(100));
        assert_eq!(outbox.next_due(at(100)), Some(at(300)));
        outbox.observed(target.clone());
        assert_eq!(outbox.take_due(Lane::Services, at(101), 9), [target]);
    }

    #[test]
    fn no_pause_is_longer_than_half_a_minute() {
        let target = Target::Service(ServiceId::new("default", "web"));
        let mut outbox = Outbox::default();
        for _ in 0..100 {
            outbox.failed(target.clone(), at(0));
        }
        assert_eq!(outbox.next_due(at(0)), Some(at(30_000)));
    }

    #[test]
    fn a_summary_found_right_is_not_looked_at_again_at_every_change() {
        let mut outbox = Outbox::default();
        let (pool, service) = (
            Target::Pool("p".into()),
            Target::Service(ServiceId::new("default", "web")),
        );
        for target in [&pool, &service] {
            outbox.found_right(target.clone(), at(0));
            outbox.touch(target.clone());
        }
        assert_eq!(outbox.take_due(Lane::Services, at(0), 9), [service]);
        assert_eq!(outbox.take_due(Lane::Summaries, at(999), 9), []);
        assert_eq!(outbox.take_due(Lane::Summaries, at(1_000), 9), [pool]);
    }

    #[test]
    fn what_rests_is_written_later_or_when_it_is_woken() {
        let lease = |name| Target::Lease(ServiceId::new("default", name));
        let mut outbox = Outbox::default();
        for name in ["a", "b"] {
            outbox.rest(lease(name), at(2000));
            outbox.touch(lease(name));
        }
        outbox.wake(&lease("b"));
        let take = |outbox: &mut Outbox, now| outbox.take_due(Lane::Services, at(now), 9);
        assert_eq!(take(&mut outbox, 1999), [lease("b")]);
        assert_eq!(take(&mut outbox, 2000), [lease("a")]);
    }
}
