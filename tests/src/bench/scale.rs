//! A large cluster against one API server: what the operator costs, how long it takes to place everything from nothing, and
//! what a node's death is asked of the API server.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use lightship_core::binding::{Announcement, WorkOrder};
use lightship_core::names::ServiceId;
use lightship_crd::{annotation, label};
use lightship_tests::Lab;
use lightship_tests::lab::unit::Action;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::api::{self, Request};
use crate::crowd;
use crate::fleet::Fleet;
use crate::report::{Figure, Report};
use crate::stored::{self, Status};
use crate::usage::{self, Usage};

/// Writes that the bare client has under way at once.
const AT_ONCE: usize = 32;

/// While agents watch, the bare client writes this part of the leases: each of its writes goes to every agent.
const PART: u32 = 10;

/// What placing everything may take.
const LONGEST: Duration = Duration::from_mins(30);

/// What is counted at rest and of a node's death: longer than a heartbeat counts, and than it takes to even the load out.
const WHILE: Duration = Duration::from_mins(1);

/// How often progress is printed.
const PRINTED: Duration = Duration::from_secs(10);

pub(crate) fn run(runtime: &Runtime, agents: u16, services: u32, report: &mut Report) -> Result<()> {
    let lab = crowd::lab("bench-scale")?;
    let measured = runtime.block_on(measure(&lab, agents, services, report));
    lab.down()?;
    measured
}

async fn measure(lab: &Lab, agents: u16, services: u32, report: &mut Report) -> Result<()> {
    let client = api::client(&lab.folder().kubeconfig()).await?;
    // The operator's own account: an administrator would pass authorization and fair queuing unseen.
    let writer = api::client(&lab.folder().component_kubeconfig("operator-1")).await?;
    lab.operator(Action::Kill, 1)?;
    stored::create(lab, &client, services, Status::Empty).await?;
    let alone = bare(&writer, services, Seen::ByNobody).await?;
    println!("the bare client wrote {services} leases in {alone:.1?}");
    let mut fleet = Fleet::new(&lab.folder().kubeconfig()).await?;
    let start = Instant::now();
    fleet.grow(agents).await?;
    println!("{agents} agents run after {:.1?}", start.elapsed());
    let watched = bare(&writer, services / PART, Seen::ByAgents).await? * PART;
    println!("the bare client would write {services} leases in {watched:.1?} while the agents watch");

    report.tell(place(lab, &client, &fleet, services, [alone, watched]).await?);
    let (least, most) = fleet.spread();
    report.tell([
        Figure::beside(
            "addresses of the agent with the most (beside: with the fewest)",
            as_f64(most),
            "",
            as_f64(least),
        ),
        Figure::alone(
            "resident memory of all agents together",
            usage::memory_of_self()?,
            "MiB",
        ),
    ]);
    let rest = at_rest(lab, &client, agents).await?;
    report.tell(rest.figures);
    report.tell(death(lab, &client, &fleet, &rest.requests).await?);
    Ok(())
}

/// Who sees what the bare client writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    ByNobody,
    ByAgents,
}

