//! The operator: hands out addresses and decides which node holds each.
//!
//! Two replicas may run; the one that leads watches, decides and writes, the other waits. A new leader starts from
//! fresh lists, never from what it remembers, and a leader that is stopped hands over only with no write in flight.

mod bindings;
mod definitions;
mod error;
mod gateways;
mod index;
mod leader;
mod limited;
mod members;
mod metrics;
mod outbox;
pub mod rehearsal;
mod status;
mod telling;
mod watches;
mod world;
mod writer;

use std::time::Duration;

use futures::stream::StreamExt as _;
use kube::Client;
use lightship_core::cilium;
use lightship_core::placement::Rebalancing;
use lightship_core::service::DefaultClass;
use lightship_core::time::Instant;
use lightship_core::timing::LeaseTimings;
use lightship_edge::{ApiAnswer as _, Clock, Tracer};
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use error::Effect;
pub use error::Error;

use bindings::LeaseForm;
use definitions::Expected;
use leader::{Candidate, Leadership};
use metrics::Metrics;
pub use metrics::sample as sample_metrics;
use outbox::Target;
use telling::Telling;
use world::{Answer, World, Write, lateness};
use writer::Writer;

/// Changes that are taken in before something is decided, when they come thick and fast.
const BATCH: usize = 512;

/// Writes of services and leases under way at once: enough to keep an API server busy, few enough not to queue in front of it.
const MOST_IN_FLIGHT: usize = 64;

/// Counting everything anew at every change would cost more than the changes.
const TALLY_PACE: Duration = Duration::from_secs(1);

/// How the operator is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Namespace of all leases.
    pub namespace: String,
    /// Name of this replica, as the holder of the leader lease and the reporter of events.
    pub identity: String,
    /// Timings of leader election and of the leases written.
    pub timings: LeaseTimings,
    /// Who serves services without a class.
    pub default_class: DefaultClass,
    /// Whether addresses leave good holders that have more than their share.
    pub rebalancing: Rebalancing,
    /// Who collects traces, if anybody does.
    pub tracer: Tracer,
}

/// One replica of the operator.
pub struct Operator {
    options: Options,
    client: Client,
    metrics: Metrics,
    ready: watch::Sender<bool>,
}

impl Operator {
    /// A replica that will use `client` and report to `registry`.
    #[must_use]
    pub fn new(options: Options, client: Client, registry: &mut Registry) -> Self {
        Self {
            options,
            client,
            metrics: Metrics::register(registry),
            ready: watch::Sender::new(false),
        }
    }

