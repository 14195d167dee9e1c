//! Address management through a real API server, beside a bare client that writes as many statuses.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;
use kube::Client;
use lightship_crd::condition::service::{REASON_NO_POOL, REASON_OUT_OF_IPS};
use lightship_tests::lab::testing::TestLab;
use lightship_tests::lab::unit::{Action, Unit};
use lightship_tests::{Lab, Options};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::api;
use crate::observer::{self, Observer};
use crate::report::{Figure, Report};
use crate::stored::{self, Status};
use crate::usage::{self, Usage};
use crate::writes::{at_rest, difference, writes};

/// How long the operator is watched at rest.
const REST: Duration = Duration::from_secs(10);

/// With more services than this, waiting on a full pool is not measured: it takes long and shows nothing new.
const MOST_ON_A_FULL_POOL: u32 = 10_000;

/// How often an address is freed.
const HAND_OVERS: u32 = 15;

/// What the operator asks the API server about, beside its own lease.
const RESOURCES: [&str; 5] = [
    "services",
    "ciliumloadbalancerippools",
    "ciliuml2announcementpolicies",
    "nodes",
    "events",
];

/// What is measured, each in a lab of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// All services wait and get their address; then all but one wait on a full pool.
    Wave,
    /// The operator comes back to services that have theirs.
    Restart,
}

/// Measures these parts, all of them when none is named.
pub(crate) fn run(runtime: &Runtime, services: u32, parts: &[Part], report: &mut Report) -> Result<()> {
    let parts = if parts.is_empty() {
        Part::value_variants()
    } else {
        parts
    };
    for part in parts {
        let lab = bare_lab()?;
        let measured = match part {
            Part::Wave => runtime.block_on(wave(&lab, services, report)),
            Part::Restart => runtime.block_on(restart(&lab, services, report)),
        };
        lab.down()?;
        measured?;
    }
    Ok(())
}

/// A lab in which nothing runs but the API server.
fn bare_lab() -> Result<TestLab> {
    let options = Options {
        nodes: 1,
        bare: true,
        ..Options::default()
    };
    let lab = TestLab::up("bench", &options)?;
    // It would follow every service and take the processor from both sides of the comparison.
    for mut unit in Unit::all(lab.folder())
        .into_iter()
        .filter(|unit| unit.name.starts_with("kube-proxy"))
    {
        unit.act(lab.folder(), Action::Kill)?;
    }
    lab.install_manifests()?;
    Ok(lab)
}

async fn wave(lab: &Lab, services: u32, report: &mut Report) -> Result<()> {
    // The operator's own account, once it exists: an administrator would pass authorization and fair queuing unseen.
    lab.operator(Action::Start, 1)?;
    lab.operator(Action::Kill, 1)?;
    let client = api::client(&lab.folder().kubeconfig()).await?;
    let writer = api::client(&lab.folder().component_kubeconfig("operator-1")).await?;
    stored::create(lab, &client, services, Status::Empty).await?;
    let at_once = api::best_concurrency(&writer, services).await?;
    let alone = bare(lab, &client, &writer, services, at_once, 0).await?;
    let watched = bare(lab, &client, &writer, services, at_once, 2).await?;
    api::wait_for_pool(&writer, services).await?;
    report.tell([
        Figure::alone(
            "requests the bare client had under way at once",
            f64::from(at_once),
            "requests",
        ),
        Figure::beside(
            format!("the bare client: {services} services while two watches of services are open"),
            seconds(watched.took),
            "s",
            seconds(alone.took),
        ),
    ]);
    report.tell(watched.used.figures(&alone.used, services));
    report.tell(allocation(lab, &client, services, &alone, &watched).await?);
    if services <= MOST_ON_A_FULL_POOL {
        report.tell(full_pool(lab, &client, services).await?);
    }
    lab.operator(Action::Kill, 1)?;
    let again = bare(lab, &client, &writer, services.saturating_sub(1), at_once, 0).await?;
    report.tell([Figure::beside(
        "the bare client again, at the end",
        seconds(again.took),
        "s",
        seconds(alone.took),
    )]);
    Ok(())
}

