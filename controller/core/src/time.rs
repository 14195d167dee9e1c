//! Time as decisions see it: handed in, never read.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment on the observer's own monotonic clock, as the time since an arbitrary start.
///
/// Only differences mean anything; moments of two processes cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Instant(Duration);

impl Instant {
    /// The moment `since_start` after the clock's start.
    #[must_use]
    pub const fn after_start(since_start: Duration) -> Self {
        Self(since_start)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// The clock's start when it would be before that.
    fn sub(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(earlier))
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// Zero when `earlier` is in fact later.
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A `creationTimestamp` or another time the API server wrote, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp(pub i64);
