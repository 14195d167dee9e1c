//! Address management through a real API server, beside a bare client that writes as many statuses.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use kube::Client;
use lightship_crd::condition::service::{REASON_NO_POOL, REASON_OUT_OF_IPS};
use lightship_tests::lab::testing::TestLab;
use lightship_tests::lab::unit::{Action, Unit};
use lightship_tests::{Lab, Options};
use tokio::runtime::Runtime;

use crate::api;
use crate::report::Figure;

/// How long nothing may be written before the operator counts as at rest.
const QUIET: Duration = Duration::from_secs(3);

/// How long the operator is watched at rest.
const REST: Duration = Duration::from_secs(10);

pub(crate) fn run(runtime: &Runtime, services: u32) -> Result<Vec<Figure>> {
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
    let figures = runtime.block_on(measure(&lab, services));
    lab.down()?;
    figures
}

async fn measure(lab: &Lab, services: u32) -> Result<Vec<Figure>> {
    let client = api::client(lab).await?;
    api::create(&client, services).await?;
    let at_once = api::best_concurrency(&client, services).await?;
    let bare = api::patch(&client, 0..services, at_once).await?;
    api::clear(&client, services).await?;
    let mut figures = allocation(lab, &client, services, bare).await?;
    figures.push(Figure::alone(
        "requests the bare client had under way at once",
        f64::from(at_once),
        "requests",
    ));
    figures.extend(restart(lab, &client, services).await?);
    figures.extend(full_pool(lab, &client, services).await?);
    lab.operator(Action::Kill, 1)?;
    let again = api::patch(&client, 0..services.saturating_sub(1), at_once).await?;
    figures.push(Figure::beside(
        "the bare client again, at the end",
        seconds(again),
        "s",
        seconds(bare),
    ));
    Ok(figures)
}

/// All services wait; a pool comes.
async fn allocation(lab: &Lab, client: &Client, services: u32, bare: Duration) -> Result<Vec<Figure>> {
    lab.operator(Action::Start, 1)?;
    api::until(client, services, |one| api::is_judged(one, REASON_NO_POOL)).await?;
    at_rest(client).await?;
    let before = writes(client).await?;
    lab.apply(&pool("10.16.0.0/12"))?;
    let took = api::until(client, services, api::has_address).await?;
    let after = at_rest(client).await?;
    let made = |resource: &str| difference(&before, &after, resource);
    Ok(vec![
        Figure::beside(
            format!("{services} services from the pool's creation to the last address"),
            seconds(took),
            "s",
            seconds(bare),
        ),
        Figure::alone(
            "status writes per service",
            made("services") / f64::from(services),
            "writes",
        ),
        Figure::alone(
            "pool writes per second",
            made("ciliumloadbalancerippools") / seconds(took).max(1.0),
            "1/s",
        ),
    ])
}

/// The operator is killed and comes back; a new service shows that it works.
async fn restart(lab: &Lab, client: &Client, services: u32) -> Result<Vec<Figure>> {
    lab.operator(Action::Kill, 1)?;
    let before = at_rest(client).await?;
    let list = api::list(client).await?;
    lab.apply(LATER)?;
    lab.operator(Action::Start, 1)?;
    let start = Instant::now();
    let later = |one: &_| api::has_address(one) && name(one) == "later";
    api::until(client, 1, later).await?;
    let took = start.elapsed();
    let after = at_rest(client).await?;
    lab.kubectl(&["delete", "service", "later"])?;
    Ok(vec![
        Figure::beside(
            format!("restart with {services} services: started to first decision written"),
            seconds(took),
            "s",
            seconds(list) + 1.0,
        ),
        Figure::alone(
            "writes of a restarted operator beside the one for a new service",
            difference(&before, &after, "services") - 1.0,
            "writes",
        ),
    ])
}

/// A pool of one address: everybody but one waits, and that costs nothing.
async fn full_pool(lab: &Lab, client: &Client, services: u32) -> Result<Vec<Figure>> {
    lab.kubectl(&["delete", "ippools", "bench"])?;
    api::until(client, services, |one| api::is_judged(one, REASON_NO_POOL)).await?;
    lab.apply(&pool("10.9.0.0/32"))?;
    api::until(client, services - 1, |one| api::is_judged(one, REASON_OUT_OF_IPS)).await?;
    let before = at_rest(client).await?;
    let cpu = cpu_seconds(lab)?;
    tokio::time::sleep(REST).await;
    let used = cpu_seconds(lab)? - cpu;
    let after = writes(client).await?;
    let all: f64 = ["services", "ciliumloadbalancerippools", "events"]
        .iter()
        .map(|resource| difference(&before, &after, resource))
        .sum();
    let freed = api::hand_over(client).await?;
    let trip = api::patch(client, 1..2, 1).await?;
    Ok(vec![
        Figure::alone(
            format!("writes per second, {services} services pending on a full pool"),
            all / seconds(REST),
            "1/s",
        ),
        Figure::alone("processor at rest, the same", 100.0 * used / seconds(REST), "%"),
        Figure::beside(
            "one address freed to the next service served",
            1e3 * seconds(freed),
            "ms",
            1e3 * seconds(trip),
        ),
    ])
}

const LATER: &str = "
apiVersion: v1
kind: Service
metadata: {name: later, namespace: default}
spec: {type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 80}]}
";

fn pool(cidr: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumLoadBalancerIPPool\nmetadata: {{name: bench}}\n\
         spec: {{blocks: [{{cidr: {cidr}}}]}}\n"
    )
}

fn name(service: &k8s_openapi::api::core::v1::Service) -> &str {
    service.metadata.name.as_deref().unwrap_or_default()
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

type Writes = BTreeMap<String, f64>;

/// Writes of statuses and events so far, by resource.
async fn writes(client: &Client) -> Result<Writes> {
    let mut writes = Writes::new();
    for ((resource, subresource, verb), count) in api::requests(client).await? {
        let status = subresource == "status" && verb == "PATCH";
        let event = resource == "events" && verb == "POST";
        if status || event {
            *writes.entry(resource).or_default() += count;
        }
    }
    Ok(writes)
}

fn difference(before: &Writes, after: &Writes, resource: &str) -> f64 {
    let of = |writes: &Writes| writes.get(resource).copied().unwrap_or_default();
    of(after) - of(before)
}

/// Waits until nothing has been written for a while.
async fn at_rest(client: &Client) -> Result<Writes> {
    let mut last = writes(client).await?;
    loop {
        tokio::time::sleep(QUIET).await;
        let now = writes(client).await?;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
}

/// Processor time of the operator so far, in seconds.
fn cpu_seconds(lab: &Lab) -> Result<f64> {
    let unit = Unit::find(lab.folder(), "operator-1")?;
    let process = unit.process().context("failed to find the operator's process")?;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid))?;
    let ticks: f64 = stat
        .rsplit(')')
        .next()
        .into_iter()
        .flat_map(str::split_whitespace)
        // User and system time are the 14th and 15th fields of the line, the 12th and 13th behind the name.
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    Ok(ticks / 100.0)
}
