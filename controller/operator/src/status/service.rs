//! The status of a service: its ingress, whether its request is satisfied, whether it is announced.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{LoadBalancerIngress, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use lightship_core::ipam::{Allocation, Kind, Reason, Verdict};
use lightship_core::names::PoolName;
use lightship_core::placement::{Outcome, Unwanted};
use lightship_core::service::IngressOwner;
use lightship_crd::condition::service as names;
use lightship_crd::{annotation, event};
use serde_json::json;

use super::condition::{Conditions, Saying};
use super::{Note, StatusUpdate, patch_at};
use crate::index;

/// What is decided about a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided<'a> {
    /// Its addresses.
    pub(crate) allocation: &'a Allocation,
    /// Who put the present ingress there.
    pub(crate) owner: IngressOwner,
    /// Whether and where it is announced.
    pub(crate) outcome: Option<&'a Outcome>,
    /// Addresses that another service still shows: ours to give only once they are gone there.
    pub(crate) shown_elsewhere: &'a BTreeSet<IpAddr>,
    /// Who renews a lease of the name that its own needs.
    pub(crate) stranger: Option<&'a str>,
}

/// The change that makes the service say what is decided; `None` when it does already.
pub(crate) fn update(observed: &Service, decided: Decided<'_>, now: Timestamp) -> Option<StatusUpdate> {
    let present: &[Condition] = observed
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref())
        .unwrap_or_default();
    let (entries, mut notes) = ingress(observed, decided);
    let mut conditions = Conditions::new(present, observed.metadata.generation, now);
    request_condition(&mut conditions, observed, decided);
    foreign_condition(&mut conditions, decided);
    announced_condition(&mut conditions, observed, decided, &entries);
    let conditions = conditions.into_list();
    if entries == index::service::ingress(observed) && conditions == present {
        return None;
    }
    notes.extend(warnings(present, &conditions));
    // What is not changed is not written: whoever put it there stays its owner.
    let status = if entries == index::service::ingress(observed) {
        json!({ "conditions": conditions })
    } else {
        json!({ "loadBalancer": { "ingress": entries }, "conditions": conditions })
    };
    Some(StatusUpdate {
        patch: patch_at(observed.metadata.resource_version.as_ref(), &status),
        notes,
    })
}

/// Entries that stay keep their place, hostname and ports; new ones carry the address alone, as Cilium's do.
fn ingress(observed: &Service, decided: Decided<'_>) -> (Vec<LoadBalancerIngress>, Vec<Note>) {
    let mut notes = Vec::new();
    let mut entries = index::service::ingress(observed).to_vec();
    for lost in &decided.allocation.released {
        entries.retain(|entry| index::service::address(entry) != Some(lost.address));
        notes.push(Note::normal(
            event::ADDRESS_RELEASED,
            format!("Address {} was taken back: {}", lost.address, lost.cause),
        ));
    }
    for given in &decided.allocation.given {
        let shown = entries
            .iter()
            .any(|entry| index::service::address(entry) == Some(given.address));
        if shown || decided.shown_elsewhere.contains(&given.address) {
            continue;
        }
        let ip = Some(given.address.to_string());
        entries.push(LoadBalancerIngress {
            ip,
            ..LoadBalancerIngress::default()
        });
        let pool = given
            .pool
            .as_ref()
            .map(|pool| format!(" from pool {pool}"))
            .unwrap_or_default();
        notes.push(Note::normal(
            event::ADDRESS_ASSIGNED,
            format!("Address {} was assigned{pool}", given.address),
        ));
    }
    (entries, notes)
}

