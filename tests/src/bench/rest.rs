//! What it costs while nothing happens, counted at the API server; and how soon a new address is answered, and a deleted one is not.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::{
    Client,
    api::{Api, DeleteParams, PostParams},
};
use lightship_tests::{
    Lab,
    client::prober::Prober,
    eventually,
    lab::unit::{Action, Unit},
    scene::{PATIENCE, Plan, Scene},
};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::{
    api::{self, Request},
    chain,
    report::{Figure, Report},
    spread, usage,
};

/// How long is counted.
pub(crate) const MINUTE: Duration = Duration::from_mins(1);

/// Two workers: each holds half of the addresses and stands by for the other half.
const WORKERS: u32 = 2;

/// Agents: the workers' and the control-plane node's.
const AGENTS: f64 = 3.0;

/// What Lightship writes beside leases.
const WRITTEN: [&str; 6] = [
    "services",
    "ciliumloadbalancerippools",
    "ciliuml2announcementpolicies",
    "nodes",
    "configmaps",
    "events",
];
const WRITES: [&str; 5] = ["PATCH", "PUT", "POST", "APPLY", "DELETE"];

pub(crate) fn run(runtime: &Runtime, services: u32, runs: u32, report: &mut Report) -> Result<()> {
    let few = Scene::up(
        "bench-rest-few",
        Plan {
            workers: WORKERS,
            services: 1,
            dual: false,
        },
    )?;
    let client = runtime.block_on(api::client(&few.folder().kubeconfig()))?;
    let alone = at_rest(runtime, &few, &client)?;
    trips(runtime, &few, &client, runs, report)?;
    for unit in &mut Unit::all(few.folder()) {
        if unit.name.starts_with("agent") || unit.name.starts_with("operator") {
            unit.act(few.folder(), Action::Kill)?;
        }
    }
    let without = at_rest(runtime, &few, &client)?;
    few.down()?;
    let many = Scene::up(
        "bench-rest",
        Plan {
            workers: WORKERS,
            services,
            dual: false,
        },
    )?;
    let client = runtime.block_on(api::client(&many.folder().kubeconfig()))?;
    let full = at_rest(runtime, &many, &client)?;
    let leases = |of: &Rest| -> f64 {
        let about = of.requests.iter().filter(|(what, _)| what.0 == "leases");
        about.map(|(_, count)| count).sum()
    };
    for (count, of) in [(1, &alone), (services, &full)] {
        let (all, own) = (of.total() - without.total(), leases(of) - leases(&without));
        report.tell([
            Figure::beside(
                format!("requests in a minute, {count} services (beside: without Lightship)"),
                of.total(),
                "requests",
                without.total(),
            ),
            Figure::alone(format!("what Lightship adds, {count} services"), all, "requests"),
            Figure::alone(
                format!("of these about leases, by agent and 15 s, {count} services (an operator's own among them)"),
                own / AGENTS / 4.0,
                "requests",
            ),
        ]);
    }
    for (resource, subresource, verb, count) in full.by_request() {
        println!("in a minute, {services} services: {count:>5} {verb} {resource} {subresource}");
    }
    for unit in [
        "agent-node-1",
        "agent-node-2",
        "agent-control-plane",
        "operator-1",
        "kube-apiserver",
    ] {
        let used =
            |of: &Rest| of.processor.get(unit).copied().unwrap_or_default() / MINUTE.as_secs_f64() * 100.0;
        let resident = |of: &Rest| of.memory.get(unit).copied().unwrap_or_default();
        report.tell([
            Figure::beside(
                format!("{unit} at rest, {services} services: share of a processor"),
                used(&full),
                "%",
                used(&alone),
            ),
            Figure::beside(
                format!("{unit} at rest, {services} services: resident memory"),
                resident(&full),
                "MiB",
                resident(&alone),
            ),
        ]);
    }
    trips(runtime, &many, &client, runs, report)?;
    many.down()
}

/// What a minute took.
pub(crate) struct Rest {
    requests: BTreeMap<Request, f64>,
    processor: BTreeMap<String, f64>,
    memory: BTreeMap<String, f64>,
}

impl Rest {
    /// Requests of all clients.
    pub(crate) fn total(&self) -> f64 {
        self.requests.values().sum()
    }

    /// The same by resource, subresource and verb.
    pub(crate) fn by_request(&self) -> impl Iterator<Item = (&str, &str, &str, f64)> {
        let all = self.requests.iter();
        all.map(|((resource, subresource, verb), count)| {
            (resource.as_str(), subresource.as_str(), verb.as_str(), *count)
        })
    }
}

