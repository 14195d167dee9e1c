//! Many agents at rest: what they ask the API server for, by their number and by the number of services.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::api::{Api, PostParams};
use lightship_tests::lab::testing::TestLab;
use lightship_tests::lab::unit::{Action, Unit};
use lightship_tests::{Lab, Options, eventually, scene::PATIENCE};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::fleet::{self, Fleet};
use crate::report::{Figure, Report};
use crate::rest::{MINUTE, Rest, at_rest};

/// Services that there are beside one.
const SERVICES: u32 = 1_000;

/// How many are created at a time.
const AT_ONCE: usize = 16;

/// A pool for any number, off every real network.
pub(crate) const POOL: &str = "
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata: {name: bench}
spec: {blocks: [{cidr: 10.16.0.0/12}]}
";

/// Announced by the fleet alone: the lab's own nodes have no agents.
pub(crate) fn policy() -> String {
    format!(
        "
apiVersion: cilium.io/v2alpha1
kind: CiliumL2AnnouncementPolicy
metadata: {{name: bench}}
spec:
  nodeSelector: {{matchLabels: {{{}: 'yes'}}}}
  interfaces: ['^eth0$']
  loadBalancerIPs: true
",
        fleet::LABEL
    )
}

/// A lab with an operator and nobody else: neither agents, nor kube-proxies, which would follow every service.
pub(crate) fn lab(test: &str) -> Result<TestLab> {
    let options = Options {
        nodes: 1,
        bare: true,
        ..Options::default()
    };
    let lab = TestLab::up(test, &options)?;
    for mut unit in Unit::all(lab.folder()) {
        if unit.name.starts_with("kube-proxy") {
            unit.act(lab.folder(), Action::Kill)?;
        }
    }
    lab.install_manifests()?;
    lab.operator(Action::Start, 1)?;
    Ok(lab)
}

pub(crate) fn run(runtime: &Runtime, agents: u16, report: &mut Report) -> Result<()> {
    let lab = lab("bench-crowd")?;
    let client = runtime.block_on(crate::api::client(&lab.folder().kubeconfig()))?;
    lab.apply(POOL)?;
    lab.apply(&policy())?;
    runtime.block_on(create(&client, 0..1))?;
    let mut fleet = runtime.block_on(Fleet::new(&lab.folder().kubeconfig()))?;
    let none = at_rest(runtime, &lab, &client)?;
    let half = count(runtime, &lab, &client, &mut fleet, agents / 2, 1)?;
    let whole = count(runtime, &lab, &client, &mut fleet, agents, 1)?;
    runtime.block_on(create(&client, 1..SERVICES))?;
    let full = count(runtime, &lab, &client, &mut fleet, agents, SERVICES)?;
    for (resource, subresource, verb, count) in full.by_request() {
        println!(
            "in a minute, {agents} agents, {SERVICES} services: {count:>5} {verb} {resource} {subresource}"
        );
    }
    for (agents, services, of) in [
        (agents / 2, 1, &half),
        (agents, 1, &whole),
        (agents, SERVICES, &full),
    ] {
        let added = of.total() - none.total();
        report.tell([
            Figure::beside(
                format!("requests in a minute, {agents} simulated agents, {services} services (beside: no agents)"),
                of.total(),
                "requests",
                none.total(),
            ),
            Figure::beside(
                format!("by agent and 15 s, {agents} simulated agents, {services} services (beside: three heartbeats)"),
                added / f64::from(agents) / (MINUTE.as_secs_f64() / 15.0),
                "requests",
                3.0,
            ),
        ]);
    }
    report.tell([
        Figure::beside(
            format!("requests at rest: {agents} agents beside {}", agents / 2),
            whole.total() - none.total(),
            "requests",
            half.total() - none.total(),
        ),
        Figure::beside(
            format!("requests at rest: {agents} agents, {SERVICES} services beside one"),
            full.total(),
            "requests",
            whole.total(),
        ),
    ]);
    drop(fleet);
    lab.down()
}

/// A minute with so many agents and services.
fn count(
    runtime: &Runtime,
    lab: &Lab,
    client: &Client,
    fleet: &mut Fleet,
    agents: u16,
    services: u32,
) -> Result<Rest> {
    let start = Instant::now();
    runtime.block_on(fleet.grow(agents))?;
    eventually("every address to be answered for", PATIENCE * 4, || {
        let answered = fleet.answered();
        ensure!(answered == services as usize, "{answered} of {services} are");
        Ok(())
    })?;
    println!(
        "{agents} agents answer for {services} services after {:.1} s",
        start.elapsed().as_secs_f64()
    );
    // Rebalancing, and what agents find out about each other, takes its time.
    std::thread::sleep(Duration::from_secs(20));
    at_rest(runtime, lab, client)
}

async fn create(client: &Client, range: std::ops::Range<u32>) -> Result<()> {
    let api: Api<Service> = Api::namespaced(client.clone(), "default");
    let one = |number| {
        let api = api.clone();
        async move {
            let service: Service = serde_json::from_value(json!({
                "metadata": {"name": crate::api::name(number)},
                "spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 80}]},
            }))?;
            let created = api.create(&PostParams::default(), &service).await;
            created.map(drop).context("failed to create a service")
        }
    };
    stream::iter(range)
        .map(one)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}