fn request_condition(conditions: &mut Conditions, observed: &Service, decided: Decided<'_>) {
    if decided.allocation.verdict == Some(Verdict::Deferred) {
        return;
    }
    // What somebody else put there is not ours to judge, unless it is taken back.
    if decided.owner == IngressOwner::Another && decided.allocation.released.is_empty() {
        return kept_condition(conditions, observed, decided);
    }
    let saying = match &decided.allocation.verdict {
        Some(Verdict::Foreign { .. } | Verdict::Deferred) => return,
        None => return conditions.remove(names::REQUEST_SATISFIED),
        Some(Verdict::Satisfied) if decided.allocation.given.is_empty() => {
            return conditions.remove(names::REQUEST_SATISFIED);
        }
        Some(Verdict::Satisfied) => {
            let waiting = |given: &&lightship_core::ipam::Given| {
                decided.shown_elsewhere.contains(&given.address)
                    && !index::service::ingress(observed)
                        .iter()
                        .any(|entry| index::service::address(entry) == Some(given.address))
            };
            if decided.allocation.given.iter().any(|given| waiting(&given)) {
                return;
            }
            Saying {
                type_: names::REQUEST_SATISFIED,
                status: "True",
                reason: names::REASON_SATISFIED,
                message: String::new(),
            }
        }
        Some(Verdict::Unsatisfied(reasons)) => Saying {
            type_: names::REQUEST_SATISFIED,
            status: "False",
            reason: reasons
                .first()
                .map_or(names::REASON_NO_POOL, |reason| reason_code(reason.kind())),
            message: reasons
                .iter()
                .map(Reason::to_string)
                .collect::<Vec<_>>()
                .join("; "),
        },
    };
    conditions.set(saying);
}

/// Says that what somebody else assigned is as good as ours, as it is after a move from `MetalLB`. It says so by a reason of its
/// own, for addresses that we did not give are never taken away.
fn kept_condition(conditions: &mut Conditions, observed: &Service, decided: Decided<'_>) {
    let said = conditions.get(names::REQUEST_SATISFIED);
    if said.is_some_and(|said| said.reason != names::REASON_KEPT) {
        return;
    }
    if !is_kept(observed, decided) {
        return conditions.remove(names::REQUEST_SATISFIED);
    }
    let given = decided.allocation.given.iter();
    let addresses: Vec<_> = given.map(|given| given.address.to_string()).collect();
    conditions.set(Saying {
        type_: names::REQUEST_SATISFIED,
        status: "True",
        reason: names::REASON_KEPT,
        message: format!(
            "{} was assigned by somebody else and is kept",
            addresses.join(", ")
        ),
    });
}

/// Whether somebody else assigned what the service has, our pools contain it, and it is all that the service asks for.
fn is_kept(observed: &Service, decided: Decided<'_>) -> bool {
    let given = &decided.allocation.given;
    let has = |address: &str| given.iter().any(|given| address.parse() == Ok(given.address));
    let nothing = BTreeMap::new();
    let asked = annotation::IPS.value(observed.metadata.annotations.as_ref().unwrap_or(&nothing));
    decided.owner == IngressOwner::Another
        && decided.allocation.verdict == Some(Verdict::Satisfied)
        && !given.is_empty()
        && asked.is_none_or(|asked| asked.split(',').all(|item| has(item.trim())))
}

/// Says that a pool would serve the service, but what somebody else put there is left.
fn foreign_condition(conditions: &mut Conditions, decided: Decided<'_>) {
    if let Some(Verdict::Foreign {
        addresses,
        pool: Some(pool),
    }) = &decided.allocation.verdict
    {
        let what = match addresses.as_slice() {
            [] => "a name".to_owned(),
            addresses => {
                let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                addresses.join(", ")
            }
        };
        return conditions.set(Saying {
            type_: names::FOREIGN_ADDRESS,
            status: "True",
            reason: names::REASON_FOREIGN,
            message: left_alone(&what, pool),
        });
    }
    let is_deferred = decided.allocation.verdict == Some(Verdict::Deferred);
    if conditions.get(names::FOREIGN_ADDRESS).is_some() && !is_deferred {
        conditions.set(Saying {
            type_: names::FOREIGN_ADDRESS,
            status: "False",
            reason: names::REASON_RESOLVED,
            message: String::new(),
        });
    }
}

fn foreign_lease(holder: &str) -> String {
    format!(
        "its lease is renewed by somebody else for {holder}, as Cilium's agents do, and is left alone: turn off what \
         renews it (l2announcements.enabled in Cilium's values), and it is taken over once it expires"
    )
}

