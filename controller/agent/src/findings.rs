//! The findings that the heartbeat carries, until whoever reads it has had the time to.

use std::collections::VecDeque;
use std::time::Duration;

use lightship_core::finding::{Finding, Sight};
use lightship_core::inventory::MOST_FINDINGS;
use lightship_core::names::ServiceId;
use lightship_core::time::Instant;

/// How long a finding is carried: many renewals.
const CARRIED: Duration = Duration::from_mins(2);

/// The latest findings.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    number: u64,
    carried: VecDeque<(Instant, Finding)>,
}

impl Findings {
    /// Something was seen.
    pub(crate) fn add(&mut self, service: Option<ServiceId>, saw: Sight, now: Instant) {
        self.number += 1;
        let number = self.number;
        self.carried.push_back((now, Finding { number, service, saw }));
        if self.carried.len() > MOST_FINDINGS {
            self.carried.pop_front();
        }
    }

    /// What the heartbeat carries now; `stands` says whether a sight is so still, and nothing of those of a moment.
    pub(crate) fn carried(&mut self, stands: impl Fn(&Sight) -> Option<bool>, now: Instant) -> Vec<Finding> {
        self.carried
            .retain(|(seen, finding)| stands(&finding.saw).unwrap_or(now - *seen < CARRIED));
        self.carried.iter().map(|(_, finding)| finding.clone()).collect()
    }
}