/// What it took to give all services an address.
struct Taken {
    took: Duration,
    used: Usage,
}

/// A client that decides nothing writes all statuses, while so many watches of services are open.
async fn bare(
    lab: &Lab,
    client: &Client,
    writer: &Client,
    services: u32,
    at_once: u32,
    watches: u32,
) -> Result<Taken> {
    api::wait_for_pool(writer, services).await?;
    let mut watching = JoinSet::new();
    let before = Usage::now(lab)?;
    let start = Instant::now();
    for _ in 0..watches {
        let observer = Observer::open(client).await?;
        watching.spawn(observer.addresses(services));
    }
    api::patch(writer, 0..services, at_once).await?;
    while let Some(seen) = watching.join_next().await {
        seen??;
    }
    let took = start.elapsed();
    let used = Usage::now(lab)?.since(&before);
    Ok(Taken { took, used })
}

/// All services wait; a pool comes.
async fn allocation(
    lab: &Lab,
    client: &Client,
    services: u32,
    alone: &Taken,
    watched: &Taken,
) -> Result<Vec<Figure>> {
    let unread = writes(client).await?;
    // All others say already what it would say.
    start_and_judge(lab, client).await?;
    let before = at_rest(client).await?;
    let observer = Observer::open(client).await?;
    let used = Usage::now(lab)?;
    let start = Instant::now();
    lab.apply(&pool("10.16.0.0/12"))?;
    observer.addresses(services + 1).await?;
    let took = start.elapsed();
    let used = Usage::now(lab)?.since(&used);
    let after = writes(client).await?;
    let told = Usage::now(lab)?;
    let rest = at_rest(client).await?;
    let telling = Usage::now(lab)?.since(&told);
    let made = |resource: &str| difference(&before, &rest, resource);
    let mut figures = vec![
        Figure::beside(
            format!(
                "{services} services from the pool's creation to the last address; the bare client alone"
            ),
            seconds(took),
            "s",
            seconds(alone.took),
        ),
        Figure::beside(
            "the same; the bare client while two watches of services are open",
            seconds(took),
            "s",
            seconds(watched.took),
        ),
    ];
    figures.extend(used.figures(&watched.used, services));
    figures.extend([
        Figure::alone(
            "writes of the starting operator to services that wait already",
            difference(&unread, &before, "services") - 1.0,
            "writes",
        ),
        Figure::alone(
            "status writes per service",
            made("services") / f64::from(services + 1),
            "writes",
        ),
        Figure::alone(
            "pool writes per second",
            difference(&before, &after, "ciliumloadbalancerippools") / seconds(took).max(1.0),
            "1/s",
        ),
        Figure::alone(
            "events published before the last address",
            difference(&before, &after, "events"),
            "events",
        ),
        Figure::alone("events published in the end", made("events"), "events"),
        Figure::alone("processor time for telling the rest", telling.total(), "s"),
    ]);
    Ok(figures)
}

