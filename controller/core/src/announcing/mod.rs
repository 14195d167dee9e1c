//! When addresses are announced: at takeover, again 50, 150 and 500 ms and 2 s after that, and then at a low rate.
//!
//! A single frame is easily lost, and switches forget what they do not hear of. Who takes over thousands of addresses must not drown
//! the segment either, so every interface has a [`budget`](RATE): first announcements go before repetitions and
//! these before refreshes, and nothing waits for ever (design §4.10).

mod budget;
mod line;

use std::collections::BTreeMap;
use std::time::Duration;

pub use budget::{BURST, RATE};
use line::Line;

use crate::time::Instant;

/// When an address is announced again, after it was announced first.
const REPEATS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(500),
    Duration::from_secs(2),
];

/// The announcements to come, by interface and by whatever names an address there.
#[derive(Clone, Debug)]
pub struct Schedule<I, K> {
    interval: Duration,
    lines: BTreeMap<I, Line<K>>,
}

impl<I: Ord + Clone, K: Ord + Clone> Schedule<I, K> {
    /// A schedule that after the first two seconds announces every `interval`, which is not zero.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            lines: BTreeMap::new(),
        }
    }

    /// The address was taken over: it is to be announced from that moment on, and repeated.
    pub fn taken(&mut self, interface: I, key: K, from: Instant) {
        self.line(interface).take(key, from);
    }

    /// The address was found held, from an earlier run: only the low rate applies. Nothing changes for one that is known.
    pub fn adopted(&mut self, interface: I, key: K, now: Instant) {
        self.line(interface).adopt(key, now);
    }

    /// An address that is known is to be announced again soon, whatever its schedule says.
    pub fn again(&mut self, interface: I, key: &K, now: Instant) {
        self.line(interface).again(key, now);
    }

    fn line(&mut self, interface: I) -> &mut Line<K> {
        let interval = self.interval;
        self.lines.entry(interface).or_insert_with(|| Line::new(interval))
    }

    /// Drops everything that `held` does not hold any more. What was sent for it stays sent.
    pub fn retain(&mut self, held: impl Fn(&I, &K) -> bool) {
        for (interface, line) in &mut self.lines {
            line.retain(|key| held(interface, key));
        }
    }

    /// What is to be announced now, the most urgent first; each returned item is planned again.
    pub fn take_due(&mut self, now: Instant) -> Vec<(I, K)> {
        let mut due = Vec::new();
        for (interface, line) in &mut self.lines {
            due.extend(line.take_due(now).into_iter().map(|key| (interface.clone(), key)));
        }
        due
    }

    /// When [`Self::take_due`] has something next.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.lines.values().filter_map(Line::next_due).min()
    }
}

#[cfg(test)]
mod tests;
