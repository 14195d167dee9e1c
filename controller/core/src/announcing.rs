//! When a new holder repeats its gratuitous ARP: after 50, 150 and 500 ms and after 2 s, then at a low rate.
//! The first frame goes out with the entry itself.
//!
//! A single frame is easily lost, and switches forget what they do not hear of (design §4.10).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Instant;

const REPEATS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(500),
    Duration::from_secs(2),
];

#[derive(Clone, Copy, Debug)]
struct Due {
    taken_at: Instant,
    sent: usize,
    next: Instant,
}

/// The announcements to come, by whatever names an address on an interface.
#[derive(Clone, Debug)]
pub struct Schedule<K> {
    interval: Duration,
    due: BTreeMap<K, Due>,
}

impl<K: Ord + Clone> Schedule<K> {
    /// A schedule that after the first two seconds announces every `interval`.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            due: BTreeMap::new(),
        }
    }

    /// The address was taken over and announced for the first time now.
    pub fn taken(&mut self, key: K, now: Instant) {
        let [first, ..] = REPEATS;
        self.due.insert(
            key,
            Due {
                taken_at: now,
                sent: 0,
                next: now + first,
            },
        );
    }

    /// The address was found held, from an earlier run: only the low rate applies.
    pub fn adopted(&mut self, key: K, now: Instant) {
        let next = now + self.interval;
        self.due.entry(key).or_insert(Due {
            taken_at: now,
            sent: REPEATS.len(),
            next,
        });
    }

    /// Drops everything that `held` does not hold any more.
    pub fn retain(&mut self, held: impl Fn(&K) -> bool) {
        self.due.retain(|key, _| held(key));
    }

    /// What is to be announced now; each returned item is planned again.
    pub fn take_due(&mut self, now: Instant) -> Vec<K> {
        let interval = self.interval;
        let mut ready = Vec::new();
        for (key, due) in self.due.iter_mut().filter(|(_, due)| due.next <= now) {
            ready.push(key.clone());
            due.sent += 1;
            due.next = match REPEATS.get(due.sent) {
                Some(after) => due.taken_at + *after,
                None => now + interval,
            };
        }
        ready
    }

    /// When [`Self::take_due`] has something next.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.due.values().map(|due| due.next).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::after_start(Duration::from_millis(milliseconds))
    }

    fn run(schedule: &mut Schedule<&'static str>, until: u64) -> Vec<u64> {
        (0..=until)
            .filter(|now| !schedule.take_due(at(*now)).is_empty())
            .collect()
    }

    #[test]
    fn a_takeover_is_repeated_and_then_refreshed_at_the_interval() {
        let mut schedule = Schedule::new(Duration::from_secs(10));
        schedule.taken("10.0.10.0", at(0));
        assert_eq!(run(&mut schedule, 23_000), [50, 150, 500, 2000, 12_000, 22_000]);
    }

    #[test]
    fn an_adopted_address_only_refreshes_and_a_lost_one_falls_silent() {
        let mut schedule = Schedule::new(Duration::from_secs(10));
        schedule.adopted("10.0.10.0", at(0));
        assert_eq!(schedule.next_due(), Some(at(10_000)));
        schedule.retain(|_| false);
        assert_eq!(schedule.next_due(), None);
    }
}