/// The operator is killed and comes back. That it has listed everything and decides shows in its judgment of a service
/// that asks for what no pool has; a new address has to wait until nothing of its predecessor can arrive any more.
async fn restart(lab: &Lab, services: u32, report: &mut Report) -> Result<()> {
    let client = api::client(&lab.folder().kubeconfig()).await?;
    stored::create(lab, &client, services, Status::Satisfied).await?;
    lab.apply(&pool("10.16.0.0/12"))?;
    let unread = writes(&client).await?;
    start_and_judge(lab, &client).await?;
    let before = at_rest(&client).await?;
    lab.operator(Action::Kill, 1)?;
    let list = api::list(&client).await?;
    lab.apply(LATER)?;
    let mut observer = Observer::open(&client).await?;
    let start = Instant::now();
    lab.operator(Action::Start, 1)?;
    // Whichever comes first: the list may take longer than new addresses are held back.
    let mut decided = BTreeMap::new();
    while decided.len() < 2 {
        let change = |change: &str| observer::is_judged(change) || observer::has_address(change);
        let name = observer.until(change).await?;
        if name.starts_with("later-") {
            decided.entry(name).or_insert_with(|| seconds(start.elapsed()));
        }
    }
    let used = Usage::now(lab)?.of("operator-1");
    let took = |name: &str| decided.get(name).copied().unwrap_or_default();
    let after = at_rest(&client).await?;
    let (resident, peak) = usage::memory(lab, "operator-1")?;
    report.tell([
        Figure::alone(
            "writes of an operator that starts beside them for the first time",
            difference(&unread, &before, "services") - 1.0,
            "writes",
        ),
        Figure::beside(
            format!(
                "restart with {services} services: started to first decision written; a list and a second"
            ),
            took("later-1"),
            "s",
            seconds(list) + 1.0,
        ),
        Figure::alone(
            "killed, not stopped: until it gives a new address",
            took("later-2"),
            "s",
        ),
        Figure::alone("the operator's processor time until both", used, "s"),
        Figure::alone(
            "writes of a restarted operator beside the two for two new services",
            difference(&before, &after, "services") - 2.0,
            "writes",
        ),
        Figure::alone(
            format!("memory of the operator with {services} services"),
            resident,
            "MiB",
        ),
        Figure::alone("the same, at its peak", peak, "MiB"),
    ]);
    Ok(())
}

/// Starts the operator; it has looked at everything once it has judged a new service.
async fn start_and_judge(lab: &Lab, client: &Client) -> Result<()> {
    let mut observer = Observer::open(client).await?;
    lab.apply(FIRST)?;
    lab.operator(Action::Start, 1)?;
    observer.until(observer::is_judged).await?;
    Ok(())
}

/// A pool of one address: everybody but one waits, and that costs nothing.
async fn full_pool(lab: &Lab, client: &Client, services: u32) -> Result<Vec<Figure>> {
    lab.kubectl(&["delete", "ippools", "bench"])?;
    api::until(client, services, |one| api::is_judged(one, REASON_NO_POOL)).await?;
    lab.apply(&pool("10.9.0.0/32"))?;
    api::until(client, services - 1, |one| api::is_judged(one, REASON_OUT_OF_IPS)).await?;
    at_rest(client).await?;
    let before = api::requests(client).await?;
    let used = Usage::now(lab)?;
    tokio::time::sleep(REST).await;
    let used = Usage::now(lab)?.since(&used).of("operator-1");
    let after = api::requests(client).await?;
    let ours = |(resource, _, _): &&api::Request| RESOURCES.contains(&resource.as_str());
    let sum = |counts: &BTreeMap<api::Request, f64>| -> f64 {
        counts
            .iter()
            .filter(|(request, _)| ours(request))
            .map(|(_, count)| count)
            .sum()
    };
    let (freed, trips) = api::hand_overs(client, HAND_OVERS).await?;
    Ok(vec![
        Figure::alone(
            format!("requests per second, {services} services pending on a full pool"),
            (sum(&after) - sum(&before)) / seconds(REST),
            "1/s",
        ),
        Figure::alone(
            "the operator's processor at rest, the same",
            100.0 * used / seconds(REST),
            "%",
        ),
        Figure::beside(
            "one address freed to the next service seen with it; the bare client's write until seen",
            1e3 * seconds(median(freed)),
            "ms",
            1e3 * seconds(median(trips)),
        ),
    ])
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

const FIRST: &str = "
apiVersion: v1
kind: Service
metadata: {name: first, namespace: default}
spec: {type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 80}]}
";

const LATER: &str = "
apiVersion: v1
kind: Service
metadata: {name: later-1, namespace: default, annotations: {lbipam.cilium.io/ips: 203.0.113.1}}
spec: {type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: later-2, namespace: default}
spec: {type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 80}]}
";

fn pool(cidr: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumLoadBalancerIPPool\nmetadata: {{name: bench}}\n\
         spec: {{blocks: [{{cidr: {cidr}}}]}}\n"
    )
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
