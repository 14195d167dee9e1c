//! Service leases: the difference between what placement decided and what is bound, as compare-and-swap writes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use lightship_core::binding::{Binding, WorkOrder};
use lightship_core::names::ServiceId;
use lightship_core::placement::{Outcome, Placed};
use lightship_core::timing::LeaseTimings;
use lightship_crd::{annotation, event, label};

use crate::error::Error;
use crate::status::Note;

/// A write of a service lease; each carries the version it was decided on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LeaseWrite {
    /// Nothing is bound yet.
    Create(Box<Lease>),
    /// The binding changes.
    Replace(Box<Lease>),
    /// Nothing is to be announced any more.
    Delete(Box<Lease>),
}

/// A write and what to tell, on the service and on the lease, once it is done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BindingUpdate {
    /// The write.
    pub(crate) write: LeaseWrite,
    /// What to tell.
    pub(crate) notes: Vec<Note>,
}

/// Where and how leases are written.
#[derive(Clone, Debug)]
pub(crate) struct LeaseForm {
    /// Namespace of all leases.
    pub(crate) namespace: String,
    /// Their timings.
    pub(crate) timings: LeaseTimings,
}

impl LeaseForm {
    /// The write that makes the binding of a service what is decided, in no lower an epoch than given; `None` when it is
    /// already.
    pub(crate) fn update(
        &self,
        name: &str,
        observed: Option<&Lease>,
        outcome: Option<&Outcome>,
        epoch: i32,
        now: Timestamp,
    ) -> Result<Option<BindingUpdate>, Error> {
        let placed = match (outcome, observed) {
            (Some(Outcome::Placed(placed)), _) => placed,
            (_, None) => return Ok(None),
            (outcome, Some(lease)) => {
                let why = match outcome {
                    Some(Outcome::Unwanted(unwanted)) => unwanted.to_string(),
                    Some(_) => "no node can announce it".to_owned(),
                    None => "the service was deleted".to_owned(),
                };
                let notes = vec![Note::warning(
                    event::WITHDRAWN,
                    format!("No node answers any more: {why}"),
                )];
                return Ok(Some(BindingUpdate {
                    write: LeaseWrite::Delete(Box::new(lease.clone())),
                    notes,
                }));
            }
        };
        let Some(lease) = observed else {
            let spec = self.spec(placed, epoch, now, now);
            let metadata = self.metadata(name, &placed.order, ObjectMeta::default())?;
            let notes = vec![Note::normal(event::ANNOUNCED, announced(placed))];
            let write = LeaseWrite::Create(Box::new(Lease {
                metadata,
                spec: Some(spec),
            }));
            return Ok(Some(BindingUpdate { write, notes }));
        };
        let bound = lightship_edge::lease::binding(lease).ok();
        let says_so = |bound: &Binding| {
            bound.holder == placed.holder && bound.order == placed.order && bound.transitions >= epoch
        };
        if bound.as_ref().is_some_and(says_so) && is_marked(lease, &placed.order) {
            return Ok(None);
        }
        let (transitions, acquired) = succession(lease, bound.as_ref(), placed, now);
        let metadata = self.metadata(name, &placed.order, lease.metadata.clone())?;
        let spec = self.spec(placed, transitions.max(epoch), acquired, now);
        let write = LeaseWrite::Replace(Box::new(Lease {
            metadata,
            spec: Some(spec),
        }));
        Ok(Some(BindingUpdate {
            write,
            notes: told(bound.as_ref(), placed),
        }))
    }

    /// The write that makes another service's lease the authority on the group of this one, which goes.
    pub(crate) fn retired(
        &self,
        lease: &Lease,
        successor: ServiceId,
        now: Timestamp,
    ) -> Result<Option<BindingUpdate>, Error> {
        let Ok(mut bound) = lightship_edge::lease::binding(lease) else {
            return Ok(None);
        };
        bound.order.primary = successor;
        let name = lease.metadata.name.clone().unwrap_or_default();
        let mut lease = lease.clone();
        lease.metadata = self.metadata(&name, &bound.order, lease.metadata)?;
        Ok(Some(Self::touched(&lease, now)))
    }

    /// The write that changes nothing but the version of a lease, so that claims of it that are under way fail.
    pub(crate) fn touched(lease: &Lease, now: Timestamp) -> BindingUpdate {
        let mut lease = lease.clone();
        if let Some(spec) = &mut lease.spec {
            spec.renew_time = Some(MicroTime(now));
        }
        BindingUpdate {
            write: LeaseWrite::Replace(Box::new(lease)),
            notes: vec![],
        }
    }