fn left_alone(what: &str, pool: &PoolName) -> String {
    format!(
        "{what} was put into the status by somebody else and is left; pool {pool} serves this service once the status \
         is empty, or set spec.loadBalancerClass so that only one controller does"
    )
}

/// Says why an address of ours is not announced. While all is well nothing is said, which saves a write per service.
fn announced_condition(
    conditions: &mut Conditions,
    observed: &Service,
    decided: Decided<'_>,
    entries: &[LoadBalancerIngress],
) {
    let is_ours = decided.owner == IngressOwner::Us || is_kept(observed, decided);
    let ours = is_ours && !entries.is_empty();
    let missing = match decided.outcome {
        Some(Outcome::Placed(_)) if decided.stranger.is_some() => Some((
            names::REASON_FOREIGN_LEASE,
            foreign_lease(decided.stranger.unwrap_or_default()),
        )),
        Some(Outcome::NoNode(refused)) => {
            let mut message = "no node can announce it".to_owned();
            for (node, refusals) in refused.iter().take(8) {
                let why: Vec<_> = refusals
                    .iter()
                    .map(|(policy, refusal)| format!("{refusal} (policy {policy})"))
                    .collect();
                let _ = write!(message, "; node {node}: {}", why.join(", "));
            }
            Some((names::REASON_NO_NODE, message))
        }
        Some(Outcome::Unwanted(why @ (Unwanted::NoPolicy | Unwanted::NotSelected(_)))) if ours => {
            Some((names::REASON_NO_POLICY, why.to_string()))
        }
        Some(Outcome::Placed(_)) => None,
        _ => return conditions.remove(names::ANNOUNCED),
    };
    let (status, reason, message) = match missing {
        Some((reason, message)) => ("False", reason, message),
        None if !caveats(decided).is_empty() => ("True", names::REASON_LAST_RESORT, caveats(decided)),
        None if conditions.get(names::ANNOUNCED).is_some() => (
            "True",
            names::REASON_ANNOUNCED,
            "the holder is named by the service's lease".to_owned(),
        ),
        None => return,
    };
    conditions.set(Saying {
        type_: names::ANNOUNCED,
        status,
        reason,
        message,
    });
}

/// What is not as it should be although a node answers.
fn caveats(decided: Decided<'_>) -> String {
    let Some(Outcome::Placed(placed)) = decided.outcome else {
        return String::new();
    };
    let caveats: Vec<_> = placed.caveats.iter().map(ToString::to_string).collect();
    if caveats.is_empty() {
        return String::new();
    }
    format!("node {} answers: {}", placed.holder, caveats.join("; "))
}

/// A warning for every condition that turned bad or is so for another reason than before.
fn warnings(before: &[Condition], after: &[Condition]) -> Vec<Note> {
    let said = |one: &Condition| {
        before
            .iter()
            .any(|old| old.type_ == one.type_ && old.status == one.status && old.message == one.message)
    };
    let ours = [
        (names::REQUEST_SATISFIED, "False", event::REQUEST_UNSATISFIED),
        (names::ANNOUNCED, "False", event::NOT_ANNOUNCED),
        (names::FOREIGN_ADDRESS, "True", event::FOREIGN_ADDRESS),
    ];
    ours.into_iter()
        .filter_map(|(type_, bad, event)| {
            let one = after.iter().find(|one| one.type_ == type_ && one.status == bad)?;
            (!said(one)).then(|| Note::warning(event, capitalised(&one.message)))
        })
        .collect()
}

fn capitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// The contract's word for a reason: condition reason and metric label.
pub(crate) fn reason_code(kind: Kind) -> &'static str {
    match kind {
        Kind::OutOfAddresses => names::REASON_OUT_OF_IPS,
        Kind::SelectorMismatch => names::REASON_POOL_SELECTOR_MISMATCH,
        Kind::NoPool => names::REASON_NO_POOL,
        Kind::Taken => names::REASON_ALREADY_ALLOCATED,
        Kind::CannotShare => names::REASON_ALREADY_ALLOCATED_INCOMPATIBLE,
        Kind::Unreadable => names::REASON_BAD_REQUEST,
        Kind::Frozen => names::REASON_DEFINITION_REPLACED,
    }
}

#[cfg(test)]
mod tests;
