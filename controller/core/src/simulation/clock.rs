//! A machine's monotonic clock: it started at some other time than the world's, and runs a little too fast or too slow.

use std::time::Duration;

use super::Micros;
use super::dice::Dice;
use crate::time::Instant;

#[derive(Clone, Debug)]
pub(super) struct Clock {
    offset: u64,
    /// Millionths by which it runs too fast, from a hundred too slow.
    haste: u64,
    /// What it did not count, because it stood still.
    stood: u64,
}

const PPM: u64 = 1_000_000;

impl Clock {
    pub(super) fn roll(dice: &mut Dice) -> Self {
        Self {
            offset: dice.between(PPM, 1000 * PPM),
            haste: dice.below(201),
            stood: 0,
        }
    }

    pub(super) fn local(&self, now: Micros) -> Instant {
        let counted = now - self.stood;
        let drift = counted * self.haste / PPM + self.offset - counted / 10_000;
        Instant::after_start(Duration::from_micros(counted + drift))
    }

    /// The world's time at which this clock shows at least that.
    pub(super) fn world(&self, local: Instant, now: Micros) -> Micros {
        let wait = local - self.local(now);
        now + u64::try_from(wait.as_micros()).unwrap() * 10_001 / 10_000
    }

    pub(super) fn stand_still(&mut self, time: Micros) {
        self.stood += time;
    }
}