    fn spec(&self, placed: &Placed, transitions: i32, acquired: Timestamp, now: Timestamp) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(placed.holder.to_string()),
            lease_duration_seconds: Some(self.timings.lease_duration_seconds()),
            acquire_time: Some(MicroTime(acquired)),
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }

    fn metadata(&self, name: &str, order: &WorkOrder, present: ObjectMeta) -> Result<ObjectMeta, Error> {
        let text = order.to_annotation().map_err(|source| Error::Encode {
            what: "a work order",
            source,
        })?;
        let mut annotations = present.annotations.unwrap_or_default();
        annotations.insert(annotation::SERVICE.to_owned(), order.service.to_string());
        annotations.insert(annotation::WORK_ORDER.to_owned(), text);
        let mut labels = present.labels.unwrap_or_default();
        labels.insert(label::LEASE.to_owned(), label::LEASE_SERVICE.to_owned());
        Ok(ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.namespace.clone()),
            labels: Some(labels),
            annotations: Some(annotations),
            ..present
        })
    }
}

/// Whether a lease is found by our watch and says whose it is.
fn is_marked(lease: &Lease, order: &WorkOrder) -> bool {
    let labels = lease.metadata.labels.as_ref();
    let kind = labels
        .and_then(|labels| labels.get(label::LEASE))
        .map(String::as_str);
    let annotations = lease.metadata.annotations.as_ref();
    let service = annotations.and_then(|all| all.get(annotation::SERVICE));
    kind == Some(label::LEASE_SERVICE) && service == Some(&order.service.to_string())
}

/// A change of holder starts a new epoch; a change of the work order alone does not.
fn succession(lease: &Lease, bound: Option<&Binding>, placed: &Placed, now: Timestamp) -> (i32, Timestamp) {
    let spec = lease.spec.as_ref();
    let transitions = spec
        .and_then(|spec| spec.lease_transitions)
        .unwrap_or_default()
        .max(0);
    let acquired = spec
        .and_then(|spec| spec.acquire_time.as_ref())
        .map_or(now, |time| time.0);
    if bound.is_some_and(|bound| bound.holder == placed.holder) {
        (transitions, acquired)
    } else {
        (transitions.saturating_add(1), now)
    }
}

