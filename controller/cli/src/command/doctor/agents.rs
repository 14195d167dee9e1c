//! Whether an operator leads and the agents live.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, Client};
use lightship_crd::{label, lease};
use lightship_edge::lease::heartbeat;
use lightship_operator::rehearsal::{age, lasts};

use super::Check;
use crate::duration;
use crate::versions::{self, Age, OWN, Other};

const OPERATOR: &str = "operator";
const AGENTS: &str = "agents";
const CLOCKS: &str = "clocks";

/// So many nodes are named.
const NAMED: usize = 8;

/// So far may a node's clock be from this machine's before it is told.
const SKEW: Duration = Duration::from_secs(5);

pub(super) async fn checks(client: &Client, namespace: &str) -> Vec<Check> {
    let leases = Api::<Lease>::namespaced(client.clone(), namespace);
    let beats = ListParams::default().labels(&format!("{}={}", label::LEASE, label::LEASE_HEARTBEAT));
    let nodes = Api::<Node>::all(client.clone())
        .list(&ListParams::default())
        .await;
    let read = (
        leases.get_opt(lease::OPERATOR).await,
        leases.list(&beats).await,
        nodes,
    );
    let now = Timestamp::now();
    match read {
        (Ok(leader), Ok(beats), Ok(nodes)) => {
            let installed = Api::<DaemonSet>::namespaced(client.clone(), namespace)
                .get_opt("lightship-agent")
                .await;
            let nodes: Vec<_> = nodes.items.iter().map(kube::ResourceExt::name_any).collect();
            let mut checks = vec![operator(leader.as_ref(), namespace, now)];
            checks.extend(agents(
                &nodes,
                &beats.items,
                now,
                namespace,
                installed.ok().flatten().as_ref(),
            ));
            checks
        }
        (Err(error), ..) => vec![Check::unknown(OPERATOR, &error)],
        (_, Err(error), _) | (.., Err(error)) => vec![Check::unknown(AGENTS, &error)],
    }
}

fn operator(leader: Option<&Lease>, namespace: &str, now: Timestamp) -> Check {
    let holder = |lease: &Lease| lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
    match leader {
        None => Check::warn(
            OPERATOR,
            format!("none has ever led in namespace {namespace}"),
            "kubectl apply -k manifests; if it is installed elsewhere, say where with --namespace",
        ),
        Some(lease) if age(lease, now) <= lasts(lease) => {
            Check::ok(OPERATOR, format!("{} leads", holder(lease).unwrap_or_default()))
        }
        Some(lease) => Check::fail(
            OPERATOR,
            format!(
                "none leads; the last sign of one is {} old",
                duration::format(Duration::from_secs(age(lease, now).as_secs()))
            ),
            format!(
                "start it and read what it says: kubectl -n {namespace} get pods, kubectl -n {namespace} logs \
                 deployment/lightship-operator"
            ),
        ),
    }
}

fn agents(
    nodes: &[String],
    beats: &[Lease],
    now: Timestamp,
    namespace: &str,
    installed: Option<&DaemonSet>,
) -> Vec<Check> {
    let holder = |lease: &Lease| lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
    let of = |wanted: fn(&Lease, Timestamp) -> bool| -> BTreeSet<String> {
        let some = beats.iter().filter(|beat| wanted(beat, now));
        some.filter_map(holder).collect()
    };
    let alive = of(|beat, now| age(beat, now) <= lasts(beat));
    let silent: Vec<_> = nodes
        .iter()
        .filter(|node| !alive.contains(*node))
        .map(String::as_str)
        .collect();
    if beats.is_empty() && installed.is_none() {
        let remedy = "kubectl apply -k manifests installs all of Lightship";
        return vec![Check::warn(AGENTS, "none has ever reported", remedy)];
    }
    let mut checks = Vec::new();
    checks.push(if silent.is_empty() {
        Check::ok(AGENTS, format!("alive on every node ({})", nodes.len()))
    } else if silent.len() == nodes.len() {
        Check::fail(
            AGENTS,
            "none is alive",
            format!("kubectl -n {namespace} describe daemonset lightship-agent, and the agents' logs, say why"),
        )
    } else {
        Check::warn(
            AGENTS,
            format!("none is alive on {}", few(&silent)),
            format!(
                "these nodes hold no address; if they should: kubectl -n {namespace} describe daemonset lightship-agent"
            ),
        )
    });
    let unreadable: Vec<_> = beats.iter().filter(|beat| heartbeat(beat).is_err()).collect();
    if !unreadable.is_empty() {
        let names: Vec<_> = unreadable.iter().filter_map(|beat| holder(beat)).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        checks.push(Check::fail(
            AGENTS,
            format!("what the agents on {} report cannot be read: they are of another version", few(&names)),
            format!("kubectl -n {namespace} rollout restart daemonset lightship-agent, with the image of this version"),
        ));
    }
    checks.extend(versions(&versions::others(beats, now), namespace));
    checks.extend(clocks(beats, now));
    checks
}

