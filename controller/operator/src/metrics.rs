//! The operator's metrics.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::status::service::reason_code;
use crate::world::Tally;

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
struct ByReason {
    reason: &'static str,
}

/// Handles to every metric of the operator.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    available: Family<ByPool, Real>,
    used: Family<ByPool, Real>,
    conflicting: Gauge,
    waiting: Family<ByReason, Gauge>,
    held: Family<ByNode, Gauge>,
    leader: Gauge,
    undecodable: Family<ByKind, Counter>,
    writes: Family<ByOutcome, Counter>,
    write_seconds: Family<ByKind, Histogram>,
    decision_seconds: Histogram,
}

impl Metrics {
    /// Registers the metrics under `lightship_operator_`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            available: Family::default(),
            used: Family::default(),
            conflicting: Gauge::default(),
            waiting: Family::default(),
            held: Family::default(),
            leader: Gauge::default(),
            undecodable: Family::default(),
            writes: Family::default(),
            // From two milliseconds to the deadline of a write.
            write_seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.002, 2.0, 12))
            }),
            // From ten microseconds to forty milliseconds: longer than that, and people notice.
            decision_seconds: Histogram::new(exponential_buckets(0.000_01, 2.0, 13)),
        };
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
        metrics
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
        self.waiting.clear();
        for (kind, services) in &tally.waiting {
            let reason = reason_code(*kind);
            self.waiting
                .get_or_create(&ByReason { reason })
                .set(whole(*services));
        }
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
