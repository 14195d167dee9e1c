//! The three lease timings, by Cilium's names and with its sanitising rules (reference: L2 announcements §2.6).

use std::time::Duration;

/// The API server counts a write's time in milliseconds; none at all would mean its own default.
const SHORTEST_WRITE: Duration = Duration::from_millis(1);

/// An API server that takes longer is not answering.
const LONGEST_WRITE: Duration = Duration::from_secs(5);

/// How long a record counts, how long a renewal may take, how soon a failed one is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimings {
    lease_duration: Duration,
    renew_deadline: Duration,
    retry_period: Duration,
}

impl LeaseTimings {
    /// Timings that can work, with a sentence for every value that had to be changed.
    #[must_use]
    pub fn sanitised(
        lease_duration: Duration,
        renew_deadline: Duration,
        retry_period: Duration,
    ) -> (Self, Vec<String>) {
        let mut warnings = Vec::new();
        let mut change = |name: &str, from: Duration, to: Duration, why: &str| {
            warnings.push(format!("l2-announcements-{name} {from:?} {why}: using {to:?}"));
            to
        };
        let mut timings = Self {
            lease_duration,
            renew_deadline,
            retry_period,
        };
        if timings.lease_duration < Duration::from_secs(1) {
            timings.lease_duration = change(
                "lease-duration",
                lease_duration,
                Duration::from_secs(1),
                "is below one second",
            );
        }
        if timings.renew_deadline.is_zero() {
            timings.renew_deadline = change(
                "renew-deadline",
                renew_deadline,
                Duration::from_secs(1),
                "is zero",
            );
        }
        if timings.retry_period.is_zero() {
            timings.retry_period = change(
                "retry-period",
                retry_period,
                Duration::from_millis(200),
                "is zero",
            );
        }
        if timings.lease_duration <= timings.renew_deadline {
            let half = timings.lease_duration / 2;
            timings.renew_deadline = change(
                "renew-deadline",
                timings.renew_deadline,
                half,
                "is not below the lease duration",
            );
        }
        if timings.renew_deadline <= timings.retry_period.mul_f64(1.2) {
            let half = timings.renew_deadline / 2;
            timings.retry_period = change(
                "retry-period",
                timings.retry_period,
                half,
                "is too close to the renew deadline",
            );
        }
        (timings, warnings)
    }

    /// How long a record counts after it was last seen to change.
    #[must_use]
    pub fn lease_duration(&self) -> Duration {
        self.lease_duration
    }

    /// `leaseDurationSeconds` of our leases: whole seconds, at least one.
    #[must_use]
    pub fn lease_duration_seconds(&self) -> i32 {
        i32::try_from(self.lease_duration.as_secs()).unwrap_or(i32::MAX)
    }

    /// How long the responder answers after the last sign of life of its agent.
    #[must_use]
    pub fn liveness(&self) -> Duration {
        liveness(self.lease_duration)
    }

    /// How long a holder goes on without a successful renewal.
    #[must_use]
    pub fn renew_deadline(&self) -> Duration {
        self.renew_deadline
    }

    /// The pause between tries after a failed one.
    #[must_use]
    pub fn retry_period(&self) -> Duration {
        self.retry_period
    }

    /// How long a leader goes on leading after it sent the last renewal that succeeded.
    #[must_use]
    pub fn leads_for(&self) -> Duration {
        self.renew_deadline.max(self.renew_interval() * 2)
    }

    /// How long the API server may work on a write: what a leader sent with its last breath is over before its lease
    /// is, with a fifth of that time left for the way there.
    #[must_use]
    pub fn write_limit(&self) -> Duration {
        let left = self.lease_duration.saturating_sub(self.leads_for());
        (left * 4 / 5).clamp(SHORTEST_WRITE, LONGEST_WRITE)
    }

    /// The pause between two renewals when nothing fails: a third of the lease duration.
    #[must_use]
    pub fn renew_interval(&self) -> Duration {
        self.lease_duration / 3
    }
}

/// How long a responder answers without its agent where heartbeats count for so long.
///
/// Longer than that by a renewal, and by a second at least: heartbeats are older than the last sign of life by up to a renewal's
/// interval, or younger by up to a fifth of the duration, and until the heartbeat has expired, the operator has written who
/// holds now, and that one's claim has come, nobody else answers. The claim ends it in the kernel.
#[must_use]
pub fn liveness(lease_duration: Duration) -> Duration {
    lease_duration + (lease_duration / 3).max(Duration::from_secs(1))
}

/// How often the responder is shown that its agent lives: often enough that a few missed signs do not silence it.
#[must_use]
pub fn beat_interval(lease_duration: Duration) -> Duration {
    (lease_duration / 5).clamp(Duration::from_millis(50), Duration::from_secs(1))
}

impl Default for LeaseTimings {
    /// Cilium's defaults: 15 s, 5 s and 2 s.
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(5),
            retry_period: Duration::from_secs(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(lease: f64, renew: f64, retry: f64) -> (LeaseTimings, usize) {
        let (timings, warnings) = LeaseTimings::sanitised(
            Duration::from_secs_f64(lease),
            Duration::from_secs_f64(renew),
            Duration::from_secs_f64(retry),
        );
        (timings, warnings.len())
    }

    #[test]
    fn sensible_values_are_kept_without_a_word() {
        let (timings, warnings) = seconds(3.0, 1.0, 0.5);
        assert_eq!(warnings, 0);
        assert_eq!(timings.lease_duration(), Duration::from_secs(3));
        assert_eq!(timings.renew_interval(), Duration::from_secs(1));
    }

    #[test]
    fn the_last_write_of_a_leader_is_over_before_its_lease() {
        assert_eq!(LeaseTimings::default().write_limit(), Duration::from_secs(4));
        for (lease, renew, retry) in [
            (15.0, 5.0, 2.0),
            (15.0, 14.0, 2.0),
            (3.0, 1.0, 0.5),
            (1.0, 0.9, 0.1),
        ] {
            let (timings, _) = seconds(lease, renew, retry);
            let over = timings.leads_for() + timings.write_limit();
            assert!(over < timings.lease_duration(), "{timings:?}");
        }
        let (long, _) = seconds(120.0, 5.0, 2.0);
        assert_eq!(long.write_limit(), LONGEST_WRITE);
    }

    #[test]
    fn the_responder_answers_until_a_heartbeat_has_expired_and_another_node_claims() {
        for lease in [1.0, 2.0, 3.0, 15.0, 120.0] {
            let (timings, _) = seconds(lease, lease / 3.0, lease / 10.0);
            // The heartbeat was renewed just now, the sign of life is about to be given.
            let spent = timings.lease_duration() + beat_interval(timings.lease_duration());
            let least = spent + Duration::from_millis(400);
            assert!(timings.liveness() >= least, "{timings:?}");
        }
    }

    #[test]
    fn each_rule_changes_one_value_and_says_so() {
        assert_eq!(seconds(0.5, 0.4, 0.1).0.lease_duration(), Duration::from_secs(1));
        assert_eq!(seconds(4.0, 4.0, 0.1).0.renew_deadline(), Duration::from_secs(2));
        assert_eq!(seconds(15.0, 2.0, 2.0).0.retry_period(), Duration::from_secs(1));
        let (timings, warnings) = seconds(0.0, 0.0, 0.0);
        assert_eq!(warnings, 4);
        assert!(timings.renew_deadline() < timings.lease_duration());
    }
}
