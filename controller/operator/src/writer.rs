//! Carrying out writes: the only place that changes objects, and publishes what was changed as events.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference, Service};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::events::{Event, Recorder, Reporter};
use kube::{Client, ResourceExt as _};
use lightship_core::names::ServiceId;
use lightship_crd::members::NAME;
use lightship_crd::{CiliumL2AnnouncementPolicy, CiliumLoadBalancerIPPool, field_owner};
use lightship_edge::ApiAnswer as _;
use tokio::time::Instant;
use tracing::warn;

use crate::bindings::LeaseWrite;
use crate::error::Error;
use crate::limited::Limited;
use crate::members::MembersWrite;
use crate::outbox::Target;
use crate::status::Note;
use crate::world::{Answer, Content, Write};

/// Beyond the API server's own limit, so that its answer that the time was over still arrives.
const MARGIN: Duration = Duration::from_secs(1);

/// Events are worth no more waiting.
const EVENT_DEADLINE: Duration = Duration::from_secs(5);

/// Writes objects and events.
#[derive(Clone)]
pub(crate) struct Writer {
    client: Client,
    limited: Limited,
    namespace: String,
    identity: String,
}

impl Writer {
    /// A writer of leases in `namespace`, publishing as replica `identity`, whose writes end after `limit`.
    pub(crate) fn new(client: Client, limit: Duration, namespace: String, identity: String) -> Self {
        Self {
            limited: Limited::new(client.clone(), limit),
            client,
            namespace,
            identity,
        }
    }

    /// Carries out one write.
    pub(crate) async fn carry_out(&self, write: &Write) -> Result<Answer, Error> {
        let deadline = Instant::now() + self.limited.limit() + MARGIN;
        let mut sending = pin!(self.send(&write.target, &write.content));
        // Looked at before every step and not by the timer alone: a process that was frozen goes on wherever it was, and
        // must not send what it decided before.
        let in_time = poll_fn(|context| {
            if Instant::now() < deadline {
                sending.as_mut().poll(context).map(Some)
            } else {
                Poll::Ready(None)
            }
        });
        let answer = tokio::time::timeout_at(deadline, in_time).await;
        match answer {
            Err(_) | Ok(None) => Err(Error::Deadline {
                operation: "write a decision",
            }),
            Ok(Some(Ok(answer))) => Ok(answer),
            // Deleted meanwhile: nothing is left to say anything about.
            Ok(Some(Err(source))) if source.is_not_found() => Ok(Answer::Gone),
            Ok(Some(Err(source))) => Err(Error::Write {
                target: write.target.to_string(),
                source: Box::new(source),
            }),
        }
    }

    /// Publishes what was done. A failed event is logged and not tried again: the object itself tells the state.
    pub(crate) async fn tell(&self, notes: Vec<Note>, regarding: Vec<ObjectReference>) {
        let reporter = Reporter {
            controller: field_owner::OPERATOR.to_owned(),
            instance: Some(self.identity.clone()),
        };
        for note in notes {
            let event = Event {
                type_: note.severity,
                reason: note.reason.to_owned(),
                note: Some(note.message),
                action: note.reason.to_owned(),
                secondary: None,
            };
            for object in &regarding {
                // A recorder that is kept folds a second event of the same reason into a series that repeats the
                // first one's words; each of ours says something of its own.
                let recorder = Recorder::new(self.client.clone(), reporter.clone());
                let published = tokio::time::timeout(EVENT_DEADLINE, recorder.publish(&event, object)).await;
                if let Ok(Err(error)) = published {
                    let error = &error as &dyn std::error::Error;
                    warn!(
                        error,
                        reason = event.reason,
                        object = object.name,
                        "failed to publish an event"
                    );
                }
            }
        }
    }

