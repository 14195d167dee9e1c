//! Which of several operators acts, by client-go's clock rule.
//!
//! The record's times are never compared with a clock of ours: they only show that the record *changed*, and expiry
//! counts from the local moment at which that was seen. A leader stops acting when its last successful renewal is
//! older than the renew deadline, which is shorter than what a rival waits.

use crate::time::Instant;
use crate::timing::LeaseTimings;

/// The leader lease as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// `holderIdentity`, `None` when released.
    pub holder: Option<String>,
    /// Anything that changes with every write, such as the resourceVersion.
    pub version: String,
}

/// What the candidate should do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Create the lease: there is none.
    Create,
    /// Write ourselves into the lease at this version; another holder's time is up, or it is free.
    Take(String),
    /// Renew our lease at this version.
    Renew(String),
    /// Read again at the latest at this moment.
    Wait(Instant),
}

/// One candidate.
#[derive(Clone, Debug)]
pub struct Elector {
    identity: String,
    timings: LeaseTimings,
    observed: Option<(Record, Instant)>,
    renewed_at: Option<Instant>,
}

impl Elector {
    /// A candidate that has seen nothing yet.
    #[must_use]
    pub fn new(identity: impl Into<String>, timings: LeaseTimings) -> Self {
        Self {
            identity: identity.into(),
            timings,
            observed: None,
            renewed_at: None,
        }
    }

    /// Takes in the lease as just read, `None` when there is none, and says what to do.
    pub fn read(&mut self, record: Option<Record>, now: Instant) -> Step {
        let Some(record) = record else {
            self.observed = None;
            return Step::Create;
        };
        let changed_at = match &self.observed {
            Some((known, changed_at)) if *known == record => *changed_at,
            _ => now,
        };
        let version = record.version.clone();
        let step = match record.holder.as_deref() {
            None | Some("") => Step::Take(version),
            Some(holder) if holder == self.identity => Step::Renew(version),
            Some(_) => {
                self.renewed_at = None;
                let expires_at = changed_at + self.timings.lease_duration();
                if now >= expires_at {
                    Step::Take(version)
                } else {
                    Step::Wait(expires_at.min(now + self.timings.retry_period()))
                }
            }
        };
        self.observed = Some((record, changed_at));
        step
    }

    /// The write of the last [`Step`] was accepted; `sent_at` is the moment before it was sent.
    pub fn written(&mut self, record: Record, sent_at: Instant) {
        self.observed = Some((record, sent_at));
        self.renewed_at = Some(sent_at);
    }

    /// Whether this candidate may act now.
    #[must_use]
    pub fn leads(&self, now: Instant) -> bool {
        self.leads_until().is_some_and(|until| now < until)
    }

    /// The moment at which leading ends unless a renewal succeeds before.
    #[must_use]
    pub fn leads_until(&self) -> Option<Instant> {
        self.renewed_at.map(|at| at + self.timings.leads_for())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::after_start(Duration::from_millis(milliseconds))
    }

    fn held(by: &str, version: u64) -> Record {
        Record {
            holder: Some(by.into()),
            version: version.to_string(),
        }
    }

    #[test]
    fn a_free_lease_is_taken_and_renewed() {
        let mut one = Elector::new("one", LeaseTimings::default());
        assert_eq!(one.read(None, at(0)), Step::Create);
        one.written(held("one", 1), at(0));
        assert!(one.leads(at(9_999)));
        assert_eq!(one.read(Some(held("one", 1)), at(5_000)), Step::Renew("1".into()));
        let free = Record {
            holder: Some(String::new()),
            version: "2".into(),
        };
        assert_eq!(one.read(Some(free), at(6_000)), Step::Take("2".into()));
    }

    #[test]
    fn anothers_lease_counts_from_the_moment_its_change_was_seen() {
        let mut two = Elector::new("two", LeaseTimings::default());
        assert_eq!(two.read(Some(held("one", 1)), at(0)), Step::Wait(at(2_000)));
        assert_eq!(two.read(Some(held("one", 2)), at(10_000)), Step::Wait(at(12_000)));
        assert_eq!(two.read(Some(held("one", 2)), at(24_999)), Step::Wait(at(25_000)));
        assert_eq!(two.read(Some(held("one", 2)), at(25_000)), Step::Take("2".into()));
        assert!(!two.leads(at(25_000)), "a take counts only once written");
    }

    proptest! {
        /// Two candidates with clocks that start anywhere, pauses of any length and lost answers never lead at once.
        #[test]
        fn never_two_leaders(moves in prop::collection::vec((0..2usize, 0..4_000u64, any::<bool>()), 1..300),
                             skew in 0..1_000_000u64) {
            let timings = LeaseTimings::default();
            let mut electors = [Elector::new("0", timings), Elector::new("1", timings)];
            let clock = |who: usize, now: u64| at(if who == 0 { now } else { now + skew });
            let (mut lease, mut version, mut now) = (None, 0u64, 0u64);
            for (who, pause, answer_lost) in moves {
                now += pause;
                let local = clock(who, now);
                let step = electors[who].read(lease.clone(), local);
                if !matches!(step, Step::Wait(_)) {
                    version += 1;
                    let record = held(&who.to_string(), version);
                    lease = Some(record.clone());
                    if !answer_lost {
                        electors[who].written(record, local);
                    }
                }
                prop_assert!(!(electors[0].leads(clock(0, now)) && electors[1].leads(clock(1, now))));
            }
        }
    }
}
