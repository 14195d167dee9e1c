//! Address management through a real API server, beside a bare client that writes as many statuses.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;
use kube::Client;
use lightship_tests::lab::testing::TestLab;
use lightship_tests::lab::unit::{Action, Unit};
use lightship_tests::{Lab, Options};
use tokio::runtime::Runtime;

use crate::api;
use crate::observer::{self, Observer};
use crate::report::{Figure, Report};
use crate::stored::{self, Status};
use crate::usage::{self, Usage};
use crate::wave;
use crate::writes::{at_rest, difference, writes};

/// What is measured, each in a lab of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// All services wait and get their address; then all but one wait on a full pool.
    Wave,
    /// The operator comes back to services that have theirs.
    Restart,
}

/// Measures these parts, all of them when none is named.
pub(crate) fn run(
    runtime: &Runtime,
    services: u32,
    rounds: usize,
    parts: &[Part],
    report: &mut Report,
) -> Result<()> {
    let parts = if parts.is_empty() {
        Part::value_variants()
    } else {
        parts
    };
    for part in parts {
        let lab = bare_lab()?;
        let measured = match part {
            Part::Wave => runtime.block_on(wave::measure(&lab, services, rounds, report)),
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
pub(crate) async fn start_and_judge(lab: &Lab, client: &Client) -> Result<()> {
    let mut observer = Observer::open(client).await?;
    lab.apply(FIRST)?;
    lab.operator(Action::Start, 1)?;
    observer.until(observer::is_judged).await?;
    Ok(())
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

pub(crate) fn pool(cidr: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumLoadBalancerIPPool\nmetadata: {{name: bench}}\n\
         spec: {{blocks: [{{cidr: {cidr}}}]}}\n"
    )
}

pub(crate) fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