/// How long a client that decides nothing takes to create so many leases like those of services.
async fn bare(writer: &Client, count: u32, seen: Seen) -> Result<Duration> {
    let api: Api<Lease> = Api::namespaced(writer.clone(), "kube-system");
    let leases: Vec<Lease> = (0..count)
        .map(|number| lease(number, seen))
        .collect::<Result<_>>()?;
    let start = Instant::now();
    stream::iter(&leases)
        .map(|lease| {
            let api = &api;
            async move { api.create(&PostParams::default(), lease).await.map(drop) }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
        .context("failed to create a lease")?;
    let took = start.elapsed();
    stream::iter(&leases)
        .map(|lease| {
            let (api, name) = (&api, lease.metadata.name.clone().unwrap_or_default());
            async move { api.delete(&name, &DeleteParams::default()).await.map(drop) }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
        .context("failed to delete a lease")?;
    Ok(took)
}

/// A lease like those of services, held by a node that is not there.
fn lease(number: u32, seen: Seen) -> Result<Lease> {
    let name = format!("cilium-l2announce-default-bare-{number}");
    let service = ServiceId::new("default", format!("bare-{number}"));
    let order = WorkOrder {
        service: service.clone(),
        primary: service,
        announcements: vec![Announcement {
            policy: "bench".into(),
            addresses: vec![IpAddr::from([10, 64, 0, 0])],
            interfaces: vec!["^eth0$".into()],
        }],
        standbys: vec!["nobody-1".into(), "nobody-2".into()],
        former: None,
        deposed: None,
    };
    let mut object = json!({
        "metadata": {"name": name, "annotations": {annotation::WORK_ORDER: order.to_annotation()?}},
        "spec": {
            "holderIdentity": "nobody-0",
            "leaseDurationSeconds": 15,
            "leaseTransitions": 0,
            "acquireTime": "2026-01-01T00:00:00.000000Z",
            "renewTime": "2026-01-01T00:00:00.000000Z",
        },
    });
    if seen == Seen::ByAgents {
        object["metadata"]["labels"] = json!({label::LEASE: label::LEASE_SERVICE});
    }
    Ok(serde_json::from_value(object)?)
}

/// Pool, policy, services and agents are there; an operator comes.
async fn place(
    lab: &Lab,
    client: &Client,
    fleet: &Fleet,
    services: u32,
    [alone, watched]: [Duration; 2],
) -> Result<Vec<Figure>> {
    lab.apply(crowd::POOL)?;
    lab.apply(&crowd::policy())?;
    let (requests, used) = (api::requests(client).await?, Usage::now(lab)?);
    let start = Instant::now();
    lab.operator(Action::Start, 1)?;
    let mut printed = Instant::now();
    loop {
        let answered = fleet.answered();
        if answered == services as usize {
            break;
        }
        ensure!(
            start.elapsed() < LONGEST,
            "failed to see every address answered for: {answered} of {services} are"
        );
        if printed.elapsed() > PRINTED {
            println!(
                "{answered} of {services} addresses are answered for after {:.0?}",
                start.elapsed()
            );
            printed = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let took = start.elapsed();
    let used = Usage::now(lab)?.since(&used);
    let requests = more(&requests, &api::requests(client).await?);
    print("everything placed", &requests);
    let (memory, peak) = usage::memory(lab, "operator-1")?;
    let seconds = |what: &str| used.of(what);
    Ok(vec![
        Figure::beside(
            format!(
                "{services} services given an address and placed; a bare client creates as many leases while the agents watch (a tenth, times ten)"
            ),
            took.as_secs_f64(),
            "s",
            watched.as_secs_f64(),
        ),
        Figure::beside(
            "the same; the bare client while nobody watches",
            took.as_secs_f64(),
            "s",
            alone.as_secs_f64(),
        ),
        Figure::alone("operator's processor time meanwhile", seconds("operator-1"), "s"),
        Figure::alone(
            "API server's processor time meanwhile",
            seconds("kube-apiserver"),
            "s",
        ),
        Figure::alone("etcd's processor time meanwhile", seconds("etcd"), "s"),
        Figure::alone("all agents' processor time meanwhile", seconds("client"), "s"),
        Figure::alone("operator's resident memory afterwards", memory, "MiB"),
        Figure::alone("operator's resident memory at its peak", peak, "MiB"),
    ])
}

/// What nothing happening takes.
struct Rest {
    requests: BTreeMap<Request, f64>,
    figures: Vec<Figure>,
}

async fn at_rest(lab: &Lab, client: &Client, agents: u16) -> Result<Rest> {
    settled(client).await?;
    let (before, used) = (api::requests(client).await?, Usage::now(lab)?);
    tokio::time::sleep(WHILE).await;
    let used = Usage::now(lab)?.since(&used);
    let requests = more(&before, &api::requests(client).await?);
    let share = |what: &str| used.of(what) / WHILE.as_secs_f64() * 100.0;
    let total: f64 = requests.values().sum();
    let heartbeats = f64::from(agents) * WHILE.as_secs_f64() / 5.0;
    let figures = vec![
        Figure::beside(
            "requests in a minute at rest, all clients (beside: the agents' heartbeats)",
            total,
            "requests",
            heartbeats,
        ),
        Figure::alone("operator at rest: share of a processor", share("operator-1"), "%"),
        Figure::alone(
            "API server at rest: share of a processor",
            share("kube-apiserver"),
            "%",
        ),
        Figure::alone(
            "a simulated agent at rest, its wire included: share of a processor",
            share("client") / f64::from(agents),
            "%",
        ),
    ];
    Ok(Rest { requests, figures })
}

/// Longer than the operator lets pass between two steps of evening load out.
const CALM: Duration = Duration::from_secs(12);

/// Waits until no service's lease changes for so long.
async fn settled(client: &Client) -> Result<()> {
    let api: Api<Lease> = Api::namespaced(client.clone(), "kube-system");
    let params = ListParams::default().labels(&format!("{}={}", label::LEASE, label::LEASE_SERVICE));
    let versions = async || -> Result<Vec<Option<String>>> {
        let all = api.list_metadata(&params).await?.items;
        Ok(all.into_iter().map(|one| one.metadata.resource_version).collect())
    };
    let start = Instant::now();
    let mut known = versions().await?;
    loop {
        tokio::time::sleep(CALM).await;
        let now = versions().await?;
        if now == known {
            println!("no lease has changed for {CALM:?} after {:.0?}", start.elapsed());
            return Ok(());
        }
        ensure!(start.elapsed() < LONGEST, "failed to see the leases come to rest");
        known = now;
    }
}

/// The node with the most addresses loses its power.
async fn death(
    lab: &Lab,
    client: &Client,
    fleet: &Fleet,
    rest: &BTreeMap<Request, f64>,
) -> Result<Vec<Figure>> {
    let (before, used) = (api::requests(client).await?, Usage::now(lab)?);
    let start = Instant::now();
    let orphans = fleet.crash();
    let mut last = None;
    while start.elapsed() < WHILE {
        if last.is_none() && fleet.answers(&orphans) {
            last = Some(start.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let used = Usage::now(lab)?.since(&used);
    let mut requests = more(&before, &api::requests(client).await?);
    for (what, count) in &mut requests {
        *count -= rest.get(what).copied().unwrap_or_default();
    }
    print("a node's death, more than at rest", &requests);
    let addresses = as_f64(orphans.len());
    let (memory, peak) = usage::memory(lab, "operator-1")?;
    Ok(vec![
        Figure::beside(
            format!(
                "a node with {addresses} addresses dies: requests in the minute after, beyond those at rest (beside: one by address)"
            ),
            requests.values().sum(),
            "requests",
            addresses,
        ),
        Figure::alone(
            "a node dies: the last address is another's after",
            last.context("failed to see the dead node's addresses answered for")?
                .as_secs_f64()
                * 1e3,
            "ms",
        ),
        Figure::alone(
            "operator's processor time in that minute",
            used.of("operator-1"),
            "s",
        ),
        Figure::beside(
            "operator's resident memory in the end (beside: at its peak)",
            memory,
            "MiB",
            peak,
        ),
    ])
}

fn print(what: &str, requests: &BTreeMap<Request, f64>) {
    for ((resource, subresource, verb), count) in requests {
        if count.abs() > 0.5 {
            println!("{what}: {count:>6} {verb} {resource} {subresource}");
        }
    }
}

fn more(before: &BTreeMap<Request, f64>, after: &BTreeMap<Request, f64>) -> BTreeMap<Request, f64> {
    let counted = after.iter().filter(|(what, _)| !what.0.is_empty());
    counted
        .map(|(what, count)| {
            let before = before.get(what).copied().unwrap_or_default();
            (what.clone(), count - before)
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts stay small")]
fn as_f64(count: usize) -> f64 {
    count as f64
}
