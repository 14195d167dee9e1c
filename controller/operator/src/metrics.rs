//! The operator's metrics.

use std::sync::atomic::AtomicU64;

use lightship_core::ipam::Kind;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::status::service::reason_code;
use crate::world::{Count, Tally};

type Real = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByPool {
    pool: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByNode {
    node: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCause {
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

/// Handles to every metric of the operator.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    available: Family<ByPool, Real>,
    used: Family<ByPool, Real>,
    conflicting: Gauge,
    replaced: Gauge,
    waiting: Family<ByReason, Gauge>,
    held: Family<ByNode, Gauge>,
    leader: Gauge,
    undecodable: Family<ByKind, Counter>,
    writes: Family<ByOutcome, Counter>,
    write_retries: Family<ByKind, Counter>,
    told: Family<ByReason, Counter>,
    write_seconds: Family<ByKind, Histogram>,
    decision_seconds: Histogram,
    holder_changes: Family<ByCause, Counter>,
    failover_seconds: Histogram,
    findings: Family<ByKind, Counter>,
}

impl Metrics {
    /// Nothing was counted yet, and nobody asks.
    fn unregistered() -> Self {
        Self {
            available: Family::default(),
            used: Family::default(),
            conflicting: Gauge::default(),
            replaced: Gauge::default(),
            waiting: Family::default(),
            held: Family::default(),
            leader: Gauge::default(),
            undecodable: Family::default(),
            writes: Family::default(),
            write_retries: Family::default(),
            told: Family::default(),
            // From two milliseconds to the deadline of a write.
            write_seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.002, 2.0, 12))
            }),
            // From ten microseconds to forty milliseconds: longer than that, and people notice.
            decision_seconds: Histogram::new(exponential_buckets(0.000_01, 2.0, 13)),
            holder_changes: Family::default(),
            // From fifty milliseconds to a minute and a half: by the wire, by the heartbeat, by hand.
            failover_seconds: Histogram::new(exponential_buckets(0.05, 1.6, 17)),
            findings: Family::default(),
        }
    }

    /// Registers the metrics under `lightship_operator_`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::unregistered();
        let own = registry.sub_registry_with_prefix("lightship_operator");
        own.register(
            "pool_addresses_available",
            "Free addresses of a pool",
            metrics.available.clone(),
        );
        own.register(
            "pool_addresses_used",
            "Addresses of a pool that services hold",
            metrics.used.clone(),
        );
        own.register(
            "pools_conflicting",
            "Pools that overlap another and give nothing new",
            metrics.conflicting.clone(),
        );
        own.register(
            "definitions_replaced",
            "Definitions in whose place somebody else's stand: nothing is given, and their statuses are not written",
            metrics.replaced.clone(),
        );
        own.register(
            "services_waiting",
            "Services that lack an address they ask for",
            metrics.waiting.clone(),
        );
        own.register(
            "services_held",
            "Services whose addresses a node holds",
            metrics.held.clone(),
        );
        own.register(
            "leader",
            "Whether this replica leads (1) or stands by (0)",
            metrics.leader.clone(),
        );
        own.register(
            "undecodable_objects",
            "Objects passed over because they could not be decoded",
            metrics.undecodable.clone(),
        );
        own.register(
            "writes",
            "Writes to the API server by what came of them",
            metrics.writes.clone(),
        );
        own.register(
            "write_retries",
            "Writes that failed, or were not answered, and are tried again",
            metrics.write_retries.clone(),
        );
        own.register(
            "changes",
            "Changes that were written and told by an event, by its reason",
            metrics.told.clone(),
        );
        let help = "How long a write took until its answer";
        own.register_with_unit(
            "write_duration",
            help,
            Unit::Seconds,
            metrics.write_seconds.clone(),
        );
        own.register_with_unit(
            "decision_duration",
            "How long it took to decide what a batch of changes means",
            Unit::Seconds,
            metrics.decision_seconds.clone(),
        );
        own.register(
            "holder_changes",
            "Services whose addresses went to another node, by cause",
            metrics.holder_changes.clone(),
        );
        own.register_with_unit(
            "failover_duration",
            "How long a holder had not answered when a standby took over, as the standby saw it",
            Unit::Seconds,
            metrics.failover_seconds.clone(),
        );
        own.register(
            "findings",
            "What agents saw on the wire: conflict, fence, lingers, refused",
            metrics.findings.clone(),
        );
        metrics
    }

    /// Something happened.
    pub(crate) fn count(&self, count: &Count) {
        match count {
            Count::Moved(cause) => self.holder_changes.get_or_create(&ByCause { cause }).inc(),
            Count::TookOver(silence) => {
                self.failover_seconds.observe(silence.as_secs_f64());
                0
            }
            Count::Found(kind) => self.findings.get_or_create(&ByKind { kind }).inc(),
        };
    }

    /// A batch of changes was decided about.
    pub(crate) fn decided(&self, took: std::time::Duration) {
        self.decision_seconds.observe(took.as_secs_f64());
    }

    /// An object could not be decoded.
    pub(crate) fn undecodable(&self, kind: &'static str) {
        self.undecodable.get_or_create(&ByKind { kind }).inc();
    }

    /// A write came back; `outcome` is `written` or the category of the error.
    pub(crate) fn wrote(&self, kind: &'static str, outcome: &'static str, took: std::time::Duration) {
        self.writes.get_or_create(&ByOutcome { kind, outcome }).inc();
        self.write_seconds
            .get_or_create(&ByKind { kind })
            .observe(took.as_secs_f64());
    }

    /// A write failed and is tried again.
    pub(crate) fn tries_again(&self, kind: &'static str) {
        self.write_retries.get_or_create(&ByKind { kind }).inc();
    }

    /// A change was written that is told by an event of this reason.
    pub(crate) fn changed(&self, reason: &'static str) {
        self.told.get_or_create(&ByReason { reason }).inc();
    }

    /// This replica leads now.
    pub(crate) fn leads(&self) {
        self.leader.set(1);
    }

    /// This replica stands by: what it last knew is not its to report.
    pub(crate) fn stands_by(&self) {
        self.leader.set(0);
        self.tally(&Tally::default());
    }

    /// The state of the cluster as decided.
    pub(crate) fn tally(&self, tally: &Tally) {
        self.available.clear();
        self.used.clear();
        for (pool, (available, used)) in &tally.pools {
            let pool = ByPool {
                pool: pool.to_string(),
            };
            self.available.get_or_create(&pool).set(real(*available));
            self.used.get_or_create(&pool).set(real(*used));
        }
        self.held.clear();
        for (node, services) in &tally.held {
            self.held
                .get_or_create(&ByNode {
                    node: node.to_string(),
                })
                .set(whole(*services));
        }
        self.conflicting.set(whole(tally.conflicting));
        self.replaced.set(whole(tally.replaced));
        self.waiting.clear();
        for (kind, services) in &tally.waiting {
            let reason = reason_code(*kind);
            self.waiting
                .get_or_create(&ByReason { reason })
                .set(whole(*services));
        }
    }
}

