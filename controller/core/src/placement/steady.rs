//! Hold-down: a node that lost addresses by force gets new ones only after it has been steady for a while, longer each
//! time it falls again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::names::NodeName;
use crate::time::Instant;

/// How long a node has to be steady after its first fall.
const FIRST_HOLD: Duration = Duration::from_secs(30);

/// However often it falls, it does not have to be steady for longer.
const LONGEST_HOLD: Duration = Duration::from_mins(10);

/// After so long without a fall, what was before is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fall {
    /// How often it fell, each time after it had been trusted again.
    times: u32,
    /// Since when it is steady; `None` while it is silent.
    steady_since: Option<Instant>,
    /// Whether addresses were taken from it, or its heartbeat was only late.
    was_deposed: bool,
}

impl Fall {
    /// When it is trusted again; `None` while it is silent.
    fn trusted_at(&self) -> Option<Instant> {
        let doublings = self.times.saturating_sub(1).min(16);
        let hold = FIRST_HOLD.saturating_mul(1 << doublings).min(LONGEST_HOLD);
        self.steady_since.map(|since| since + hold)
    }

    fn is_trusted(&self, now: Instant) -> bool {
        self.trusted_at().is_some_and(|at| at <= now)
    }
}

/// Which nodes fell lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steadiness {
    fallen: BTreeMap<NodeName, Fall>,
    /// Nodes that are trusted again and were reported as such.
    reported: BTreeSet<NodeName>,
}

impl Steadiness {
    /// A standby took addresses from the node. Many at once are one fall.
    pub fn lost(&mut self, node: &NodeName, now: Instant) {
        let fall = self.fall(node, now);
        fall.steady_since = fall.steady_since.map(|_| now);
        fall.was_deposed = true;
    }

    /// The node's heartbeat expired.
    pub fn fell_silent(&mut self, node: &NodeName, now: Instant) {
        self.fall(node, now).steady_since = None;
    }

    /// The node's heartbeat is fresh.
    pub fn heard(&mut self, node: &NodeName, now: Instant) {
        if let Some(fall) = self.fallen.get_mut(node) {
            fall.steady_since.get_or_insert(now);
        }
    }

    /// The node left the cluster; one of its name that joins later is another.
    pub fn forget(&mut self, node: &NodeName) {
        self.fallen.remove(node);
        self.reported.remove(node);
    }

    /// Whether the node is to get nothing new yet.
    #[must_use]
    pub fn is_held_down(&self, node: &NodeName, now: Instant) -> bool {
        self.fallen.get(node).is_some_and(|fall| !fall.is_trusted(now))
    }

    /// Whether a node that is held down lost addresses by force since it was last trusted.
    #[must_use]
    pub fn was_deposed(&self, node: &NodeName) -> bool {
        self.fallen.get(node).is_some_and(|fall| fall.was_deposed)
    }

    /// Lets time pass, and returns the nodes that are trusted again since the last call.
    pub fn advance(&mut self, now: Instant) -> BTreeSet<NodeName> {
        let is_over = |fall: &Fall| fall.trusted_at().is_some_and(|at| at + FORGOTTEN_AFTER <= now);
        self.fallen.retain(|_, fall| !is_over(fall));
        let trusted = self.fallen.iter().filter(|(_, fall)| fall.is_trusted(now));
        let trusted: BTreeSet<_> = trusted.map(|(node, _)| node.clone()).collect();
        let new = trusted.difference(&self.reported).cloned().collect();
        self.reported = trusted;
        new
    }

    /// When a node is trusted again next.
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let ends = self.fallen.values().filter_map(Fall::trusted_at);
        ends.filter(|at| *at > now).min()
    }

    fn fall(&mut self, node: &NodeName, now: Instant) -> &mut Fall {
        self.reported.remove(node);
        let fall = self.fallen.entry(node.clone()).or_insert(Fall {
            times: 1,
            steady_since: Some(now),
            was_deposed: false,
        });
        if fall.is_trusted(now) && fall.steady_since != Some(now) {
            fall.times = fall.times.saturating_add(1);
            fall.was_deposed = false;
        }
        fall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::after_start(Duration::from_secs(seconds))
    }

    fn node() -> NodeName {
        "node-1".into()
    }

    #[test]
    fn many_losses_are_one_fall_and_time_counts_from_the_last() {
        let mut steadiness = Steadiness::default();
        for second in [0, 1, 2] {
            steadiness.lost(&node(), at(second));
        }
        assert_eq!(steadiness.next_deadline(at(2)), Some(at(32)));
        assert!(steadiness.is_held_down(&node(), at(31)));
        assert!(!steadiness.is_held_down(&node(), at(32)));
        assert_eq!(steadiness.advance(at(31)), [].into());
        assert_eq!(steadiness.advance(at(32)), [node()].into());
        assert_eq!(steadiness.advance(at(33)), [].into());
    }

    #[test]
    fn a_silent_node_is_held_down_until_it_has_been_heard_for_a_while() {
        let mut steadiness = Steadiness::default();
        steadiness.fell_silent(&node(), at(0));
        assert!(steadiness.is_held_down(&node(), at(10_000)));
        assert_eq!(steadiness.next_deadline(at(0)), None);
        steadiness.heard(&node(), at(10_000));
        steadiness.heard(&node(), at(10_010));
        assert_eq!(steadiness.next_deadline(at(10_010)), Some(at(10_030)));
    }

    #[test]
    fn each_fall_doubles_the_hold_up_to_ten_minutes_and_long_steadiness_forgets() {
        let mut steadiness = Steadiness::default();
        let (mut now, mut holds) = (0, Vec::new());
        for _ in 0..7 {
            steadiness.lost(&node(), at(now));
            let trusted = (now..now + 1000).find(|second| !steadiness.is_held_down(&node(), at(*second)));
            holds.push(trusted.unwrap() - now);
            now = trusted.unwrap() + 1;
        }
        assert_eq!(holds, [30, 60, 120, 240, 480, 600, 600]);
        steadiness.advance(at(now + 1800));
        steadiness.lost(&node(), at(now + 1800));
        assert_eq!(steadiness.next_deadline(at(now + 1800)), Some(at(now + 1830)));
    }
}
