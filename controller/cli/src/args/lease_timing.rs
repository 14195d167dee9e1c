//! The lease timings, by Cilium's flag names.

use std::time::Duration;

use clap::Args;
use lightship_core::timing::LeaseTimings;

use crate::duration;

#[derive(Clone, Debug, Args)]
pub(crate) struct LeaseTimingArgs {
    /// How long an agent may be silent before its addresses move.
    #[arg(
        long = "l2-announcements-lease-duration",
        value_name = "DURATION",
        default_value = "15s",
        env = "LIGHTSHIP_L2_ANNOUNCEMENTS_LEASE_DURATION",
        value_parser = duration::parse
    )]
    lease_duration: Duration,
    /// How long renewing may fail before it counts as lost.
    #[arg(
        long = "l2-announcements-renew-deadline",
        value_name = "DURATION",
        default_value = "5s",
        env = "LIGHTSHIP_L2_ANNOUNCEMENTS_RENEW_DEADLINE",
        value_parser = duration::parse
    )]
    renew_deadline: Duration,
    /// The pause before a failed renewal is tried again.
    #[arg(
        long = "l2-announcements-retry-period",
        value_name = "DURATION",
        default_value = "2s",
        env = "LIGHTSHIP_L2_ANNOUNCEMENTS_RETRY_PERIOD",
        value_parser = duration::parse
    )]
    retry_period: Duration,
}

impl LeaseTimingArgs {
    /// Timings that can work; what had to be changed is logged, one warning for each.
    pub(crate) fn timings(&self) -> LeaseTimings {
        let (timings, warnings) =
            LeaseTimings::sanitised(self.lease_duration, self.renew_deadline, self.retry_period);
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        timings
    }
}
