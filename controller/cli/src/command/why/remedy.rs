//! What to do about each reason. Every reason the core knows has a line here, or this does not compile.

use kube::ResourceExt as _;
use lightship_core::ipam::{Clash, Missed, Reason};
use lightship_core::names::{NodeName, PolicyName, PoolName, ServiceId};
use lightship_core::placement::Refusal;
use lightship_crd::standing::APPLY;
use lightship_crd::{annotation, label};
use serde_json::{Value, json};

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
    let request = format!("ask for another address, or for none: {}", unrequest(view));
    match reason {
        Reason::NoPool { .. } => format!(
            "create a pool, with addresses of your network that nobody else uses, for example: {}",
            applied(&json!({
                "apiVersion": "cilium.io/v2", "kind": "CiliumLoadBalancerIPPool", "metadata": {"name": "first-pool"},
                "spec": {"blocks": [{"cidr": "10.0.10.0/24"}]},
            }))
        ),
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
            "{request}; or share it, with different ports, by the same key on both: {}",
            same_key(view, by)
        ),
        Reason::CannotShare { with, clash, .. } => {
            format!("{}; or {request}", unclash(view, clash, with))
        }
        Reason::Withheld { pool, .. } => {
            format!("set allowFirstLastIPs: \"Yes\" (kubectl edit ippools {pool}), or {request}")
        }
        Reason::Unreadable(_) => format!(
            "correct spec.loadBalancerIP or the annotation {}, which takes addresses separated by commas: kubectl -n {} \
             edit service {}",
            annotation::IPS.name,
            view.id.namespace,
            view.id.name
        ),
        Reason::Frozen(_) => APPLY.to_owned(),
    }
}

/// The command that creates an object.
pub(super) fn applied(object: &Value) -> String {
    format!("echo '{object}' | kubectl apply -f -")
}

/// The command that takes a service's request for addresses away.
fn unrequest(view: &View<'_>) -> String {
    let ServiceId { namespace, name } = view.id;
    let annotations = view.service.annotations();
    let written = [Some(annotation::IPS.name), annotation::IPS.alias];
    let written = written.into_iter().flatten();
    match written.into_iter().find(|key| annotations.contains_key(*key)) {
        Some(key) => format!("kubectl -n {namespace} annotate service {name} {key}-"),
        None => format!(
            "kubectl -n {namespace} patch service {name} --type=merge -p '{{\"spec\":{{\"loadBalancerIP\":null}}}}'"
        ),
    }
}

/// The commands that annotate both of two services.
fn on_both(view: &View<'_>, other: &ServiceId, key: &str, value: [&str; 2]) -> String {
    let one = |id: &ServiceId, value: &str| {
        format!(
            "kubectl -n {} annotate service {} --overwrite {key}={value}",
            id.namespace, id.name
        )
    };
    format!("{} && {}", one(view.id, value[0]), one(other, value[1]))
}

/// The commands that give two services the same sharing key: the other's, where it has one.
fn same_key(view: &View<'_>, other: &ServiceId) -> String {
    let all = &view.cluster.objects.services;
    let found = all.iter().find(|one| {
        one.name_any() == other.name && one.namespace().as_deref() == Some(other.namespace.as_str())
    });
    let key = found.and_then(|one| annotation::SHARING_KEY.value(one.annotations()));
    let key = key.unwrap_or(&other.name);
    on_both(view, other, annotation::SHARING_KEY.name, [key, key])
}

fn unclash(view: &View<'_>, clash: &Clash, other: &ServiceId) -> String {
    let ServiceId { namespace, name } = view.id;
    let cluster_wide = |id: &ServiceId| {
        format!(
            "kubectl -n {} patch service {} --type=merge -p '{{\"spec\":{{\"externalTrafficPolicy\":\"Cluster\"}}}}'",
            id.namespace, id.name
        )
    };
    let both = || format!("{} && {}", cluster_wide(view.id), cluster_wide(other));
    match clash {
        Clash::Key => format!("give both the same key: {}", same_key(view, other)),
        Clash::Namespace => format!(
            "let each list the other's namespace: {}",
            on_both(
                view,
                other,
                annotation::SHARING_CROSS_NAMESPACE.name,
                [&other.namespace, namespace]
            )
        ),
        Clash::Port(port) => format!(
            "use another port than {port} in one of the two (the other is {other}): kubectl -n {namespace} edit service {name}"
        ),
        Clash::TrafficPolicy => format!("give both the same externalTrafficPolicy: {}", both()),
        Clash::NoPods => format!("let both use every node: {}; or give both a selector", both()),
        Clash::DifferentPods => format!(
            "let both permit it: {}; or let both use every node: {}",
            on_both(
                view,
                other,
                annotation::SHARING_PERMIT_DIFFERENT_PODS.name,
                ["true", "true"]
            ),
            both()
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
            // Labels that Kubernetes itself keeps are nobody's to change.
            Some((key, _)) if key.contains("kubernetes.io/") => {
                format!(
                    "no node has {unmet}, a label that is not to be changed; change the nodeSelector: {edit}"
                )
            }
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