    async fn send(&self, target: &Target, content: &Content) -> Result<Answer, kube::Error> {
        let params = PatchParams {
            field_manager: Some(field_owner::OPERATOR.to_owned()),
            ..Default::default()
        };
        match (target, content) {
            (Target::Service(id), Content::Status(patch)) => {
                let (namespace, patch) = (Some(id.namespace.as_str()), Patch::Merge(patch));
                let service = self
                    .limited
                    .patch_status(namespace, &id.name, &params, &patch)
                    .await?;
                Ok(Answer::Service(Box::new(service)))
            }
            (Target::Pool(name), Content::Status(patch)) => {
                let patch = Patch::Merge(patch);
                let pool = self
                    .limited
                    .patch_status(None, name.as_str(), &params, &patch)
                    .await?;
                Ok(Answer::Pool(Box::new(pool)))
            }
            (Target::Policy(name), Content::Status(patch)) => {
                let patch = Patch::Merge(patch);
                let policy = self
                    .limited
                    .patch_status(None, name.as_str(), &params, &patch)
                    .await?;
                Ok(Answer::Policy(Box::new(policy)))
            }
            (Target::Lease(id), Content::Lease(write)) => self.send_lease(id, write).await,
            (_, Content::Members(write)) => self.send_members(write).await,
            (target, Content::Read) => self.read(target).await,
            (Target::Lease(id), Content::ReadLease(name)) => {
                let api: Api<Lease> = Api::namespaced(self.client.clone(), &self.namespace);
                let lease = api.get_opt(name).await?;
                Ok(lease.map_or(Answer::LeaseDeleted(id.clone()), |lease| {
                    Answer::Lease(Box::new(lease))
                }))
            }
            // Only leases are written as leases, and neither they nor the members have a status.
            (Target::Lease(_) | Target::Members, Content::Status(_))
            | (_, Content::Lease(_) | Content::ReadLease(_)) => Ok(Answer::Gone),
        }
    }

    async fn read(&self, target: &Target) -> Result<Answer, kube::Error> {
        let client = self.client.clone();
        match target {
            Target::Service(id) => {
                let api: Api<Service> = Api::namespaced(client, &id.namespace);
                Ok(Answer::Service(Box::new(api.get(&id.name).await?)))
            }
            Target::Pool(name) => {
                let api: Api<CiliumLoadBalancerIPPool> = Api::all(client);
                Ok(Answer::Pool(Box::new(api.get(name.as_str()).await?)))
            }
            Target::Policy(name) => {
                let api: Api<CiliumL2AnnouncementPolicy> = Api::all(client);
                Ok(Answer::Policy(Box::new(api.get(name.as_str()).await?)))
            }
            Target::Members => {
                let api: Api<ConfigMap> = Api::namespaced(client, &self.namespace);
                Ok(Answer::Members(Box::new(api.get(NAME).await?)))
            }
            // Leases are read by their own name.
            Target::Lease(_) => Ok(Answer::Gone),
        }
    }

    async fn send_members(&self, write: &MembersWrite) -> Result<Answer, kube::Error> {
        let namespace = Some(self.namespace.as_str());
        let params = PostParams {
            field_manager: Some(field_owner::OPERATOR.to_owned()),
            ..Default::default()
        };
        let object = match write {
            MembersWrite::Create(object) => self.limited.create(namespace, &params, object.as_ref()).await?,
            MembersWrite::Replace(object) => {
                self.limited
                    .replace(namespace, NAME, &params, object.as_ref())
                    .await?
            }
        };
        Ok(Answer::Members(Box::new(object)))
    }

    async fn send_lease(&self, id: &ServiceId, write: &LeaseWrite) -> Result<Answer, kube::Error> {
        let namespace = Some(self.namespace.as_str());
        let params = PostParams {
            field_manager: Some(field_owner::OPERATOR.to_owned()),
            ..Default::default()
        };
        match write {
            LeaseWrite::Create(lease) => Ok(Answer::Lease(Box::new(
                self.limited.create(namespace, &params, lease.as_ref()).await?,
            ))),
            LeaseWrite::Replace(lease) => Ok(Answer::Lease(Box::new(
                self.limited
                    .replace(namespace, &lease.name_any(), &params, lease.as_ref())
                    .await?,
            ))),
            LeaseWrite::Delete(lease) => {
                let seen = Preconditions {
                    resource_version: lease.resource_version(),
                    uid: lease.uid(),
                };
                let params = DeleteParams {
                    preconditions: Some(seen),
                    ..Default::default()
                };
                match self
                    .limited
                    .delete::<Lease>(namespace, &lease.name_any(), &params)
                    .await
                {
                    Err(error) if !error.is_not_found() => Err(error),
                    _ => Ok(Answer::LeaseDeleted(id.clone())),
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