/// Registers every metric with a sample of each, for those who document them.
pub fn sample(registry: &mut Registry) {
    let metrics = Metrics::register(registry);
    let moment = std::time::Duration::from_millis(1);
    metrics.leads();
    metrics.tally(&Tally {
        pools: [("first-pool".into(), (1, 1))].into(),
        conflicting: 0,
        waiting: [(Kind::OutOfAddresses, 1)].into(),
        held: [("node-1".into(), 1)].into(),
        replaced: 0,
    });
    metrics.decided(moment);
    metrics.undecodable("services");
    metrics.wrote("service", "written", moment);
    metrics.tries_again("service");
    metrics.changed("Announced");
    for count in [
        Count::Moved("drained"),
        Count::TookOver(moment),
        Count::Found("conflict"),
    ] {
        metrics.count(&count);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a metric is a double; the exact count is in the pool's status"
)]
fn real(count: u128) -> f64 {
    count as f64
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::encoding::text::encode;

    use super::*;

    fn text(registry: &Registry) -> String {
        let mut text = String::new();
        encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn what_dashboards_read_has_these_names_and_units() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let tally = Tally {
            pools: [("p".into(), (250, 6))].into(),
            conflicting: 1,
            waiting: [(Kind::OutOfAddresses, 3), (Kind::Unreadable, 1)].into(),
            held: [("node-1".into(), 2)].into(),
            replaced: 2,
        };
        metrics.leads();
        metrics.tally(&tally);
        metrics.wrote("service", "written", Duration::from_millis(3));
        metrics.wrote("service", "conflict", Duration::from_millis(3));
        metrics.tries_again("service");
        metrics.changed("AddressAssigned");
        metrics.decided(Duration::from_micros(30));
        metrics.undecodable("services");
        let said = text(&registry);
        for line in [
            "lightship_operator_pool_addresses_available{pool=\"p\"} 250.0",
            "lightship_operator_pool_addresses_used{pool=\"p\"} 6.0",
            "lightship_operator_pools_conflicting 1",
            "lightship_operator_definitions_replaced 2",
            "lightship_operator_services_waiting{reason=\"out_of_ips\"} 3",
            "lightship_operator_services_waiting{reason=\"bad_request\"} 1",
            "lightship_operator_services_held{node=\"node-1\"} 2",
            "lightship_operator_leader 1",
            "lightship_operator_writes_total{kind=\"service\",outcome=\"written\"} 1",
            "lightship_operator_writes_total{kind=\"service\",outcome=\"conflict\"} 1",
            "lightship_operator_write_retries_total{kind=\"service\"} 1",
            "lightship_operator_changes_total{reason=\"AddressAssigned\"} 1",
            "lightship_operator_write_duration_seconds_count{kind=\"service\"} 2",
            "lightship_operator_decision_duration_seconds_count 1",
            "lightship_operator_undecodable_objects_total{kind=\"services\"} 1",
        ] {
            assert!(said.lines().any(|one| one == line), "{line} is not in\n{said}");
        }
        metrics.stands_by();
        let said = text(&registry);
        assert!(
            !said.contains("pool=\"p\"") && said.contains("lightship_operator_leader 0"),
            "{said}"
        );
    }
}