fn addresses(order: &WorkOrder) -> String {
    order
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn announced(placed: &Placed) -> String {
    format!("Node {} answers for {}", placed.holder, addresses(&placed.order))
}

fn told(bound: Option<&Binding>, placed: &Placed) -> Vec<Note> {
    match (&placed.moved, bound) {
        (Some((Some(former), cause)), _) => {
            let (addresses, holder) = (addresses(&placed.order), &placed.holder);
            let message = format!("Node {holder} answers for {addresses} instead of {former}: {cause}");
            vec![Note::normal(event::MOVED, message)]
        }
        (None, Some(bound)) if bound.order.addresses() != placed.order.addresses() => {
            vec![Note::normal(event::ANNOUNCED, announced(placed))]
        }
        (None, Some(_)) => vec![],
        _ => vec![Note::normal(event::ANNOUNCED, announced(placed))],
    }
}

/// The name of a service's lease: what it has stays, and colliding plain names are told apart.
pub(crate) fn lease_name(
    id: &ServiceId,
    observed: Option<&Lease>,
    names: &BTreeMap<String, ServiceId>,
) -> String {
    if let Some(name) = observed.and_then(|lease| lease.metadata.name.clone()) {
        return name;
    }
    let plain = lightship_crd::lease::service(&id.namespace, &id.name);
    match names.get(&plain) {
        Some(_) => lightship_crd::lease::service_distinct(&id.namespace, &id.name),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use lightship_core::binding::Announcement;
    use lightship_core::placement::{MoveCause, NodeTrait, Unwanted};

    use super::*;

    const NAME: &str = "cilium-l2announce-default-web";

    fn form() -> LeaseForm {
        LeaseForm {
            namespace: "kube-system".to_owned(),
            timings: LeaseTimings::default(),
        }
    }

    fn placed(holder: &str, moved: Option<(Option<&str>, MoveCause)>) -> Outcome {
        let service = ServiceId::new("default", "web");
        let announcements = vec![Announcement {
            policy: "policy1".into(),
            addresses: vec!["10.0.10.0".parse().unwrap()],
            interfaces: vec![],
        }];
        let order = WorkOrder {
            primary: service.clone(),
            service,
            announcements,
            standbys: vec![],
            former: None,
            deposed: None,
        };
        let moved = moved.map(|(former, cause)| (former.map(Into::into), cause));
        Outcome::Placed(Placed {
            holder: holder.into(),
            order,
            moved,
            caveats: [].into(),
        })
    }

    fn created() -> Lease {
        let first = placed("node-1", Some((None, MoveCause::First)));
        match form()
            .update(NAME, None, Some(&first), 0, Timestamp::UNIX_EPOCH)
            .unwrap()
        {
            Some(BindingUpdate {
                write: LeaseWrite::Create(lease),
                ..
            }) => *lease,
            other => panic!("a lease was expected, not {other:?}"),
        }
    }

    #[test]
    fn a_new_binding_has_every_field_that_describe_shows() {
        let lease = created();
        assert_eq!(
            lease.metadata.labels.as_ref().unwrap()["lightship.dev/lease"],
            "service"
        );
        assert_eq!(
            lease.metadata.annotations.as_ref().unwrap()["lightship.dev/service"],
            "default/web"
        );
        let spec = lease.spec.as_ref().unwrap();
        assert_eq!(spec.holder_identity.as_deref(), Some("node-1"));
        assert_eq!(
            (spec.lease_duration_seconds, spec.lease_transitions),
            (Some(15), Some(0))
        );
        assert!(spec.acquire_time.is_some() && spec.renew_time.is_some());
        assert_eq!(
            lightship_edge::lease::binding(&lease).unwrap().holder.as_str(),
            "node-1"
        );
    }

    #[test]
    fn what_is_bound_as_decided_is_not_written() {
        let decided = placed("node-1", None);
        assert_eq!(
            form()
                .update(NAME, Some(&created()), Some(&decided), 0, Timestamp::now())
                .unwrap(),
            None
        );
    }

    #[test]
    fn a_binding_in_an_epoch_that_is_over_is_written_in_the_latest() {
        let decided = placed("node-1", None);
        let update = form()
            .update(NAME, Some(&created()), Some(&decided), 3, Timestamp::UNIX_EPOCH)
            .unwrap();
        let LeaseWrite::Replace(lease) = update.unwrap().write else {
            panic!("a replacement was expected")
        };
        assert_eq!(lease.spec.unwrap().lease_transitions, Some(3));
    }

    #[test]
    fn a_move_starts_a_new_epoch_and_keeps_the_version_it_was_decided_on() {
        let mut lease = created();
        lease.metadata.resource_version = Some("41".to_owned());
        let silent = MoveCause::Objected([NodeTrait::Silent].into());
        let decided = placed("node-2", Some((Some("node-1"), silent)));
        let update = form()
            .update(NAME, Some(&lease), Some(&decided), 0, Timestamp::UNIX_EPOCH)
            .unwrap()
            .unwrap();
        let LeaseWrite::Replace(lease) = update.write else {
            panic!("a replacement was expected")
        };
        assert_eq!(lease.metadata.resource_version.as_deref(), Some("41"));
        assert_eq!(lease.spec.unwrap().lease_transitions, Some(1));
        assert_eq!(
            update.notes[0].message,
            "Node node-2 answers for 10.0.10.0 instead of node-1: the former holder has not been heard of for a \
             lease duration"
        );
    }

    #[test]
    fn what_is_not_to_be_announced_is_unbound() {
        let unwanted = Outcome::Unwanted(Unwanted::NoPolicy);
        let update = form()
            .update(NAME, Some(&created()), Some(&unwanted), 0, Timestamp::UNIX_EPOCH)
            .unwrap();
        assert!(matches!(update.unwrap().write, LeaseWrite::Delete(_)));
        assert_eq!(
            form()
                .update(NAME, None, Some(&unwanted), 0, Timestamp::UNIX_EPOCH)
                .unwrap(),
            None
        );
    }

    #[test]
    fn colliding_names_are_told_apart_and_stay() {
        let (one, other) = (ServiceId::new("a-b", "c"), ServiceId::new("a", "b-c"));
        let name = lease_name(&one, None, &BTreeMap::new());
        let names = BTreeMap::from([(name.clone(), one.clone())]);
        let distinct = lease_name(&other, None, &names);
        assert_ne!(name, distinct);
        let mut lease = created();
        lease.metadata.name = Some(name.clone());
        assert_eq!(lease_name(&one, Some(&lease), &names), name);
    }
}
