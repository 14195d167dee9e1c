//! Our two kinds of lease read: bindings of services, and heartbeats of agents.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use lightship_core::binding::{Binding, WorkOrder};
use lightship_core::inventory::Inventory;
use lightship_core::names::{NodeName, ServiceId};
use lightship_crd::annotation;
use thiserror::Error;

use crate::trace::TraceContext;

/// A lease that does not say what it should.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// An annotation or a field is missing.
    #[error("failed to read a lease: it has no {0}")]
    Missing(&'static str),
    /// An annotation is not what its name says.
    #[error("failed to read a lease's annotation {name}")]
    Annotation {
        /// Which annotation.
        name: &'static str,
        /// What the decoder objects to.
        #[source]
        source: serde_json::Error,
    },
}

/// What an agent says about itself.
#[derive(Debug)]
pub struct Beat {
    /// Its node.
    pub node: NodeName,
    /// Changes with every renewal.
    pub renewal: String,
    /// How long it counts.
    pub duration: Duration,
    /// The node's interfaces.
    pub inventory: Inventory,
}

/// Reads a service lease.
///
/// # Errors
/// When it has no holder or no readable work order.
pub fn binding(lease: &Lease) -> Result<Binding, Unreadable> {
    let spec = lease.spec.as_ref().ok_or(Unreadable::Missing("spec"))?;
    let text = annotated(lease, annotation::WORK_ORDER)?;
    let order = WorkOrder::from_annotation(text).map_err(|source| Unreadable::Annotation {
        name: annotation::WORK_ORDER,
        source,
    })?;
    Ok(Binding {
        holder: spec
            .holder_identity
            .clone()
            .filter(|holder| !holder.is_empty())
            .ok_or(Unreadable::Missing("holderIdentity"))?
            .into(),
        transitions: spec.lease_transitions.unwrap_or_default(),
        order,
    })
}

/// Reads a heartbeat.
///
/// # Errors
/// When it has no holder, duration or readable inventory.
pub fn heartbeat(lease: &Lease) -> Result<Beat, Unreadable> {
    let spec = lease.spec.as_ref().ok_or(Unreadable::Missing("spec"))?;
    let text = annotated(lease, annotation::INVENTORY)?;
    let inventory = Inventory::from_annotation(text).map_err(|source| Unreadable::Annotation {
        name: annotation::INVENTORY,
        source,
    })?;
    let seconds = spec
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok());
    Ok(Beat {
        node: spec
            .holder_identity
            .clone()
            .ok_or(Unreadable::Missing("holderIdentity"))?
            .into(),
        renewal: spec
            .renew_time
            .as_ref()
            .map(|time| time.0.to_string())
            .unwrap_or_default(),
        duration: Duration::from_secs(seconds.ok_or(Unreadable::Missing("leaseDurationSeconds"))?),
        inventory,
    })
}

/// The service a lease is for, by its annotation; the lease's own name where that is missing, so that it is found.
#[must_use]
pub fn bound_service(lease: &Lease) -> ServiceId {
    let service = annotated(lease, annotation::SERVICE)
        .ok()
        .and_then(|text| text.split_once('/'));
    service.map_or_else(
        || ServiceId::new("", lease.metadata.name.clone().unwrap_or_default()),
        |(namespace, name)| ServiceId::new(namespace, name),
    )
}

/// The span that wrote a lease, where traces are collected.
#[must_use]
pub fn trace_context(lease: &Lease) -> Option<TraceContext> {
    TraceContext::from_traceparent(annotated(lease, annotation::TRACE_PARENT).ok()?)
}

/// Names the span that writes a lease. Without one, that of an earlier write goes: what follows from this one is no part of
/// its trace.
pub fn set_trace_context(lease: &mut Lease, context: Option<&TraceContext>) {
    match context {
        Some(context) => {
            let annotations = lease.metadata.annotations.get_or_insert_default();
            annotations.insert(annotation::TRACE_PARENT.to_owned(), context.to_traceparent());
        }
        None => {
            if let Some(annotations) = &mut lease.metadata.annotations {
                annotations.remove(annotation::TRACE_PARENT);
            }
        }
    }
}

fn annotated<'a>(lease: &'a Lease, name: &'static str) -> Result<&'a str, Unreadable> {
    let annotations = lease.metadata.annotations.as_ref();
    annotations
        .and_then(|all| all.get(name))
        .map(String::as_str)
        .ok_or(Unreadable::Missing(name))
}
