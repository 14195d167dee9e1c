//! Leader election: carries out what the elector decides on the lease of the operator.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt as _};
use lightship_core::election::{Elector, Record, Step};
use lightship_core::time::Instant;
use lightship_core::timing::LeaseTimings;
use lightship_crd::{field_owner, lease as names};
use lightship_edge::{ApiAnswer as _, Clock};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::error::Error;
use crate::world::lateness;

/// Until when this replica leads, by its own clock; `None` while it stands by.
pub(crate) type Leadership = watch::Receiver<Option<Instant>>;

/// A candidate for leading.
pub(crate) struct Candidate {
    api: Api<Lease>,
    identity: String,
    timings: LeaseTimings,
    clock: Clock,
    elector: Elector,
    leads_until: watch::Sender<Option<Instant>>,
    clear_from: watch::Sender<Instant>,
}

impl Candidate {
    /// A candidate `identity` for the lease in `namespace`.
    pub(crate) fn new(
        client: Client,
        namespace: &str,
        identity: String,
        timings: LeaseTimings,
        clock: Clock,
    ) -> Self {
        let elector = Elector::new(identity.clone(), timings);
        let api = Api::namespaced(client, namespace);
        Self {
            api,
            identity,
            timings,
            clock,
            elector,
            leads_until: watch::Sender::new(None),
            clear_from: watch::Sender::new(Instant::default()),
        }
    }

    /// Where to see whether this replica leads.
    pub(crate) fn leadership(&self) -> Leadership {
        self.leads_until.subscribe()
    }

    /// From when on no write of a leader that went without handing over can arrive any more.
    pub(crate) fn clear_from(&self) -> watch::Receiver<Instant> {
        self.clear_from.subscribe()
    }

    /// Stands for election until stopped; then gives the lease back at once, so that the other replica need not wait.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let pause = match self.round().await {
                Ok(pause) => pause,
                Err(error) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "failed to take part in the election"
                    );
                    self.timings.retry_period()
                }
            };
            self.publish();
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        if let Err(error) = self.release().await {
            let error = &error as &dyn std::error::Error;
            warn!(
                error,
                "failed to give back the leader lease; the other replica takes it when it expires"
            );
        }
    }

    /// Reads the lease, does what is to be done, and says when to come back.
    async fn round(&mut self) -> Result<Duration, Error> {
        let lease = self
            .within_deadline("read", self.api.get_opt(names::OPERATOR))
            .await?;
        let led = self.elector.leads_until().is_some();
        let step = self.elector.read(lease.as_ref().map(record), self.clock.now());
        let handed_over = lease.as_ref().is_none_or(|lease| is_free(&record(lease)));
        let sent_at = self.clock.now();
        let written = match step {
            Step::Wait(until) => return Ok(until - self.clock.now()),
            Step::Create => {
                let lease = self.lease(None, Holding::Taken);
                self.within_deadline("create", self.api.create(&PostParams::default(), &lease))
                    .await
            }
            Step::Take(_) => self.replace(lease.as_ref(), Holding::Taken).await,
            Step::Renew(_) => self.replace(lease.as_ref(), Holding::Renewed).await,
        };
        match written {
            Ok(lease) => {
                // Another, or a process of this very name before this one, led until it was gone.
                if !handed_over && !led {
                    let clear = self.clock.now() + lateness(self.timings.write_limit());
                    self.clear_from.send_replace(clear);
                }
                self.elector.written(record(&lease), sent_at);
                Ok(self.timings.renew_interval())
            }
            // Somebody else was faster: read again to see who.
            Err(Error::LeaderLease { source, .. }) if source.is_conflict() => Ok(self.timings.retry_period()),
            Err(error) => Err(error),
        }
    }

    async fn release(&mut self) -> Result<(), Error> {
        if !self.elector.leads(self.clock.now()) {
            return Ok(());
        }
        let lease = self
            .within_deadline("read", self.api.get_opt(names::OPERATOR))
            .await?;
        let mine = |lease: &Lease| record(lease).holder.as_deref() == Some(&self.identity);
        if let Some(lease) = lease.filter(mine) {
            self.replace(Some(&lease), Holding::Released).await?;
            info!("gave the leader lease back");
        }
        Ok(())
    }

    async fn replace(&self, present: Option<&Lease>, holding: Holding) -> Result<Lease, Error> {
        let lease = self.lease(present, holding);
        let params = PostParams {
            field_manager: Some(field_owner::OPERATOR.to_owned()),
            ..Default::default()
        };
        self.within_deadline("write", self.api.replace(names::OPERATOR, &params, &lease))
            .await
    }

    fn lease(&self, present: Option<&Lease>, holding: Holding) -> Lease {
        let now = MicroTime(Clock::wall());
        let before = present.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let spec = match holding {
            Holding::Taken => LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                acquire_time: Some(now.clone()),
                lease_transitions: Some(
                    before
                        .lease_transitions
                        .map_or(0, |transitions| transitions.saturating_add(1)),
                ),
                ..before
            },
            Holding::Renewed => before,
            Holding::Released => LeaseSpec {
                holder_identity: Some(String::new()),
                ..before
            },
        };
        let spec = LeaseSpec {
            lease_duration_seconds: Some(self.timings.lease_duration_seconds()),
            renew_time: Some(now),
            ..spec
        };
        let metadata = present.map_or_else(
            || ObjectMeta {
                name: Some(names::OPERATOR.to_owned()),
                ..ObjectMeta::default()
            },
            |lease| lease.metadata.clone(),
        );
        Lease {
            metadata,
            spec: Some(spec),
        }
    }

    fn publish(&self) {
        let until = self
            .elector
            .leads_until()
            .filter(|until| self.clock.now() < *until);
        self.leads_until.send_replace(until);
    }

    /// A request that outlives the renew deadline is worth nothing any more.
    async fn within_deadline<T>(
        &self,
        operation: &'static str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.timings.renew_deadline(), request).await {
            Err(_) => Err(Error::Deadline {
                operation: "reach the leader lease",
            }),
            Ok(answer) => answer.map_err(|source| Error::LeaderLease {
                operation,
                lease: names::OPERATOR.to_owned(),
                source: Box::new(source),
            }),
        }
    }
}

/// Whether it was given back, which a leader does only when nothing of it is under way.
fn is_free(record: &Record) -> bool {
    record.holder.as_deref().is_none_or(str::is_empty)
}

#[derive(Clone, Copy)]
enum Holding {
    Taken,
    Renewed,
    Released,
}

fn record(lease: &Lease) -> Record {
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
    Record {
        holder,
        version: lease.resource_version().unwrap_or_default(),
    }
}
