//! Whether a policy wants the service announced, a node does so, and its agent lives.

use std::collections::BTreeMap;

use lightship_core::finding::Sight;
use lightship_core::names::{NodeName, PolicyName};
use lightship_core::placement::{Caveat, Mismatch, NodeTrait, Outcome, Placed, Refusal, Unwanted};

use serde_json::json;

use super::{Step, View, address, remedy};

/// So many of a kind are named.
const NAMED: usize = 8;

pub(super) fn steps(view: &View<'_>) -> Vec<Step> {
    match view.rehearsal.outcome(view.id) {
        // What is missing is the address, which was told.
        Some(Outcome::Unwanted(Unwanted::NoAddress)) | None => vec![],
        Some(Outcome::Unwanted(unwanted)) => unselected(view, unwanted),
        Some(Outcome::NoNode(refused)) => nowhere(view, refused),
        Some(Outcome::Placed(placed)) => held(view, placed),
    }
}

fn unselected(view: &View<'_>, unwanted: &Unwanted) -> Vec<Step> {
    let mut steps = match unwanted {
        Unwanted::NotSelected(mismatches) => {
            let each = mismatches.iter().take(NAMED).map(|(policy, mismatch)| {
                let remedy = match mismatch {
                    Mismatch::ServiceSelector(unmet) => {
                        remedy::labelled(view, unmet, &format!("policy {policy}'s serviceSelector"))
                    }
                    Mismatch::AddressKind => flags(view, policy),
                };
                Step::wrong(
                    "policy",
                    format!("policy {policy} does not announce it: {mismatch}"),
                    remedy,
                )
            });
            each.collect()
        }
        Unwanted::NoPolicy if !view.cluster.objects.policies.is_empty() => vec![],
        Unwanted::NoPolicy => vec![Step::wrong(
            "policy",
            "there is no CiliumL2AnnouncementPolicy",
            format!(
                "create one, for example: {}",
                remedy::applied(&json!({
                    "apiVersion": "cilium.io/v2alpha1", "kind": "CiliumL2AnnouncementPolicy",
                    "metadata": {"name": "first-policy"}, "spec": {flag(view): true},
                }))
            ),
        )],
        // Told with the address, where there is one of ours.
        Unwanted::ForeignClass(_) | Unwanted::NoAddress => return vec![],
    };
    steps.extend(broken(view));
    steps
}

