//! The one place that reads clocks: decisions get the time handed in.

use jiff::Timestamp;
use lightship_core::time::Instant;

/// The process's monotonic clock, and the wall clock for what is written into objects.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: tokio::time::Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: tokio::time::Instant::now(),
        }
    }

    /// Now, for decisions.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::after_start(self.start.elapsed())
    }

    /// Now, for people who read objects.
    #[must_use]
    pub fn wall() -> Timestamp {
        Timestamp::now()
    }

    /// Ends at `moment`; never when there is none.
    pub async fn until(&self, moment: Option<Instant>) {
        match moment {
            Some(moment) => {
                tokio::time::sleep_until(self.start + (moment - Instant::default())).await;
            }
            None => std::future::pending().await,
        }
    }
}
