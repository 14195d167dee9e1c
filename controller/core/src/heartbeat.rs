//! Which agents are alive, judged by the observer's own clock since it last saw a heartbeat change.
//!
//! Wall clocks of nodes do not matter: a record's `renewTime` only shows that it changed. When more than half of the
//! heartbeats expire together it is the API that was away, and nothing is believed for one more duration.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::inventory::Inventory;
use crate::names::NodeName;
use crate::time::Instant;

/// What is known of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Its heartbeat changed within its duration.
    Fresh,
    /// Its heartbeat has not changed for longer than its duration.
    Expired,
    /// It has not for so long that nobody counts on it any more.
    Gone,
}

/// Who is there, as far as it changes what is decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Nodes whose agents are alive.
    pub fresh: BTreeSet<NodeName>,
    /// Those that nobody counts on any more.
    pub gone: BTreeSet<NodeName>,
}

/// After how many durations without a change a heartbeat is [`Freshness::Gone`]: an API server with much to do makes many late.
const GONE_AFTER: u32 = 4;

#[derive(Clone, Debug)]
struct Heartbeat {
    renewal: String,
    duration: Duration,
    changed_at: Instant,
    inventory: Inventory,
}

impl Heartbeat {
    fn expires_at(&self) -> Instant {
        self.changed_at + self.duration
    }

    fn gone_at(&self) -> Instant {
        self.changed_at + self.duration * GONE_AFTER
    }
}

/// The heartbeats of all agents.
#[derive(Clone, Debug, Default)]
pub struct Heartbeats {
    nodes: BTreeMap<NodeName, Heartbeat>,
    doubted_until: Option<Instant>,
    /// When any heartbeat was last seen to change: proof that changes are seen at all.
    proven: Option<Instant>,
}

impl Heartbeats {
    /// Takes in a heartbeat as read: `renewal` is whatever changes with every renewal.
    pub fn observe(
        &mut self,
        node: NodeName,
        renewal: String,
        duration: Duration,
        inventory: Inventory,
        now: Instant,
    ) {
        let changed_at = match self.nodes.get(&node) {
            Some(known) if known.renewal == renewal => known.changed_at,
            _ => {
                self.prove(duration, now);
                now
            }
        };
        self.nodes.insert(
            node,
            Heartbeat {
                renewal,
                duration,
                changed_at,
                inventory,
            },
        );
    }

    /// A change is seen. Where none was for longer than agents let pass between two, nobody was listening: that time counts
    /// against none of them.
    fn prove(&mut self, duration: Duration, now: Instant) {
        let gap = self.proven.map_or(Duration::ZERO, |last| now - last);
        if gap > duration / 2 {
            for beat in self.nodes.values_mut() {
                beat.changed_at = beat.changed_at + gap;
            }
        }
        self.proven = Some(now);
    }

    /// Whether anything was heard lately: all renew every third of the duration, so the first to expire after that is not the
    /// only one that is not heard.
    fn is_proven(&self, duration: Duration, now: Instant) -> bool {
        self.proven.is_some_and(|last| (now - last) * 5 <= duration * 3)
    }

    /// When nobody is believed to live any more of whom nothing is heard: all at the same moment, so that nobody seems better
    /// than the others.
    fn given_up(&self, duration: Duration) -> Instant {
        self.proven.unwrap_or_default() + duration * 2
    }

    /// The heartbeat was deleted: the agent is gone on purpose.
    pub fn forget(&mut self, node: &NodeName) {
        self.nodes.remove(node);
    }

    /// Weighs the expiries seen by now, and returns who is there; call before asking [`Self::freshness`].
    pub fn advance(&mut self, now: Instant) -> Census {
        let expired = self.nodes.values().filter(|beat| now >= beat.expires_at());
        let just_expired = expired
            .clone()
            .filter(|beat| now - beat.expires_at() < beat.duration)
            .count();
        let longest = expired.map(|beat| beat.duration).max().unwrap_or_default();
        if self.doubted_until.is_none() && just_expired > 1 && just_expired * 2 > self.nodes.len() {
            self.doubted_until = Some(now + longest);
        } else if just_expired == 0 {
            self.doubted_until = None;
        }
        let mut census = Census::default();
        for node in self.nodes.keys() {
            match self.freshness(node, now) {
                Some(Freshness::Fresh) => census.fresh.insert(node.clone()),
                Some(Freshness::Gone) => census.gone.insert(node.clone()),
                Some(Freshness::Expired) | None => false,
            };
        }
        census
    }

    /// What is known of the agent on `node`, `None` when it never reported.
    #[must_use]
    pub fn freshness(&self, node: &NodeName, now: Instant) -> Option<Freshness> {
        let beat = self.nodes.get(node)?;
        let doubted = self.doubted_until.is_some_and(|until| now < until);
        let unheard = !self.is_proven(beat.duration, now) && now < self.given_up(beat.duration);
        Some(if now < beat.expires_at() || doubted || unheard {
            Freshness::Fresh
        } else if now < beat.gone_at() {
            Freshness::Expired
        } else {
            Freshness::Gone
        })
    }

