//! `lightship uninstall`: takes Lightship out of a cluster and off its nodes, or shows what would go.
//!
//! The order is what makes it safe to run twice and to interrupt: the operator first, which would write anew what is
//! taken away; then the nodes, by the agents' own DaemonSet, which runs `lightship cleanup` in their place; then what
//! both had written, their rights, and the definitions with the pools and policies last.

mod belongings;

use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use lightship_crd::{annotation, lease};
use lightship_operator::rehearsal::{age, lasts};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::ask;
use crate::args::{Connection, UninstallArgs};
use crate::cluster;
use crate::duration;
use crate::exit::{Exit, Failure};
use crate::output::{self, print};
use belongings::Belonging;

/// How often the nodes are looked at while they are cleaned.
const PACE: Duration = Duration::from_millis(500);

/// The DaemonSet of the agents.
const AGENTS: &str = "lightship-agent";

pub(crate) fn run(connection: &Connection, args: &UninstallArgs) -> anyhow::Result<()> {
    let namespace = &connection.namespace;
    ask(connection, async |client| {
        let daemons = belongings::daemons(&client, namespace).await?;
        let written = belongings::written(&client, namespace).await?;
        let installed = belongings::installed(&client, namespace).await?;
        let definitions = if args.keep_crds {
            vec![]
        } else {
            belongings::definitions(&client).await?
        };
        if args.dry_run {
            let all = [daemons, written, installed, definitions].concat();
            output::rows(&all, args.output, "Nothing of Lightship is in this cluster.")?;
            return told_of_nodes(&client, namespace, args).await;
        }
        let (agents, operator): (Vec<_>, Vec<_>) = daemons.into_iter().partition(|one| one.name == AGENTS);
        delete(&client, &operator).await?;
        operator_ends(&client, namespace, args.timeout).await?;
        if !args.leave_nodes {
            clean_nodes(&client, namespace, args.timeout).await?;
        }
        delete(&client, &agents).await?;
        undrain(&client).await?;
        // Read again: what was written meanwhile goes too.
        delete(&client, &belongings::written(&client, namespace).await?).await?;
        delete(&client, &installed).await?;
        delete(&client, &definitions).await?;
        print(
            "Services show their addresses until another controller changes that; nobody answers for them any more.\n",
        )
    })
}

async fn delete(client: &Client, all: &[Belonging]) -> anyhow::Result<()> {
    for one in all {
        one.delete(client).await?;
        let namespace = one.namespace.as_ref().map(|namespace| format!("{namespace}/"));
        print(&format!(
            "{} {}{} deleted\n",
            one.kind,
            namespace.unwrap_or_default(),
            one.name
        ))?;
    }
    Ok(())
}

/// What becomes of the nodes; not for programs, to whom the list is all.
async fn told_of_nodes(client: &Client, namespace: &str, args: &UninstallArgs) -> anyhow::Result<()> {
    let set = Api::<DaemonSet>::namespaced(client.clone(), namespace)
        .get_opt(AGENTS)
        .await;
    let set = set.map_err(|error| cluster::reading("daemonsets", error))?;
    let how = match set {
        _ if args.leave_nodes => "stay; lightship cleanup on a node takes them away",
        Some(_) => {
            "are taken away by the DaemonSet, which runs lightship cleanup on every node before it goes"
        }
        None => "are not reached, for there is no DaemonSet: run lightship cleanup on each of them",
    };
    output::advise(&format!(
        "Nothing was changed. The programs and maps that are pinned on the nodes {how}.\n"
    ));
    Ok(())
}

/// Waits until no operator leads: one that does would write anew what is taken away.
async fn operator_ends(client: &Client, namespace: &str, patience: Duration) -> anyhow::Result<()> {
    let leases = Api::<Lease>::namespaced(client.clone(), namespace);
    let end = Instant::now() + patience;
    loop {
        let lease = leases.get_opt(lease::OPERATOR).await;
        let lease = lease.map_err(|error| cluster::reading("leases", error))?;
        let holder = |lease: &Lease| lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
        let leads = lease.filter(|lease| age(lease, jiff::Timestamp::now()) <= lasts(lease));
        let Some(holder) = leads
            .as_ref()
            .and_then(holder)
            .filter(|holder| !holder.is_empty())
        else {
            return Ok(());
        };
        if Instant::now() >= end {
            let sentence = format!(
                "operator {holder} still leads after {}: stop it, wherever it runs, and run this again",
                duration::format(patience)
            );
            return Err(Failure::new(Exit::Disorder, sentence).into());
        }
        sleep(PACE).await;
    }
}

