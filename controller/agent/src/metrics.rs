//! The agent's metrics.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lightship_core::finding::Sight;
use lightship_core::watch::{ClaimAnswer, Missed};
use lightship_datapath::{Entry, Outcome};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByAddress {
    address: String,
    interface: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByAnswer {
    answer: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BySight {
    kind: &'static str,
}

/// Whether there are metrics of each address. There may be tens of thousands of addresses, and a series for each outcome
/// of each would cost the monitoring more than the rest of the agent's together: whoever wants them asks for them.
/// `lightship map counters` shows the same numbers on the node without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressMetrics {
    /// None.
    Hidden,
    /// For each address that this node answers for, and each outcome that frames about it had so far.
    Shown,
}

/// Seconds: a failover takes a fraction of one, by rank or by heartbeat more.
const SILENCES: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 3.0, 15.0];

/// Handles to every metric of the agent.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    entries: Gauge,
    refused: Gauge,
    frames: Family<ByOutcome, Counter>,
    address_frames: Family<ByAddress, Counter>,
    announcements: Counter,
    failures: Counter,
    undecodable: Counter,
    probes: Counter,
    missed: Counter,
    silent: Gauge,
    claims: Family<ByAnswer, Counter>,
    sights: Family<BySight, Counter>,
    silence: Histogram,
}

impl Metrics {
    /// Registers the metrics under `lightship_agent_`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            entries: Gauge::default(),
            refused: Gauge::default(),
            frames: Family::default(),
            address_frames: Family::default(),
            announcements: Counter::default(),
            failures: Counter::default(),
            undecodable: Counter::default(),
            probes: Counter::default(),
            missed: Counter::default(),
            silent: Gauge::default(),
            claims: Family::default(),
            sights: Family::default(),
            silence: Histogram::new(SILENCES),
        };
        let own = registry.sub_registry_with_prefix("lightship_agent");
        own.register(
            "entries",
            "Addresses answered, each interface counted",
            metrics.entries.clone(),
        );
        own.register(
            "refused_entries",
            "Addresses held here that the kernel could not be told to answer, each interface counted: they are not announced",
            metrics.refused.clone(),
        );
        own.register(
            "frames",
            "Frames the responder has judged (ARP, neighbour solicitations, echo requests), by outcome",
            metrics.frames.clone(),
        );
        own.register(
            "address_frames",
            "Frames about each address answered here, by outcome (only with --address-metrics)",
            metrics.address_frames.clone(),
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
        own.register(
            "probes",
            "Questions asked on the wire: of holders, witnesses and deposed nodes",
            metrics.probes.clone(),
        );
        own.register(
            "missed_probes",
            "Questions asked on the wire that were not answered in time",
            metrics.missed.clone(),
        );
        own.register(
            "silent_addresses",
            "Addresses that this node stands by for and whose holder does not answer while others on the segment do",
            metrics.silent.clone(),
        );
        own.register(
            "claims",
            "Claims on the binding of a silent holder, by what became of them",
            metrics.claims.clone(),
        );
        own.register(
            "findings",
            "What was seen on the wire and told to the operator, by kind",
            metrics.sights.clone(),
        );
        own.register(
            "taken_over_silence_seconds",
            "How long a holder had not answered when this node took over from it",
            metrics.silence.clone(),
        );
        metrics
    }

    /// That many entries should be in the map, and that many of them could not be put there.
    pub(crate) fn holds(&self, entries: usize, refused: usize) {
        self.entries.set(count(entries.saturating_sub(refused)));
        self.refused.set(count(refused));
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

    /// What the responder has counted so far about each address. An address that is gone takes its series along.
    pub(crate) fn counted_by_address(&self, counters: &BTreeMap<Entry, BTreeMap<Outcome, u64>>) {
        self.address_frames.clear();
        for (entry, outcomes) in counters {
            let interface = entry.interface;
            for (outcome, count) in outcomes {
                let labels = ByAddress {
                    address: entry.address.to_string(),
                    interface: interface.name().unwrap_or_else(|| interface.to_string()),
                    outcome: outcome.label(),
                };
                let counter = self.address_frames.get_or_create(&labels);
                counter.inner().store(*count, Ordering::Relaxed);
            }
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

    /// Somebody was asked on the wire.
    pub(crate) fn probed(&self) {
        self.probes.inc();
    }

    /// So much was missed so far.
    pub(crate) fn missed(&self, missed: Missed) {
        self.missed.inner().store(missed.probes, Ordering::Relaxed);
        self.silent.set(count(missed.addresses));
    }

    /// A claim was answered.
    pub(crate) fn claimed(&self, answer: ClaimAnswer) {
        let answer = match answer {
            ClaimAnswer::Won => "won",
            ClaimAnswer::Lost => "lost",
            ClaimAnswer::Postponed => "postponed",
            ClaimAnswer::Unreachable => "unreachable",
        };
        self.claims.get_or_create(&ByAnswer { answer }).inc();
    }

    /// Something was seen.
    pub(crate) fn saw(&self, sight: &Sight) {
        let kind = match sight {
            Sight::Conflict { .. } => "conflict",
            Sight::Fenced { .. } => "fenced",
            Sight::Claimed { silence_ms, .. } => {
                self.silence
                    .observe(Duration::from_millis(*silence_ms).as_secs_f64());
                "claimed"
            }
            Sight::Lingers { .. } => "lingers",
            Sight::Refused { .. } => "refused",
        };
        self.sights.get_or_create(&BySight { kind }).inc();
    }
}

fn count(addresses: usize) -> i64 {
    i64::try_from(addresses).unwrap_or(i64::MAX)
}

/// Registers every metric with a sample of each, for those who document them.
pub fn sample(registry: &mut Registry) {
    let metrics = Metrics::register(registry);
    metrics.holds(1, 0);
    metrics.counted(&[(Outcome::Answered, 1)].into());
    let entry = Entry {
        address: [10, 0, 10, 0].into(),
        interface: lightship_datapath::InterfaceIndex(1),
    };
    metrics.counted_by_address(&[(entry, [(Outcome::Answered, 1)].into())].into());
    metrics.announced(1);
    metrics.failed(0);
    metrics.probed();
    metrics.missed(Missed::default());
    metrics.claimed(ClaimAnswer::Won);
    metrics.saw(&Sight::Claimed {
        from: "node-1".into(),
        silence_ms: 300,
        arbiter: lightship_core::finding::Arbiter::Lease,
    });
}

#[cfg(test)]
mod tests {
    use lightship_datapath::InterfaceIndex;
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn an_address_that_is_gone_takes_its_series_along() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let shown = |registry: &Registry| {
            let mut text = String::new();
            encode(&mut text, registry).unwrap();
            let lines = text.lines().filter(|line| line.contains("address_frames_total{"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let entry = Entry {
            address: [10, 0, 10, 0].into(),
            interface: InterfaceIndex(4_000_000),
        };
        let frames = BTreeMap::from([(Outcome::Answered, 7), (Outcome::Gated, 2)]);
        metrics.counted_by_address(&[(entry, frames)].into());
        assert_eq!(shown(&registry).len(), 2);
        assert!(
            shown(&registry).iter().any(|line| {
                line.ends_with(r#"{address="10.0.10.0",interface="4000000",outcome="answered"} 7"#)
            }),
            "{:?}",
            shown(&registry)
        );
        metrics.counted_by_address(&BTreeMap::new());
        assert_eq!(shown(&registry), Vec::<String>::new());
    }
}