    /// True once the API server was reached and the definitions were found.
    #[must_use]
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Runs until stopped.
    ///
    /// # Errors
    /// When what the operator cannot work without is missing at the start: the definitions or the right to read them.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        self.check_definitions().await?;
        let expected = Expected::new()?;
        self.check_neighbours().await?;
        let clock = Clock::start();
        let candidate = Candidate::new(
            self.client.clone(),
            &self.options.namespace,
            self.options.identity.clone(),
            self.options.timings,
            clock,
        );
        let mut leadership = candidate.leadership();
        let clear_from = candidate.clear_from();
        let mut end = End::Clean;
        let elected_until = CancellationToken::new();
        let election = tokio::spawn(candidate.run(elected_until.clone()));
        self.ready.send_replace(true);
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => break,
                changed = leadership.wait_for(|until| until.is_some_and(|until| clock.now() < until)) => {
                    if changed.is_err() {
                        break;
                    }
                }
            }
            info!(identity = self.options.identity, "leads");
            self.metrics.leads();
            let mut held_back = *clear_from.borrow();
            if end == End::WritesUnanswered {
                held_back = held_back.max(clock.now() + lateness(self.options.timings.write_limit()));
            }
            end = self
                .lead(clock, leadership.clone(), held_back, &expected, &stop)
                .await;
            self.metrics.stands_by();
        }
        if end == End::WritesUnanswered {
            // Given back, the lease would be taken at once, and its taker would not know of them.
            info!(
                "keeps the leader lease, which expires by itself: it is not known what the last writes did"
            );
            election.abort();
            return Ok(());
        }
        elected_until.cancel();
        if let Err(error) = election.await {
            warn!(
                error = &error as &dyn std::error::Error,
                "the election ended by itself"
            );
        }
        Ok(())
    }

    /// One request per kind, so that what is missing is said at the start and not only in a log.
    async fn check_definitions(&self) -> Result<(), Error> {
        use kube::api::{Api, ListParams};
        let one = ListParams::default().limit(1);
        let pools: Api<lightship_crd::CiliumLoadBalancerIPPool> = Api::all(self.client.clone());
        let policies: Api<lightship_crd::CiliumL2AnnouncementPolicy> = Api::all(self.client.clone());
        let wrong = |kind| {
            move |source| Error::List {
                kind,
                source: Box::new(source),
            }
        };
        // An object that cannot be decoded is met again, and passed over, by the watch.
        let decoded = |error: &kube::Error| matches!(error, kube::Error::SerdeError(_));
        match pools.list(&one).await {
            Err(error) if !decoded(&error) => return Err(wrong("ciliumloadbalancerippools")(error)),
            _ => {}
        }
        match policies.list(&one).await {
            Err(error) if !decoded(&error) => Err(wrong("ciliuml2announcementpolicies")(error)),
            _ => Ok(()),
        }
    }

    /// Two that give addresses of the same pools, or answer for the same addresses, fight: better not to begin.
    async fn check_neighbours(&self) -> Result<(), Error> {
        use k8s_openapi::api::core::v1::ConfigMap;
        for namespace in cilium::NAMESPACES {
            let api = kube::Api::<ConfigMap>::namespaced(self.client.clone(), namespace);
            match api.get_opt(cilium::SETTINGS).await {
                Ok(Some(settings)) => {
                    if let Some(rival) = cilium::rivals(&settings.data.unwrap_or_default())
                        .first()
                        .copied()
                    {
                        return Err(Error::BesideCilium { rival });
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(
                        error,
                        namespace, "it is not known what Cilium does, if it is here"
                    );
                }
            }
        }
        Ok(())
    }

    /// Watches, decides and writes while this replica leads.
    async fn lead(
        &self,
        clock: Clock,
        mut leadership: Leadership,
        held_back: Instant,
        expected: &Expected,
        stop: &CancellationToken,
    ) -> End {
        let Options {
            namespace,
            identity,
            timings,
            default_class,
            rebalancing,
            tracer,
        } = self.options.clone();
        let form = LeaseForm {
            namespace: namespace.clone(),
            timings,
        };
        let mut world = World::new(form, default_class);
        world.rebalance(rebalancing);
        world.trace(tracer);
        if clock.now() < held_back {
            info!("the last leader may have left writes behind: gives no address for a moment");
            world.hold_back(held_back);
        }
        let writer = Writer::new(
            self.client.clone(),
            timings.write_limit(),
            namespace.clone(),
            identity,
        );
        let mut changes = watches::all(&self.client, &namespace, expected, &self.metrics).ready_chunks(BATCH);
        let mut in_flight: JoinSet<Done> = JoinSet::new();
        let mut telling = Telling::default();
        let mut next_tally = clock.now();
        loop {
            let leads_until = *leadership.borrow_and_update();
            if leads_until.is_none_or(|until| clock.now() >= until) {
                warn!("does not lead any more: the leader lease could not be renewed");
                break;
            }
            tokio::select! {
                () = stop.cancelled() => break,
                renewed = leadership.changed() => if renewed.is_err() { break } else { continue },
                () = clock.until(leads_until) => continue,
                Some(batch) = changes.next() => {
                    for change in batch {
                        world.observe(change, clock.now());
                    }
                }
                Some(done) = in_flight.join_next() => {
                    self.done(&mut world, &mut telling, done, clock);
                }
                Some(()) = telling.told() => telling.go_on(&writer, in_flight.len()),
                () = clock.until(world.next_deadline(clock.now())) => world.advance(clock.now()),
            }
            let start = clock.now();
            let due = world.decide(start, MOST_IN_FLIGHT.saturating_sub(in_flight.len()));
            for count in world.take_counts() {
                self.metrics.count(&count);
            }
            for (notes, regarding) in world.take_tales(start) {
                telling.add(notes, regarding);
            }
            self.metrics.decided(clock.now() - start);
            for write in due {
                debug!(target = %write.target, "sends a write");
                let writer = writer.clone();
                in_flight.spawn(async move { Done::of(&writer, write).await });
            }
            telling.go_on(&writer, in_flight.len());
            if world.is_complete() && clock.now() >= next_tally {
                self.metrics.tally(&world.tally());
                next_tally = clock.now() + TALLY_PACE;
            }
        }
        while let Some(done) = in_flight.join_next().await {
            self.done(&mut world, &mut telling, done, clock);
        }
        telling.finish(&writer).await;
        debug!(idle = world.is_idle(), "no write is in flight any more");
        if world.leaves_writes_behind() {
            End::WritesUnanswered
        } else {
            End::Clean
        }
    }

    fn done(
        &self,
        world: &mut World,
        telling: &mut Telling,
        done: Result<Done, tokio::task::JoinError>,
        clock: Clock,
    ) {
        let Ok(Done { write, answer, took }) = done else {
            return;
        };
        let _logged = world.log_of(&write.target).entered();
        let kind = write.target.kind();
        match answer {
            Ok(answer) => {
                self.metrics.wrote(kind, write.done(), took);
                for note in &write.notes {
                    self.metrics.changed(note.reason);
                    info!(target = %write.target, reason = note.reason, "{}", note.message);
                }
                let regarding = write.regarding.into_iter().chain(answer.lease()).collect();
                world.written(write.target, answer, clock.now());
                telling.add(write.notes, regarding);
            }
            Err(error) => {
                self.metrics.wrote(kind, error.category(), took);
                self.metrics.tries_again(kind);
                report(&write.target, &error);
                match error.effect() {
                    Effect::None if error.is_occupied() => world.occupied(write.target, clock.now()),
                    Effect::None => world.refused(write.target, clock.now()),
                    Effect::Unknown => world.unanswered(write.target, clock.now()),
                }
            }
        }
    }
}

/// A conflict is how concurrent writers find out about each other, nothing to alarm anybody with.
fn report(target: &Target, error: &Error) {
    let source = error as &dyn std::error::Error;
    match error {
        Error::Write { source: answer, .. } if answer.is_conflict() => {
            debug!(error = source, %target, "it changed meanwhile and is decided again");
        }
        _ => warn!(error = source, %target, "the write failed and is tried again"),
    }
}

/// How this replica stopped leading.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nothing of it can arrive any more.
    Clean,
    /// It is not known of every write whether it was carried out or will be.
    WritesUnanswered,
}

struct Done {
    write: Write,
    answer: Result<Answer, Error>,
    took: Duration,
}

impl Done {
    async fn of(writer: &Writer, write: Write) -> Self {
        let start = tokio::time::Instant::now();
        let answer = writer.carry_out(&write).await;
        Self {
            write,
            answer,
            took: start.elapsed(),
        }
    }
}
