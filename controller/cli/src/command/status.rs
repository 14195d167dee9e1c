//! `lightship status`: pools, services without an address, and holders at a glance.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use lightship_crd::standing::{APPLY, Standing};
use lightship_crd::{CiliumLoadBalancerIPPool, condition, label};
use serde::Serialize;

use super::holders::{HolderRow, holders};
use super::{ask, ips::pools};
use crate::args::{Connection, StatusArgs};
use crate::cluster;
use crate::output::{self, Row, Width, section};
use crate::versions::{self, Other};

/// How often a watched cluster is read.
const PACE: Duration = Duration::from_secs(2);

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Overview {
    pools: Vec<PoolRow>,
    pending: Vec<PendingRow>,
    holders: Vec<HolderRow>,
    /// Living agents of another version than this program.
    other_agents: Vec<Other>,
    /// Definitions in whose place somebody else's stand.
    replaced: Vec<ReplacedRow>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct PoolRow {
    name: String,
    state: &'static str,
    total: String,
    used: String,
    available: String,
}

/// A service of type `LoadBalancer` that has no address yet.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct PendingRow {
    service: String,
    reason: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct ReplacedRow {
    definition: String,
    found: String,
    remedy: &'static str,
}

impl Row for ReplacedRow {
    const HEADINGS: &'static [&'static str] = &["DEFINITION THAT IS NOT LIGHTSHIP'S", "FOUND"];

    fn cells(&self) -> Vec<String> {
        vec![self.definition.clone(), self.found.clone()]
    }
}

impl Row for PoolRow {
    const HEADINGS: &'static [&'static str] = &["POOL", "STATE", "TOTAL", "USED", "AVAILABLE"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.state.to_owned(),
            self.total.clone(),
            self.used.clone(),
            self.available.clone(),
        ]
    }
}

impl Row for PendingRow {
    const HEADINGS: &'static [&'static str] = &["SERVICE WITHOUT ADDRESS", "WHY"];

    fn cells(&self) -> Vec<String> {
        vec![self.service.clone(), self.reason.clone()]
    }
}

pub(crate) fn run(connection: &Connection, args: StatusArgs) -> anyhow::Result<()> {
    ask(connection, async |client| {
        let mut shown = None;
        loop {
            let overview = Overview {
                pools: pools(client.clone()).await?.iter().map(pool_row).collect(),
                pending: pending(client.clone()).await?,
                holders: holders(client.clone(), &connection.namespace).await?,
                other_agents: other_agents(client.clone(), &connection.namespace).await?,
                replaced: replaced(&cluster::definitions(&client).await),
            };
            if shown.as_ref() != Some(&overview) {
                if shown.is_some() {
                    output::start_over(args.query.output)?;
                }
                output::object(&overview, args.query.output, |width| render(&overview, width))?;
                shown = Some(overview);
            }
            if !args.watch {
                return Ok(());
            }
            tokio::time::sleep(PACE).await;
        }
    })
}

fn render(overview: &Overview, width: Width) -> String {
    let mut sections = vec![
        section(
            &overview.pools,
            width,
            "No pools: create a CiliumLoadBalancerIPPool.",
        ),
        section(
            &overview.pending,
            width,
            "Every service of type LoadBalancer has an address.",
        ),
        section(&overview.holders, width, "No node holds an address."),
    ];
    if !overview.other_agents.is_empty() {
        let advice = "What they report may be shown wrong: `lightship doctor` says what to do.\n";
        sections.push(section(&overview.other_agents, width, "") + advice);
    }
    if !overview.replaced.is_empty() {
        let advice = format!("No address is given or taken away meanwhile: {APPLY}\n");
        sections.push(section(&overview.replaced, width, "") + &advice);
    }
    sections.join("\n")
}

fn replaced(installed: &[CustomResourceDefinition]) -> Vec<ReplacedRow> {
    let expected = lightship_crd::crds().unwrap_or_default();
    let both = expected
        .iter()
        .map(|expected| Standing::among(expected, installed));
    both.filter_map(|standing| match standing {
        Standing::Replaced(by) => Some(ReplacedRow {
            found: by.to_string(),
            definition: by.name,
            remedy: APPLY,
        }),
        Standing::Ours | Standing::Unprotected => None,
    })
    .collect()
}

async fn other_agents(client: Client, namespace: &str) -> anyhow::Result<Vec<Other>> {
    let beats = ListParams::default().labels(&format!("{}={}", label::LEASE, label::LEASE_HEARTBEAT));
    let beats = Api::<Lease>::namespaced(client, namespace).list(&beats).await;
    let beats = beats.map_err(|error| cluster::reading("leases", error))?;
    Ok(versions::others(&beats.items, jiff::Timestamp::now()))
}

fn pool_row(pool: &CiliumLoadBalancerIPPool) -> PoolRow {
    let conditions = || pool.status.iter().flat_map(|status| &status.conditions);
    let of_type = |type_: &str| conditions().find(|condition| condition.type_ == type_);
    let is = |type_: &str| of_type(type_).is_some_and(|condition| condition.status == "True");
    let count =
        |type_: &str| of_type(type_).map_or_else(|| "?".to_owned(), |condition| condition.message.clone());
    let state = match (
        pool.spec.disabled,
        is(condition::pool::CONFLICT),
        is(condition::pool::BAD_BLOCK),
    ) {
        (true, ..) => "disabled",
        (_, true, _) => "conflicting",
        (.., true) => "bad block",
        _ if pool.status.is_none() => "not seen yet",
        _ => "in use",
    };
    PoolRow {
        name: pool.name_any(),
        state,
        total: count(condition::pool::IPS_TOTAL),
        used: count(condition::pool::IPS_USED),
        available: count(condition::pool::IPS_AVAILABLE),
    }
}

async fn pending(client: Client) -> anyhow::Result<Vec<PendingRow>> {
    let services = Api::<Service>::all(client).list(&ListParams::default()).await;
    Ok(services
        .map_err(|error| cluster::reading("services", error))?
        .items
        .iter()
        .filter_map(pending_row)
        .collect())
}

fn pending_row(service: &Service) -> Option<PendingRow> {
    let is_load_balancer = service.spec.as_ref()?.type_.as_deref() == Some("LoadBalancer");
    let status = service.status.as_ref();
    let ingress = status.and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref());
    if !is_load_balancer || ingress.is_some_and(|ingress| !ingress.is_empty()) {
        return None;
    }
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let condition = conditions
        .into_iter()
        .flatten()
        .find(|c| c.type_ == condition::service::REQUEST_SATISFIED);
    Some(PendingRow {
        service: format!(
            "{}/{}",
            service.namespace().unwrap_or_default(),
            service.name_any()
        ),
        reason: condition.map_or_else(
            || "nobody has looked at it: is the operator running, and does the class fit?".to_owned(),
            |condition| condition.message.clone(),
        ),
    })
}