/// Waits until nothing but leases is written, and counts a minute.
pub(crate) fn at_rest(runtime: &Runtime, lab: &Lab, client: &Client) -> Result<Rest> {
    let writes = |counts: &BTreeMap<Request, f64>| -> f64 {
        let ours = |what: &Request| WRITTEN.contains(&what.0.as_str()) && WRITES.contains(&what.2.as_str());
        counts
            .iter()
            .filter(|(what, _)| ours(what))
            .map(|(_, count)| count)
            .sum()
    };
    let now = || runtime.block_on(api::requests(client));
    eventually(
        "three seconds in which nothing but leases is written",
        PATIENCE * 4,
        || {
            let before = writes(&now()?);
            std::thread::sleep(Duration::from_secs(3));
            let after = writes(&now()?);
            ensure!((after - before).abs() < 0.5, "{} were", after - before);
            Ok(())
        },
    )?;
    let (before, processor) = (now()?, processor(lab)?);
    std::thread::sleep(MINUTE);
    let after = now()?;
    let mut requests = BTreeMap::new();
    for (what, count) in after {
        let more = count - before.get(&what).copied().unwrap_or_default();
        // Its own question for the counts, and the API server's own lease and watches of itself, are told apart by what they are about.
        if more > 0.5 && !what.0.is_empty() {
            requests.insert(what, more);
        }
    }
    let mut used = self::processor(lab)?;
    for (name, seconds) in &mut used {
        *seconds -= processor.get(name).copied().unwrap_or_default();
    }
    let memory = Unit::all(lab.folder())
        .into_iter()
        .filter_map(|unit| Some((unit.name.clone(), usage::memory(lab, &unit.name).ok()?.0)))
        .collect();
    Ok(Rest {
        requests,
        processor: used,
        memory,
    })
}

fn processor(lab: &Lab) -> Result<BTreeMap<String, f64>> {
    let mut all = BTreeMap::new();
    for unit in Unit::all(lab.folder()) {
        if let Some(process) = unit.process() {
            all.insert(unit.name, usage::processor_seconds(&process.pid.to_string())?);
        }
    }
    Ok(all)
}

/// One service after another is created and deleted, asked for every millisecond; beside it the median of as many ways with
/// nothing decided on them.
fn trips(runtime: &Runtime, scene: &Scene, client: &Client, runs: u32, report: &mut Report) -> Result<()> {
    let api: Api<Service> = Api::namespaced(client.clone(), "default");
    let (mut created, mut accepted, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
    let runs = runs.max(50);
    for run in 0..runs {
        // The pool's last addresses, which nobody else gets.
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 31, 254)) - run % 100);
        let name = format!("trip-{run}");
        let service: Service = serde_json::from_value(json!({
            "metadata": {"name": name, "annotations": {"lbipam.cilium.io/ips": address.to_string()}},
            "spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 80}]},
        }))?;
        let address = IpAddr::V4(address);
        let prober = Prober::every(scene, &[address], Duration::from_millis(1))?;
        let sent = prober.now();
        runtime
            .block_on(api.create(&PostParams::default(), &service))
            .context("failed to create a service")?;
        let taken = prober.now();
        let answered = |question: &lightship_tests::client::recording::Question| {
            question.answers.first().map(|one| one.at)
        };
        let first = eventually("the first answer", PATIENCE, || {
            let first =
                prober.look(|recording| recording.records[&address].questions.iter().find_map(answered));
            first.context("nobody answers")
        })?;
        created.push(first.saturating_sub(sent));
        accepted.push(first.saturating_sub(taken));
        let gone = prober.now();
        runtime
            .block_on(api.delete(&name, &DeleteParams::default()))
            .context("failed to delete a service")?;
        let last = eventually("its end", PATIENCE, || {
            let since = prober.now().saturating_sub(Duration::from_millis(300));
            let last = prober.look(|recording| {
                recording.records[&address]
                    .questions
                    .iter()
                    .rev()
                    .find_map(answered)
            });
            let last = last.context("it never answered")?;
            ensure!(last < since, "it answers");
            Ok(last)
        })?;
        deleted.push(last.saturating_sub(gone));
        prober.finish()?;
    }
    let count = scene.addresses().len();
    let chain = runtime.block_on(chain::run(client, runs))?;
    let median = |all: &[Duration]| {
        let seconds = all.iter().map(Duration::as_secs_f64).collect();
        Duration::from_secs_f64(spread::median(seconds))
    };
    report.tell(spread::figures(
        &format!("created (request sent) to first answer, beside {count} services (beside: two watches and a write)"),
        created,
        Some(median(&chain.created)),
    ));
    report.tell(spread::figures(
        &format!("created (request answered) to first answer, beside {count} services"),
        accepted,
        None,
    ));
    report.tell(spread::figures(
        &format!(
            "deleted (request sent) to last answer, beside {count} services (beside: two watches and a write)"
        ),
        deleted,
        Some(median(&chain.deleted)),
    ));
    Ok(())
}
