//! `lightship drain` and `lightship undrain`: a node's addresses are asked away, and people are told where they went.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::anyhow;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use lightship_crd::{annotation, label};
use lightship_operator::rehearsal::bound_service;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::ask;
use super::plan::{self, Fate};
use crate::args::{Connection, DrainArgs, UndrainArgs};
use crate::cluster::{self, Cluster};
use crate::duration;
use crate::exit::{Exit, Failure};
use crate::output::print;

/// How often the leases are looked at.
const PACE: Duration = Duration::from_millis(500);

pub(crate) fn run(connection: &Connection, args: &DrainArgs) -> anyhow::Result<()> {
    ask(connection, async |client| {
        let node = args.node.as_str();
        let cluster = Cluster::read(&client, &connection.namespace).await?;
        cluster.check_node(node)?;
        let fates = plan::of_drain(&cluster, node, args.operator.default_lb_service_ipam.into());
        mark(&client, node, &json!("true")).await?;
        print(&format!("{node} is drained: {}.\n", announced(&fates)))?;
        if cluster.leads().is_none() {
            tracing::warn!("no operator leads, so nothing moves until one does (kubectl get pods -A)");
        }
        if args.no_wait {
            return Ok(());
        }
        let left = follow(&client, connection, node, &fates, args.timeout).await?;
        if left.is_empty() {
            return print(&format!("{node} holds no address any more.\n"));
        }
        let cluster = Cluster::read(&client, &connection.namespace).await?;
        let fates = plan::of_drain(&cluster, node, args.operator.default_lb_service_ipam.into());
        Err(remaining(node, &left, &fates, args.timeout))
    })
}

pub(crate) fn undo(connection: &Connection, args: &UndrainArgs) -> anyhow::Result<()> {
    ask(connection, async |client| {
        let node = args.node.as_str();
        let found = Api::<Node>::all(client.clone()).get_opt(node).await;
        let found = found.map_err(|error| cluster::reading("nodes", error))?;
        let found = found.ok_or_else(|| anyhow!("there is no node {node}; see kubectl get nodes"))?;
        if !found.annotations().contains_key(annotation::DRAIN) {
            return print(&format!("{node} was not drained.\n"));
        }
        mark(&client, node, &Value::Null).await?;
        print(&format!(
            "{node} is drained no more. Addresses that left stay where they are; it gets new ones as any other node.\n"
        ))
    })
}

/// Sets the annotation, or takes it away.
async fn mark(client: &Client, node: &str, value: &Value) -> anyhow::Result<()> {
    let patch = json!({"metadata": {"annotations": {annotation::DRAIN: value}}});
    let api = Api::<Node>::all(client.clone());
    let patched = api
        .patch(node, &PatchParams::default(), &Patch::Merge(&patch))
        .await;
    patched.map(drop).map_err(|error| match &error {
        kube::Error::Api(status) if status.code == 403 => Failure::new(
            Exit::Forbidden,
            format!(
                "you may not annotate nodes: ask for a role with the verb patch on nodes, or have somebody who may run \
                 kubectl annotate node {node} {}=true ({})",
                annotation::DRAIN,
                status.message
            ),
        )
        .into(),
        _ => anyhow::Error::new(error).context(format!("failed to annotate node {node}; try again")),
    })
}

/// Tells every move until only what is to stay is left, or the time is over; returns what is left.
async fn follow(
    client: &Client,
    connection: &Connection,
    node: &str,
    fates: &[Fate],
    patience: Duration,
) -> anyhow::Result<BTreeSet<String>> {
    let stays: BTreeSet<&str> = fates
        .iter()
        .filter(|fate| fate.to.is_none())
        .map(|fate| fate.service.as_str())
        .collect();
    let mut held: BTreeSet<String> = fates.iter().map(|fate| fate.service.clone()).collect();
    let ours = ListParams::default().labels(&format!("{}={}", label::LEASE, label::LEASE_SERVICE));
    let api = Api::<Lease>::namespaced(client.clone(), &connection.namespace);
    let end = Instant::now() + patience;
    loop {
        let leases = api.list(&ours).await;
        let leases = leases.map_err(|error| cluster::reading("leases", error))?;
        let holders = leases.items.iter().map(|lease| {
            let holder = lease
                .spec
                .as_ref()
                .and_then(|spec| spec.holder_identity.as_deref());
            (bound_service(lease).to_string(), holder.unwrap_or_default())
        });
        let holders: std::collections::BTreeMap<_, _> = holders.collect();
        let now: BTreeSet<String> = holders
            .iter()
            .filter(|(_, holder)| **holder == node)
            .map(|(service, _)| service.clone())
            .collect();
        for gone in held.difference(&now) {
            print(&match holders.get(gone) {
                Some(to) => format!("{gone}: {node} -> {to}\n"),
                None => format!("{gone}: announced by nobody any more\n"),
            })?;
        }
        held = now;
        if held.iter().all(|service| stays.contains(service.as_str())) || Instant::now() >= end {
            return Ok(held);
        }
        sleep(PACE).await;
    }
}

fn announced(fates: &[Fate]) -> String {
    let moving = fates.iter().filter(|fate| fate.to.is_some()).count();
    match (fates.len(), fates.len() - moving) {
        (0, _) => "it holds no address".to_owned(),
        (all, 0) => format!("services that move: {all}"),
        (_, stay) => format!("services that move: {moving}; that no other node can hold: {stay}"),
    }
}

/// The sentence for what is still there.
fn remaining(node: &str, left: &BTreeSet<String>, fates: &[Fate], patience: Duration) -> anyhow::Error {
    let mut stays: Vec<String> = Vec::new();
    let mut late: Vec<&str> = Vec::new();
    for service in left {
        let fate = fates.iter().find(|fate| fate.service == *service);
        match fate.and_then(|fate| fate.why.as_ref()) {
            Some(why) => stays.push(format!("{service} ({why})")),
            None => late.push(service),
        }
    }
    let few = |all: &[String]| {
        let named: Vec<_> = all.iter().take(8).map(String::as_str).collect();
        let more = if all.len() > named.len() { ", …" } else { "" };
        named.join(", ") + more
    };
    let mut sentences = Vec::new();
    if !stays.is_empty() {
        sentences.push(format!(
            "{node} goes on announcing what no other node can hold: {}; let another node match the policy, or take the \
             node away and lose these",
            few(&stays)
        ));
    }
    if !late.is_empty() {
        let late: Vec<_> = late.iter().map(|service| (*service).to_owned()).collect();
        sentences.push(format!(
            "within {} these did not leave {node}: {}; see whether the operator runs, or wait longer with --timeout",
            duration::format(patience),
            few(&late)
        ));
    }
    Failure::new(Exit::Disorder, sentences.join(". ")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(service: &str, to: Option<&str>) -> Fate {
        Fate {
            service: service.to_owned(),
            addresses: vec![],
            from: "node-1".to_owned(),
            to: to.map(str::to_owned),
            why: to.is_none().then(|| "there is no other node".to_owned()),
        }
    }

    #[test]
    fn what_stays_is_told_apart_from_what_is_late() {
        let fates = [fate("a/stays", None), fate("a/moves", Some("node-2"))];
        assert_eq!(
            announced(&fates),
            "services that move: 1; that no other node can hold: 1"
        );
        let left = ["a/moves", "a/stays"].map(str::to_owned).into();
        let error = remaining("node-1", &left, &fates, Duration::from_mins(1)).to_string();
        assert!(error.contains("a/stays (there is no other node)"), "{error}");
        assert!(
            error.contains("within 1m these did not leave node-1: a/moves"),
            "{error}"
        );
    }
}