/// Lets the agents' DaemonSet run `cleanup` and waits until every node has done so.
async fn clean_nodes(client: &Client, namespace: &str, patience: Duration) -> anyhow::Result<()> {
    let sets = Api::<DaemonSet>::namespaced(client.clone(), namespace);
    let patch = json!({"spec": {
        // All at once: nothing is left that should go on answering.
        "updateStrategy": {"rollingUpdate": {"maxUnavailable": "100%"}},
        "template": {"spec": {"containers": [{"name": "agent", "args": ["cleanup", "--stay"]}]}},
    }});
    match sets
        .patch(AGENTS, &PatchParams::default(), &Patch::Strategic(&patch))
        .await
    {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => {
            output::advise(
                "There is no DaemonSet of agents, so the nodes are not reached: run lightship cleanup on each of them.\n",
            );
            return Ok(());
        }
        Err(error) => return Err(cluster::refused("change the agents' DaemonSet", error)),
    }
    let end = Instant::now() + patience;
    loop {
        let set = sets.get(AGENTS).await;
        let set = set.map_err(|error| cluster::reading("daemonsets", error))?;
        let (done, wanted) = progress(&set);
        if done.is_some_and(|done| done >= wanted) {
            return print(&format!("nodes cleaned: {wanted}\n"));
        }
        if Instant::now() >= end {
            let sentence = format!(
                "within {} only {} of {wanted} nodes were cleaned: see kubectl -n {namespace} get pods -o wide; run this again \
                 with a longer --timeout, or with --leave-nodes and then lightship cleanup on each node that is left",
                duration::format(patience),
                done.unwrap_or_default(),
            );
            return Err(Failure::new(Exit::Disorder, sentence).into());
        }
        sleep(PACE).await;
    }
}

/// How many nodes run what the DaemonSet says now, if its controller has seen it, and how many shall.
fn progress(set: &DaemonSet) -> (Option<i32>, i32) {
    let status = set.status.clone().unwrap_or_default();
    let seen = status.observed_generation >= set.metadata.generation;
    let updated = status.updated_number_scheduled.unwrap_or_default();
    (
        seen.then(|| updated.min(status.number_ready)),
        status.desired_number_scheduled,
    )
}

/// Takes our mark off drained nodes.
async fn undrain(client: &Client) -> anyhow::Result<()> {
    let nodes = Api::<Node>::all(client.clone());
    let all = nodes.list(&ListParams::default()).await;
    let all = all.map_err(|error| cluster::reading("nodes", error))?;
    for node in all
        .items
        .iter()
        .filter(|node| node.annotations().contains_key(annotation::DRAIN))
    {
        let patch = json!({"metadata": {"annotations": {annotation::DRAIN: null}}});
        let patched = nodes
            .patch(&node.name_any(), &PatchParams::default(), &Patch::Merge(&patch))
            .await;
        patched.map_err(|error| cluster::refused("take an annotation off a node", error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(generation: i64, observed: i64, updated: i32, ready: i32) -> DaemonSet {
        serde_json::from_value(json!({
            "metadata": {"generation": generation},
            "spec": {"selector": {}, "template": {}},
            "status": {
                "observedGeneration": observed, "updatedNumberScheduled": updated, "numberReady": ready,
                "desiredNumberScheduled": 3, "currentNumberScheduled": 3, "numberMisscheduled": 0,
            },
        }))
        .unwrap()
    }

    #[test]
    fn nodes_count_once_they_run_what_they_are_told_now() {
        assert_eq!(progress(&set(2, 1, 3, 3)), (None, 3));
        assert_eq!(progress(&set(2, 2, 1, 3)), (Some(1), 3));
        assert_eq!(progress(&set(2, 2, 3, 2)), (Some(2), 3));
        assert_eq!(progress(&set(2, 2, 3, 3)), (Some(3), 3));
    }
}