/// The flag that would announce the kind of address the service has.
fn flag(view: &View<'_>) -> &'static str {
    let service = view.rehearsal.cluster().services.get(view.id);
    if service.is_some_and(|service| service.load_balancer.is_empty()) {
        "externalIPs"
    } else {
        "loadBalancerIPs"
    }
}

fn flags(view: &View<'_>, policy: &PolicyName) -> String {
    format!(
        "kubectl patch ciliuml2announcementpolicies {policy} --type=merge -p '{{\"spec\":{{\"{}\":true}}}}'",
        flag(view)
    )
}

/// Policies of which nothing is in force.
fn broken(view: &View<'_>) -> Vec<Step> {
    let in_force = &view.rehearsal.cluster().policies;
    let all = view.rehearsal.policy_problems();
    let broken = all
        .into_iter()
        .filter(|(policy, _)| !in_force.contains_key(policy));
    let steps = broken.flat_map(|(policy, problems)| {
        problems.into_iter().map(move |(field, problem)| {
            let found = format!("policy {policy} is not in force: {field}: {problem}");
            let remedy = format!("correct {field}: kubectl edit ciliuml2announcementpolicies {policy}");
            Step::wrong("policy", found, remedy)
        })
    });
    steps.take(NAMED).collect()
}

/// The nodes, those together that are refused for the same reason.
fn nowhere(view: &View<'_>, refused: &BTreeMap<NodeName, Vec<(PolicyName, Refusal)>>) -> Vec<Step> {
    if refused.is_empty() {
        let remedy = "see kubectl get nodes: a node that the policy's nodeSelector allows has to join";
        return vec![Step::wrong("node", "there is no node", remedy)];
    }
    let mut alike: BTreeMap<(&PolicyName, String), (&Refusal, Vec<&NodeName>)> = BTreeMap::new();
    for (node, refusals) in refused {
        for (policy, refusal) in refusals {
            let nodes = &mut alike
                .entry((policy, refusal.to_string()))
                .or_insert((refusal, vec![]))
                .1;
            nodes.push(node);
        }
    }
    // Where nodes are meant and cannot, others that are not meant are no news, and nothing to be changed.
    let by_selector = |refusal: &Refusal| matches!(refusal, Refusal::NodeSelector(_));
    let some_are_meant = alike.values().any(|(refusal, _)| !by_selector(refusal));
    let steps = alike.into_iter().map(|((policy, why), (refusal, nodes))| {
        let named: Vec<_> = nodes.iter().take(NAMED).map(|node| node.as_str()).collect();
        let more = match nodes.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let found = format!(
            "{}{more} cannot announce it for policy {policy}: {why}",
            named.join(", ")
        );
        if some_are_meant && by_selector(refusal) {
            return Step::note("node", found, None);
        }
        // A node that traffic is meant for, if there is one.
        let known = &view.rehearsal.cluster().nodes;
        let meant = |node: &&&NodeName| known.get(**node).is_some_and(|node| node.traits.is_empty());
        let node = nodes.iter().find(meant).or_else(|| nodes.first());
        let remedy = node.map(|node| remedy::refusal(view, policy, node, refusal));
        Step::wrong("node", found, remedy.unwrap_or_default())
    });
    let mut steps: Vec<Step> = steps.collect();
    steps.extend(broken(view));
    steps
}

fn held(view: &View<'_>, placed: &Placed) -> Vec<Step> {
    let policies: Vec<_> = placed
        .order
        .announcements
        .iter()
        .map(|one| one.policy.as_str())
        .collect();
    let mut steps = vec![Step::well(
        "policy",
        format!("{} announces it", policies.join(", ")),
    )];
    let announced = placed.order.addresses();
    for silent in address::of(view).iter().filter(|one| !announced.contains(one)) {
        let remedy =
            "let a policy that selects it announce this kind of address, too (loadBalancerIPs, externalIPs)";
        steps.push(Step::wrong(
            "policy",
            format!("no policy announces {silent}"),
            remedy,
        ));
    }
    let bound = view.rehearsal.binding(view.id).map(|binding| &binding.holder);
    let standbys: Vec<_> = placed.order.standbys.iter().map(NodeName::as_str).collect();
    let standbys = if standbys.is_empty() {
        "nobody stands by".to_owned()
    } else {
        format!("{} stands by", standbys.join(", then "))
    };
    steps.push(match bound {
        Some(holder) if *holder == placed.holder => {
            Step::well("node", format!("{holder} holds it, {standbys}"))
        }
        Some(holder) => {
            let cause = placed.moved.as_ref().map(|(_, cause)| format!(": {cause}"));
            let found = format!(
                "it goes from {holder} to {}{}",
                placed.holder,
                cause.unwrap_or_default()
            );
            Step::note(
                "node",
                found,
                Some("look again in a moment; if it stays so, the operator's log says why".to_owned()),
            )
        }
        None => Step::note(
            "node",
            format!("{} is to hold it, and has no lease yet", placed.holder),
            Some("look again in a moment; if it stays so, the operator's log says why".to_owned()),
        ),
    });
    for caveat in &placed.caveats {
        let remedy = match caveat {
            Caveat::OnlyNode(NodeTrait::Silent) => format!(
                "start the agent on {}, or let another node match the policy: kubectl -n {} get pods -o wide",
                placed.holder, view.namespace
            ),
            Caveat::OnlyNode(_) => format!(
                "let another node match the policy, or: lightship undrain {}",
                placed.holder
            ),
            Caveat::NoReadyEndpoint => {
                "run a ready pod of it, or set externalTrafficPolicy: Cluster".to_owned()
            }
        };
        steps.push(match caveat {
            Caveat::OnlyNode(NodeTrait::Silent) => {
                Step::wrong("node", format!("{}: {caveat}", placed.holder), remedy)
            }
            _ => Step::note("node", format!("{}: {caveat}", placed.holder), Some(remedy)),
        });
    }
    steps.extend(agent(view, bound.unwrap_or(&placed.holder)));
    steps
}

/// Whether the agent of the node lives, and what it saw.
fn agent(view: &View<'_>, node: &NodeName) -> Vec<Step> {
    let beats = &view.rehearsal.cluster().heartbeats;
    if view.rehearsal.is_alive(node) != Some(true) {
        return vec![Step::wrong(
            "agent",
            format!("the agent on {node} has not been heard of for a lease duration"),
            format!(
                "kubectl -n {} get pods -o wide, and read the log of the agent on {node}; or drain it: lightship drain {node}",
                view.namespace
            ),
        )];
    }
    let mut steps = vec![Step::well("agent", format!("the agent on {node} lives"))];
    let findings = beats
        .inventory(node)
        .into_iter()
        .flat_map(|inventory| &inventory.findings);
    let of_service = findings.filter(|finding| finding.service.as_ref() == Some(view.id));
    for step in of_service.filter_map(|finding| seen(node, &finding.saw)) {
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    steps
}

/// What of an agent's findings bears on whether clients reach the address.
fn seen(node: &NodeName, saw: &Sight) -> Option<Step> {
    match saw {
        Sight::Conflict {
            address,
            interface,
            mac,
        } => {
            let found =
                format!("on {interface} of {node} another station, {mac}, said that it has {address}");
            let remedy = "find that station by its hardware address and take the address from it, or take the address out of the pool";
            Some(Step::note("agent", found, Some(remedy.to_owned())))
        }
        Sight::Refused {
            address,
            interface,
            why,
        } => Some(Step::wrong(
            "agent",
            format!("{node} cannot be made to answer for {address} on {interface}: {why}"),
            format!("let another node hold it: lightship drain {node}"),
        )),
        _ => None,
    }
}
