//! The heartbeat: a lease that says this agent lives and what its node has, renewed every third of its duration.
//!
//! It never says so before the responder was told: other nodes take addresses when the lease runs out, and until then the responder has
//! to answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt as _};
use lightship_core::inventory::Inventory;
use lightship_core::names::NodeName;
use lightship_core::timing::{LeaseTimings, beat_interval};
use lightship_crd::{annotation, field_owner, label, lease as names};
use lightship_edge::{ApiAnswer as _, Clock};
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::api::Connections;
use crate::error::Error;

/// What people are told when this agent is older than what they look with.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Changes of the inventory that follow each other closely are told together.
const SHORTEST_PAUSE: Duration = Duration::from_millis(300);

/// Renews the heartbeat of a node.
pub(crate) struct Heartbeat {
    connections: Arc<Connections>,
    namespace: String,
    node: NodeName,
    name: String,
    timings: LeaseTimings,
    /// The lease as last written; `None` before the first write and after somebody else touched it.
    written: Option<Lease>,
}

impl Heartbeat {
    /// The heartbeat of `node`, kept in `namespace`.
    pub(crate) fn new(
        connections: Arc<Connections>,
        namespace: String,
        node: NodeName,
        timings: LeaseTimings,
    ) -> Self {
        let name = names::heartbeat(node.as_str());
        Self {
            connections,
            namespace,
            node,
            name,
            timings,
            written: None,
        }
    }

    /// Renews for as long as it is let; a changed inventory is told at once.
    ///
    /// A connection on which no answer comes is not waited for: the next try has one of its own, and the one that is answered
    /// is the one in use from then on.
    pub(crate) async fn run(
        mut self,
        mut inventory: watch::Receiver<Inventory>,
        mut beaten: watch::Receiver<Option<Instant>>,
    ) {
        let mut connection = self.connections.current();
        // A beat later than it should be, but not two.
        let newest = beat_interval(self.timings.lease_duration()) * 3 / 2;
        loop {
            // A process that was frozen may get to this line long before it beats again.
            let is_fresh = |beaten: &Option<Instant>| beaten.is_some_and(|beaten| beaten.elapsed() < newest);
            if beaten.wait_for(is_fresh).await.is_err() {
                return;
            }
            let current = inventory.borrow_and_update().clone();
            let pause = match self.renew(&connection.client, &current).await {
                Ok(()) => self.timings.renew_interval(),
                Err(error) => {
                    self.written = None;
                    let error = &error as &dyn std::error::Error;
                    warn!(
                        error,
                        "failed to renew the heartbeat; without it other nodes take this one's addresses"
                    );
                    connection = self.connections.spare();
                    self.timings.retry_period()
                }
            };
            if self.written.is_some() {
                self.connections.replace(connection.clone());
            }
            let resting = tokio::time::sleep(pause);
            tokio::time::sleep(SHORTEST_PAUSE).await;
            tokio::select! {
                changed = inventory.changed() => match changed {
                    Ok(()) => debug!("the inventory changed and is told at once"),
                    Err(_) => return,
                },
                () = resting => {}
            }
        }
    }

    async fn renew(&mut self, client: &Client, inventory: &Inventory) -> Result<(), Error> {
        let deadline = self.timings.renew_deadline();
        let api = Api::namespaced(client.clone(), &self.namespace);
        let renewed = tokio::time::timeout(deadline, self.write(&api, inventory)).await;
        self.written = Some(renewed.map_err(|_| Error::HeartbeatDeadline(deadline))??);
        Ok(())
    }

    async fn write(&self, api: &Api<Lease>, inventory: &Inventory) -> Result<Lease, Error> {
        let failed = |source| Error::Heartbeat {
            lease: self.name.clone(),
            source: Box::new(source),
        };
        let params = PostParams {
            field_manager: Some(field_owner::AGENT.to_owned()),
            ..PostParams::default()
        };
        let present = match &self.written {
            Some(lease) => Some(lease.clone()),
            None => api.get_opt(&self.name).await.map_err(failed)?,
        };
        let lease = self.lease(present.as_ref(), inventory)?;
        let answer = match &present {
            None => api.create(&params, &lease).await,
            Some(present) => api.replace(&present.name_any(), &params, &lease).await,
        };
        match answer {
            // Deleted or written by somebody else meanwhile: what is there now is taken up.
            Err(error) if error.is_conflict() || error.is_not_found() => {
                let present = api.get_opt(&self.name).await.map_err(failed)?;
                let lease = self.lease(present.as_ref(), inventory)?;
                match present {
                    None => api.create(&params, &lease).await.map_err(failed),
                    Some(_) => api.replace(&self.name, &params, &lease).await.map_err(failed),
                }
            }
            answer => answer.map_err(failed),
        }
    }

    fn lease(&self, present: Option<&Lease>, inventory: &Inventory) -> Result<Lease, Error> {
        let text = inventory.to_annotation().map_err(Error::Inventory)?;
        let now = MicroTime(Clock::wall());
        let before = present.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let metadata = ObjectMeta {
            name: Some(self.name.clone()),
            resource_version: present.and_then(kube::ResourceExt::resource_version),
            labels: Some(BTreeMap::from([(
                label::LEASE.to_owned(),
                label::LEASE_HEARTBEAT.to_owned(),
            )])),
            annotations: Some(BTreeMap::from([
                (annotation::INVENTORY.to_owned(), text),
                (annotation::AGENT_VERSION.to_owned(), VERSION.to_owned()),
            ])),
            ..ObjectMeta::default()
        };
        let spec = LeaseSpec {
            holder_identity: Some(self.node.to_string()),
            lease_duration_seconds: Some(self.timings.lease_duration_seconds()),
            acquire_time: before.acquire_time.or_else(|| Some(now.clone())),
            renew_time: Some(now),
            ..before
        };
        Ok(Lease {
            metadata,
            spec: Some(spec),
        })
    }
}