    /// The interfaces the agent on `node` last reported.
    #[must_use]
    pub fn inventory(&self, node: &NodeName) -> Option<&Inventory> {
        self.nodes.get(node).map(|beat| &beat.inventory)
    }

    /// The next moment at which [`Self::freshness`] may change by itself.
    #[must_use]
    pub fn next_expiry(&self, now: Instant) -> Option<Instant> {
        let beats = self.nodes.values();
        let expiries =
            beats.flat_map(|beat| [beat.expires_at(), self.given_up(beat.duration), beat.gone_at()]);
        expiries.chain(self.doubted_until).filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DURATION: Duration = Duration::from_secs(15);

    fn at(seconds: u64) -> Instant {
        Instant::after_start(Duration::from_secs(seconds))
    }

    fn beat(beats: &mut Heartbeats, node: &str, renewal: u64, now: Instant) {
        beats.observe(
            node.into(),
            renewal.to_string(),
            DURATION,
            Inventory::default(),
            now,
        );
        beats.advance(now);
    }

    fn fresh(beats: &mut Heartbeats, node: &str, now: Instant) -> Option<Freshness> {
        beats.advance(now);
        beats.freshness(&node.into(), now)
    }

    #[test]
    fn an_unchanged_record_expires_after_its_duration() {
        let mut beats = Heartbeats::default();
        for node in ["node-1", "node-2", "node-3"] {
            beat(&mut beats, node, 0, at(0));
        }
        for node in ["node-2", "node-3"] {
            beat(&mut beats, node, 1, at(7));
        }
        beat(&mut beats, "node-1", 0, at(7));
        assert_eq!(beats.next_expiry(at(7)), Some(at(15)));
        assert_eq!(fresh(&mut beats, "node-1", at(14)), Some(Freshness::Fresh));
        assert_eq!(fresh(&mut beats, "node-1", at(15)), Some(Freshness::Expired));
        assert_eq!(fresh(&mut beats, "node-2", at(15)), Some(Freshness::Fresh));
        assert_eq!(fresh(&mut beats, "node-4", at(15)), None);
    }

    #[test]
    fn time_in_which_nobody_was_heard_counts_against_nobody() {
        let mut beats = Heartbeats::default();
        for node in ["node-1", "node-2", "node-3"] {
            beat(&mut beats, node, 0, at(0));
        }
        for node in ["node-1", "node-2"] {
            beat(&mut beats, node, 1, at(5));
        }
        // The API server freezes for a minute; of those who renew at once, one is heard first.
        assert_eq!(fresh(&mut beats, "node-1", at(50)), Some(Freshness::Expired));
        beat(&mut beats, "node-1", 2, at(65));
        assert_eq!(fresh(&mut beats, "node-2", at(65)), Some(Freshness::Fresh));
        beat(&mut beats, "node-2", 2, at(67));
        beat(&mut beats, "node-1", 3, at(70));
        assert_eq!(fresh(&mut beats, "node-3", at(74)), Some(Freshness::Fresh));
        beat(&mut beats, "node-1", 4, at(75));
        beat(&mut beats, "node-2", 3, at(75));
        assert_eq!(
            fresh(&mut beats, "node-3", at(75)),
            Some(Freshness::Expired),
            "dead for fifteen seconds that count"
        );
    }

    #[test]
    fn the_first_of_several_to_expire_is_not_believed_before_the_others() {
        let mut beats = Heartbeats::default();
        for (node, start) in [("node-1", 0), ("node-2", 2), ("node-3", 4)] {
            beat(&mut beats, node, 0, at(start));
        }
        // The API server is away from here on; each would expire alone.
        for seconds in 15..29 {
            assert_eq!(fresh(&mut beats, "node-1", at(seconds)), Some(Freshness::Fresh));
        }
        assert_eq!(
            fresh(&mut beats, "node-1", at(60)),
            Some(Freshness::Gone),
            "for good"
        );
    }

    #[test]
    fn when_most_expire_together_the_api_was_away() {
        let mut beats = Heartbeats::default();
        for node in ["node-1", "node-2", "node-3"] {
            beat(&mut beats, node, 0, at(0));
        }
        assert_eq!(fresh(&mut beats, "node-1", at(20)), Some(Freshness::Fresh));
        for node in ["node-2", "node-3"] {
            beat(&mut beats, node, 1, at(21));
        }
        for node in ["node-2", "node-3"] {
            beat(&mut beats, node, 2, at(28));
        }
        assert_eq!(fresh(&mut beats, "node-1", at(29)), Some(Freshness::Fresh));
        for node in ["node-2", "node-3"] {
            beat(&mut beats, node, 3, at(35));
        }
        assert_eq!(
            fresh(&mut beats, "node-1", at(36)),
            Some(Freshness::Expired),
            "it stays silent for good"
        );
        assert_eq!(fresh(&mut beats, "node-2", at(36)), Some(Freshness::Fresh));
    }
}
