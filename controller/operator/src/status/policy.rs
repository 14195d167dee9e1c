//! The status of a policy: what of it cannot be read, which nodes answer because of it, or why none does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use lightship_core::names::{NodeName, PolicyName};
use lightship_core::placement::{AddressKinds, Outcome, Refusal};
use lightship_crd::condition::policy as names;
use lightship_crd::{CiliumL2AnnouncementPolicy, Holder, PolicyStatus, event};
use serde_json::json;

use super::condition::{Conditions, Saying};
use super::{LONGEST_LIST, Note, StatusUpdate, patch_at};
use crate::index::policy::Reading;

/// The change that makes the policy say what is decided; `None` when it does already.
///
/// `holders` are all of the policy's bindings, `outcomes` those of services that have no node.
pub(crate) fn update<'a>(
    observed: &CiliumL2AnnouncementPolicy,
    reading: &Reading,
    holders: Vec<Holder>,
    outcomes: impl Iterator<Item = &'a Outcome>,
    now: Timestamp,
) -> Option<StatusUpdate> {
    let present = observed.status.clone().unwrap_or_default();
    let name: PolicyName = observed.metadata.name.clone().unwrap_or_default().into();
    let mut conditions = Conditions::new(&present.conditions, observed.metadata.generation, now);
    let parts = [
        (
            names::BAD_NODE_SELECTOR,
            reading.nodes.as_ref().err().map(ToString::to_string),
        ),
        (
            names::BAD_INTERFACE_REGEX,
            reading.interfaces.as_ref().err().map(ToString::to_string),
        ),
        (
            names::BAD_SERVICE_SELECTOR,
            reading.services.as_ref().err().map(ToString::to_string),
        ),
    ];
    for (type_, problem) in parts {
        // A policy that was never broken has none of these, as in Cilium.
        if problem.is_some() || conditions.get(type_).is_some() {
            let status = if problem.is_some() { "True" } else { "False" };
            let message = problem.unwrap_or_default();
            conditions.set(Saying {
                type_,
                status,
                reason: names::REASON_ERROR,
                message,
            });
        }
    }
    if let Some(saying) = announcing(&name, reading, &holders, outcomes) {
        conditions.set(saying);
    }
    let omitted = holders.len().saturating_sub(LONGEST_LIST);
    let status = PolicyStatus {
        conditions: conditions.into_list(),
        holders: holders.into_iter().take(LONGEST_LIST).collect(),
        holders_omitted: i64::try_from(omitted).ok().filter(|omitted| *omitted > 0),
    };
    if status == present {
        return None;
    }
    let notes = notes(&present.conditions, &status.conditions);
    let patch = patch_at(
        observed.metadata.resource_version.as_ref(),
        &json!({
            "conditions": status.conditions,
            "holders": status.holders,
            "holdersOmitted": status.holders_omitted,
        }),
    );
    Some(StatusUpdate { patch, notes })
}

/// What the policy says of itself; `None` while leases are about to be written, for then nothing is wrong.
fn announcing<'a>(
    name: &PolicyName,
    reading: &Reading,
    holders: &[Holder],
    outcomes: impl Iterator<Item = &'a Outcome>,
) -> Option<Saying<'static>> {
    let addresses: usize = holders.iter().map(|holder| holder.addresses.len()).sum();
    let (status, reason, message) = if reading.policy.is_none() {
        (
            "False",
            names::REASON_BAD_POLICY,
            "the policy cannot be read; see its io.cilium/bad-* conditions".into(),
        )
    } else if reading.kinds == AddressKinds::None {
        let message = "neither loadBalancerIPs nor externalIPs is true, so nothing is asked for; set one";
        ("False", names::REASON_NOTHING_ASKED, message.to_owned())
    } else if addresses > 0 {
        let message = format!("addresses announced: {addresses}; services: {}", holders.len());
        ("True", names::REASON_ANNOUNCED, message)
    } else {
        let (reason, message) = why_nobody(name, outcomes)?;
        ("False", reason, message)
    };
    Some(Saying {
        type_: names::ANNOUNCING,
        status,
        reason,
        message,
    })
}

/// The refusal that came closest to announcing is the one to mend.
fn why_nobody<'a>(
    name: &PolicyName,
    outcomes: impl Iterator<Item = &'a Outcome>,
) -> Option<(&'static str, String)> {
    let mut refusals: BTreeMap<&NodeName, &Refusal> = BTreeMap::new();
    for outcome in outcomes {
        match outcome {
            Outcome::Placed(placed) => {
                if placed.order.announcements.iter().any(|one| one.policy == *name) {
                    return None;
                }
            }
            Outcome::NoNode(nodes) => {
                for (node, reasons) in nodes {
                    let mine = reasons.iter().filter(|(policy, _)| policy == name);
                    refusals.extend(mine.map(|(_, refusal)| (node, refusal)));
                }
            }
            Outcome::Unwanted(_) => {}
        }
    }
    let closest = refusals.iter().max_by_key(|(_, refusal)| match refusal {
        Refusal::NodeSelector(_) => 0,
        Refusal::NoAgent => 1,
        Refusal::NoInterface(_) => 2,
        Refusal::LinkDown(_) => 3,
        Refusal::NoLocalEndpoint => 4,
    });
    Some(match closest {
        None => (
            names::REASON_NO_SERVICE,
            "no service with an address of the kinds asked for matches".to_owned(),
        ),
        Some((node, refusal)) => {
            let reason = match refusal {
                Refusal::NodeSelector(_) => names::REASON_NO_NODE,
                Refusal::NoAgent => names::REASON_NO_AGENT,
                Refusal::NoInterface(_) | Refusal::LinkDown(_) => names::REASON_NO_INTERFACE,
                Refusal::NoLocalEndpoint => names::REASON_NO_ENDPOINT,
            };
            (
                reason,
                format!("no node can announce; the closest is {node}, but {refusal}"),
            )
        }
    })
}