/// Agents that are not of this version; while an upgrade rolls there are such.
fn versions(others: &[Other], namespace: &str) -> Vec<Check> {
    let of = |age: Age| -> Vec<String> {
        let some = others.iter().filter(|other| other.age == age);
        some.map(Other::named).collect()
    };
    let told = |age: Age, word: &str, remedy: String| {
        let some = of(age);
        let some: Vec<_> = some.iter().map(String::as_str).collect();
        let found = format!("those on {} are {word} than this program ({OWN})", few(&some));
        (!some.is_empty()).then(|| Check::warn(AGENTS, found, remedy))
    };
    let restart = format!(
        "kubectl -n {namespace} rollout status daemonset lightship-agent, and if it has ended: kubectl apply -k manifests of \
         this version"
    );
    let older = told(Age::Older, "older", restart);
    let newer = told(
        Age::Newer,
        "newer",
        "look with the lightship of their version".to_owned(),
    );
    older.into_iter().chain(newer).collect()
}

fn few(all: &[&str]) -> String {
    let more = if all.len() > NAMED { ", …" } else { "" };
    all.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ") + more
}

/// Heartbeats from the future. Nothing is decided by such times, but what people are shown is wrong.
fn clocks(beats: &[Lease], now: Timestamp) -> Option<Check> {
    let ahead = |beat: &Lease| {
        let renewed = beat.spec.as_ref()?.renew_time.as_ref()?.0;
        let ahead = Duration::try_from(renewed.duration_since(now)).ok()?;
        (ahead > SKEW).then_some((ahead, beat.spec.as_ref()?.holder_identity.clone()?))
    };
    let (ahead, node) = beats.iter().filter_map(ahead).max()?;
    Some(Check::warn(
        CLOCKS,
        format!(
            "{node} is {} ahead of this machine",
            duration::format(Duration::from_secs(ahead.as_secs()))
        ),
        "let NTP set the clocks; nothing is decided by them, but times that are shown are wrong",
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::State;
    use super::*;

    fn beat(node: &str, renewed: &str) -> Lease {
        serde_json::from_value(json!({
            "metadata": {"annotations": {
                "lightship.dev/inventory": "{\"interfaces\":[]}",
                "lightship.dev/agent-version": OWN,
            }},
            "spec": {"holderIdentity": node, "leaseDurationSeconds": 15, "renewTime": renewed},
        }))
        .unwrap()
    }

    #[test]
    fn the_silent_are_named_and_clocks_that_are_ahead() {
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        let nodes = ["node-1", "node-2"].map(str::to_owned);
        let fresh = beat("node-1", "2026-01-01T00:00:55.000000Z");
        let judged = |beats: &[Lease]| agents(&nodes, beats, now, "kube-system", None);

        let one = judged(std::slice::from_ref(&fresh));
        assert_eq!((one.len(), one[0].state), (1, State::Warn));
        assert!(one[0].found.contains("node-2"), "{one:?}");
        let both = judged(&[fresh.clone(), beat("node-2", "2026-01-01T00:01:30.000000Z")]);
        assert_eq!(
            (both[0].state, both[1].name, both[1].state),
            (State::Ok, CLOCKS, State::Warn)
        );
        assert!(both[1].found.starts_with("node-2 is 30s ahead"), "{both:?}");
        let none = judged(&[beat("node-1", "2026-01-01T00:00:00.000000Z")]);
        assert_eq!(none[0].state, State::Fail);
        let mut other = fresh;
        other.metadata.annotations = None;
        let unreadable = judged(std::slice::from_ref(&other));
        assert!(unreadable[1].found.contains("another version"), "{unreadable:?}");
        assert_eq!(
            (unreadable[2].state, unreadable[2].found.as_str()),
            (
                State::Warn,
                format!("those on node-1 (no version told) are older than this program ({OWN})").as_str()
            )
        );
    }
}
