//! What to do about each reason. Every reason the core knows has a line here, or this does not compile.

use kube::ResourceExt as _;
use lightship_core::ipam::{Clash, Missed, Reason};
use lightship_core::names::{NodeName, PolicyName, PoolName};
use lightship_core::placement::Refusal;
use lightship_crd::{annotation, label};

use super::View;

/// For a pool that does not serve the service.
pub(super) fn missed(view: &View<'_>, pool: &PoolName, missed: &Missed) -> String {
    match missed {
        Missed::Selector(unmet) => labelled(view, unmet, &format!("pool {pool}'s serviceSelector")),
        Missed::UnreadableSelector(_) => {
            format!("correct its serviceSelector: kubectl edit ippools {pool}")
        }
        Missed::Disabled => {
            format!("kubectl patch ippools {pool} --type=merge -p '{{\"spec\":{{\"disabled\":false}}}}'")
        }
        Missed::Conflicting => {
            format!("take the addresses that overlap out of one of the two: kubectl edit ippools {pool}")
        }
        Missed::Family => format!(
            "add a block of that family (kubectl edit ippools {pool}), or ask for another ipFamilyPolicy"
        ),
        Missed::NotNamed(named) => format!(
            "change or remove the service's annotation {} (now {named})",
            annotation::POOL.name
        ),
    }
}

/// For what the service lacks, pools that do not serve it excepted.
pub(super) fn reason(view: &View<'_>, reason: &Reason) -> String {
    let request = format!(
        "ask for another in the service's annotation {}, or for none",
        annotation::IPS.name
    );
    match reason {
        Reason::NoPool { .. } => {
            "create a pool, for example: kubectl apply -f - with apiVersion: cilium.io/v2, kind: \
             CiliumLoadBalancerIPPool, spec: {blocks: [{cidr: 10.0.10.0/24}]}"
                .to_owned()
        }
        Reason::OutOfAddresses { pools, .. } => {
            let pool = pools.first().map(PoolName::as_str).unwrap_or_default();
            format!(
                "add a block (kubectl edit ippools {pool}), delete a service that needs none (lightship ips), or share an \
                 address by the annotation {}",
                annotation::SHARING_KEY.name
            )
        }
        Reason::NotInAnyPool(_) => format!("add it to a pool's blocks, or {request}"),
        Reason::PoolMissed {
            pool, missed: why, ..
        } => missed(view, pool, why),
        Reason::Taken { by, .. } => format!(
            "{request}; or share it: give both services (the other is {by}) the same annotation {} and different ports",
            annotation::SHARING_KEY.name
        ),
        Reason::CannotShare { with, clash, .. } => {
            format!("{}, or {request}", unclash(clash, &with.to_string()))
        }
        Reason::Withheld { pool, .. } => {
            format!("set allowFirstLastIPs: \"Yes\" (kubectl edit ippools {pool}), or {request}")
        }
        Reason::Unreadable(_) => format!(
            "correct spec.loadBalancerIP or the annotation {}: addresses separated by commas",
            annotation::IPS.name
        ),
    }
}

fn unclash(clash: &Clash, other: &str) -> String {
    match clash {
        Clash::Key => format!(
            "give both this service and {other} the same annotation {}",
            annotation::SHARING_KEY.name
        ),
        Clash::Namespace => format!(
            "let each of the two list the other's namespace in the annotation {}",
            annotation::SHARING_CROSS_NAMESPACE.name
        ),
        Clash::Port(port) => format!("use another port than {port} in one of the two (the other is {other})"),
        Clash::TrafficPolicy => format!("give this service and {other} the same externalTrafficPolicy"),
        Clash::NoPods => "set externalTrafficPolicy: Cluster on both, or give both a selector".to_owned(),
        Clash::DifferentPods => format!(
            "set externalTrafficPolicy: Cluster on both, or the annotation {}: \"true\" on both",
            annotation::SHARING_PERMIT_DIFFERENT_PODS.name
        ),
    }
}

/// For a service that a selector misses: its labels, or its Gateway's, are what to change first.
pub(super) fn labelled(view: &View<'_>, unmet: &str, selector: &str) -> String {
    let labels = view.service.labels();
    let (kind, name) = match labels.get(label::GATEWAY_NAME) {
        Some(gateway) => ("gateway", gateway.as_str()),
        None => ("service", view.id.name.as_str()),
    };
    let namespace = &view.id.namespace;
    if unmet.starts_with(label::SERVICE_NAMESPACE) || unmet.starts_with(label::SERVICE_NAME) {
        return format!("change {selector}");
    }
    match unmet.split_once('=') {
        Some((key, value)) if !key.contains(['!', ' ']) => {
            format!(
                "kubectl -n {namespace} label {kind} {name} --overwrite {key}={value}, or change {selector}"
            )
        }
        _ => format!("give the {kind} {namespace}/{name} labels that meet \"{unmet}\", or change {selector}"),
    }
}

/// For a node that cannot announce.
pub(super) fn refusal(view: &View<'_>, policy: &PolicyName, node: &NodeName, refusal: &Refusal) -> String {
    let edit = format!("kubectl edit ciliuml2announcementpolicies {policy}");
    match refusal {
        Refusal::NodeSelector(unmet) => match unmet.split_once('=') {
            Some((key, value)) if !key.contains(['!', ' ']) => {
                format!(
                    "kubectl label node {node} --overwrite {key}={value}, or change the nodeSelector: {edit}"
                )
            }
            _ => format!("give a node labels that meet \"{unmet}\", or change the nodeSelector: {edit}"),
        },
        Refusal::NoAgent => format!(
            "run the agent there: kubectl -n {} describe daemonset lightship-agent shows why it does not (taints, node selector, image)",
            view.namespace
        ),
        Refusal::NoInterface(_) => {
            let inventory = view.rehearsal.cluster().heartbeats.inventory(node);
            let names = inventory.into_iter().flat_map(|one| &one.interfaces);
            let names: Vec<_> = names.map(|one| one.name.as_str()).collect();
            format!(
                "name one that it has ({}; they are regular expressions): {edit}",
                names.join(", ")
            )
        }
        Refusal::LinkDown(names) => format!(
            "on {node}: ip link set {} up; if it is up, mend the cable or the switch's port",
            names.first().map_or("IFACE", String::as_str)
        ),
        Refusal::NoLocalEndpoint => {
            "run a ready pod of it on a node that the policy allows, or set externalTrafficPolicy: Cluster"
                .to_owned()
        }
    }
}