fn notes(before: &[Condition], after: &[Condition]) -> Vec<Note> {
    let find = |list: &'_ [Condition], type_: &str| list.iter().find(|one| one.type_ == type_).cloned();
    let mut notes = Vec::new();
    let bad = [
        (names::BAD_NODE_SELECTOR, event::BAD_NODE_SELECTOR),
        (names::BAD_INTERFACE_REGEX, event::BAD_INTERFACE_REGEX),
        (names::BAD_SERVICE_SELECTOR, event::BAD_SERVICE_SELECTOR),
    ];
    for (type_, reason) in bad {
        let (old, new) = (find(before, type_), find(after, type_));
        if let Some(one) = new.filter(|one| one.status == "True")
            && old.is_none_or(|old| old.message != one.message)
        {
            notes.push(Note::warning(
                reason,
                format!("The policy is not in force: {}", one.message),
            ));
        }
    }
    let (old, new) = (find(before, names::ANNOUNCING), find(after, names::ANNOUNCING));
    let status = |one: &Option<Condition>| one.as_ref().map(|one| one.status.clone());
    if status(&old) != status(&new) {
        notes.extend(new.map(|one| match one.status.as_str() {
            "True" => Note::normal(event::ANNOUNCING, one.message),
            _ => Note::warning(event::NOT_ANNOUNCING, one.message),
        }));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index;

    fn policy(interfaces: &[&str]) -> CiliumL2AnnouncementPolicy {
        let spec = lightship_crd::PolicySpec {
            interfaces: interfaces.iter().map(|one| (*one).to_owned()).collect(),
            load_balancer_ips: Some(true),
            ..Default::default()
        };
        CiliumL2AnnouncementPolicy::new("policy1", spec)
    }

    fn conditions(
        policy: &CiliumL2AnnouncementPolicy,
        outcome: Option<&Outcome>,
    ) -> (Vec<String>, Vec<Note>) {
        let reading = index::policy::policy(policy);
        let change = update(
            policy,
            &reading,
            vec![],
            outcome.into_iter(),
            Timestamp::UNIX_EPOCH,
        )
        .unwrap();
        let status: PolicyStatus = serde_json::from_value(change.patch["status"].clone()).unwrap();
        let said = status
            .conditions
            .iter()
            .map(|one| format!("{} {} {}", one.type_, one.status, one.reason));
        (said.collect(), change.notes)
    }

    #[test]
    fn a_bad_expression_is_named_and_the_policy_is_not_in_force() {
        let (said, notes) = conditions(&policy(&["eth["]), None);
        assert_eq!(
            said,
            [
                "io.cilium/bad-interface-regex True error",
                "lightship.dev/Announcing False bad_policy"
            ]
        );
        assert!(notes[0].message.contains("\"eth[\""), "{}", notes[0].message);
    }

    #[test]
    fn the_node_that_came_closest_is_named() {
        let refused = |refusal| vec![("policy1".into(), refusal)];
        let outcome = Outcome::NoNode(BTreeMap::from([
            ("node-1".into(), refused(Refusal::LinkDown(vec!["eth0".into()]))),
            (
                "node-2".into(),
                refused(Refusal::NodeSelector("!control-plane".into())),
            ),
        ]));
        let (said, notes) = conditions(&policy(&[]), Some(&outcome));
        assert_eq!(said, ["lightship.dev/Announcing False no_interface"]);
        assert_eq!(
            notes[0].message,
            "no node can announce; the closest is node-1, but eth0 is down or has no carrier"
        );
    }

    #[test]
    fn while_a_lease_is_being_written_nothing_is_said() {
        let policy = policy(&[]);
        let service = lightship_core::names::ServiceId::new("default", "web");
        let announcement = lightship_core::binding::Announcement {
            policy: "policy1".into(),
            addresses: vec!["10.0.10.0".parse().unwrap()],
            interfaces: vec![],
        };
        let order = lightship_core::binding::WorkOrder {
            primary: service.clone(),
            service,
            announcements: vec![announcement],
            standbys: vec![],
            former: None,
            deposed: None,
        };
        let outcome = Outcome::Placed(lightship_core::placement::Placed {
            holder: "node-1".into(),
            order,
            moved: None,
            caveats: [].into(),
        });
        let reading = index::policy::policy(&policy);
        let change = update(
            &policy,
            &reading,
            vec![],
            [&outcome].into_iter(),
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(change, None);
    }
}
