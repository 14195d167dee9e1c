//! The agent's metrics.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use lightship_datapath::Outcome;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

/// Handles to every metric of the agent.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    entries: Gauge,
    frames: Family<ByOutcome, Counter>,
    announcements: Counter,
    failures: Counter,
    undecodable: Counter,
}

impl Metrics {
    /// Registers the metrics under `lightship_agent_`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            entries: Gauge::default(),
            frames: Family::default(),
            announcements: Counter::default(),
            failures: Counter::default(),
            undecodable: Counter::default(),
        };
        let own = registry.sub_registry_with_prefix("lightship_agent");
        own.register(
            "entries",
            "Addresses answered, each interface counted",
            metrics.entries.clone(),
        );
        own.register(
            "frames",
            "Frames the responder has judged (ARP, neighbour solicitations, echo requests), by outcome",
            metrics.frames.clone(),
        );
        own.register(
            "announcements",
            "Gratuitous ARP frames and unsolicited neighbour advertisements sent",
            metrics.announcements.clone(),
        );
        own.register(
            "datapath_failures",
            "Changes to the kernel that failed",
            metrics.failures.clone(),
        );
        own.register(
            "undecodable_objects",
            "Leases passed over because they could not be decoded",
            metrics.undecodable.clone(),
        );
        metrics
    }

    /// That many entries are in the map.
    pub(crate) fn holds(&self, entries: usize) {
        self.entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// What the responder has counted so far. Its map outlives the agent, so counters never run backwards here.
    pub(crate) fn counted(&self, counters: &BTreeMap<Outcome, u64>) {
        for (outcome, count) in counters {
            let counter = self.frames.get_or_create(&ByOutcome {
                outcome: outcome.label(),
            });
            counter.inner().store(*count, Ordering::Relaxed);
        }
    }

    /// Announcements were sent.
    pub(crate) fn announced(&self, frames: usize) {
        self.announcements.inc_by(frames as u64);
    }

    /// Changes to the kernel failed.
    pub(crate) fn failed(&self, changes: usize) {
        self.failures.inc_by(changes as u64);
    }

    /// A lease could not be decoded.
    pub(crate) fn undecodable(&self) {
        self.undecodable.inc();
    }
}
