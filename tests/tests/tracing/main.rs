//! Traces: what a collector is told of a service from its creation to its first frame, and of a failover from the first
//! missed probe on; and that nothing depends on the collector.

mod receiver;

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{
    Options,
    client::packets::{inside, join},
    eventually,
    lab::testing::TestLab,
    objects,
    scene::{PATIENCE, Plan, Scene, objects::name},
};

use receiver::{Received, Receiver};

const SOON: Duration = Duration::from_secs(3);

/// A port nobody listens on, but this test until it closes it.
fn dead_port() -> Result<u16> {
    Ok(TcpListener::bind("0.0.0.0:0")?.local_addr()?.port())
}

fn of_trace<'a>(spans: &'a [Received], trace: &str) -> Vec<&'a Received> {
    spans.iter().filter(|span| span.trace == trace).collect()
}

/// The only child of a span with this name.
fn child<'a>(trace: &[&'a Received], parent: &Received, name: &str) -> Result<&'a Received> {
    let mut found = trace
        .iter()
        .filter(|span| span.name == name && span.parent == parent.id);
    let first = found
        .next()
        .with_context(|| format!("{} has no child {name} among {trace:#?}", parent.name))?;
    ensure!(found.next().is_none(), "{} has two children {name}", parent.name);
    Ok(first)
}

/// From the service that was seen to the frame on the wire, each step the child of what led to it.
fn whole<'a>(spans: &'a [Received], service: &str) -> Result<Vec<&'a Received>> {
    let seen = spans
        .iter()
        .find(|span| span.name == "service seen" && span.says("k8s.service.name", service))
        .context("the service was not seen")?;
    ensure!(seen.parent.is_empty(), "it is no root: {seen:?}");
    let trace = of_trace(spans, &seen.trace);
    let address = child(&trace, seen, "address chosen")?;
    let status = child(&trace, seen, "status written")?;
    let holder = child(&trace, seen, "holder chosen")?;
    let lease = child(&trace, seen, "lease written")?;
    let read = child(&trace, lease, "lease seen")?;
    let entry = child(&trace, read, "entry programmed")?;
    let frame = child(&trace, read, "first frame announced")?;
    let steps = vec![seen, address, status, holder, lease, read, entry, frame];
    for pair in [seen, lease, read, entry, frame].windows(2) {
        ensure!(pair[0].start <= pair[1].start, "it goes back in time: {pair:#?}");
    }
    ensure!(
        steps.iter().all(|span| span.start <= span.end && !span.failed),
        "{steps:#?}"
    );
    ensure!(
        steps[..5]
            .iter()
            .all(|span| span.comes_from("service.name", "lightship-operator")),
        "{steps:#?}"
    );
    let node = holder.attributes.get("lightship.holder").context("no holder")?;
    let by_agent = |span: &&Received| {
        span.comes_from("service.name", "lightship-agent") && span.comes_from("k8s.node.name", node)
    };
    ensure!(steps[5..].iter().all(by_agent), "{steps:#?}");
    Ok(steps)
}

/// From the first missed probe to the frame on the wire.
fn failover<'a>(spans: &'a [Received], old: &str, new: &str) -> Result<Vec<&'a Received>> {
    let root = spans
        .iter()
        .find(|span| {
            span.name == "failover"
                && span.says("lightship.former_holder", old)
                && span.comes_from("k8s.node.name", new)
        })
        .context("no failover was told")?;
    ensure!(root.parent.is_empty(), "it is no root: {root:?}");
    let trace = of_trace(spans, &root.trace);
    let suspicion = child(&trace, root, "suspicion")?;
    let probes: Vec<_> = trace
        .iter()
        .filter(|span| span.name == "probe" && span.parent == suspicion.id)
        .collect();
    ensure!(
        probes.len() >= 3 && probes.iter().all(|probe| probe.failed),
        "{probes:#?}"
    );
    let witness = child(&trace, suspicion, "witness")?;
    let claim = child(&trace, root, "claim")?;
    ensure!(claim.says("lightship.outcome", "won"), "{claim:?}");
    let read = child(&trace, claim, "lease seen")?;
    let entry = child(&trace, read, "entry programmed")?;
    let frame = child(&trace, read, "first frame announced")?;
    // What the operator does about it is part of it.
    let heard = child(&trace, claim, "takeover seen")?;
    ensure!(
        heard.comes_from("service.name", "lightship-operator"),
        "{heard:?}"
    );
    let steps = vec![root, suspicion, witness, claim, read, entry, frame];
    ensure!(
        [root, suspicion, witness]
            .windows(2)
            .all(|pair| pair[0].start <= pair[1].start)
            && [suspicion, claim, read, entry, frame]
                .windows(2)
                .all(|pair| pair[0].start < pair[1].start),
        "it goes back in time: {steps:#?}"
    );
    Ok(steps)
}

/// From the holder that was drained to the frame by which the next one takes over.
fn handover(spans: &[Received], service: &str, old: &str, new: &str) -> Result<()> {
    let root = spans
        .iter()
        .find(|span| span.name == "holder left" && span.says("lightship.former_holder", old))
        .context("no holder left")?;
    ensure!(root.parent.is_empty(), "it is no root: {root:?}");
    ensure!(root.comes_from("service.name", "lightship-operator"), "{root:?}");
    let trace = of_trace(spans, &root.trace);
    let of_service = |parent: &Received, name: &str, who: (&str, &str)| -> Result<&Received> {
        let mut found = trace.iter().filter(|span| {
            span.name == name && span.parent == parent.id && span.says("k8s.service.name", service)
        });
        found
            .find(|span| span.comes_from(who.0, who.1))
            .copied()
            .with_context(|| format!("{} has no {name} of {service} among {trace:#?}", parent.name))
    };
    let operator = ("service.name", "lightship-operator");
    let chosen = of_service(root, "holder chosen", operator)?;
    ensure!(chosen.says("lightship.holder", new), "{chosen:?}");
    let lease = of_service(root, "lease written", operator)?;
    let read = of_service(lease, "lease seen", ("k8s.node.name", new))?;
    for step in ["entry programmed", "first frame announced"] {
        let step = child(&trace, read, step)?;
        ensure!(root.start <= step.start && !step.failed, "{step:?}");
    }
    Ok(())
}

fn log(scene: &Scene, unit: &str) -> Result<String> {
    let path = scene.folder().log(unit);
    fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
}

#[test]
fn a_service_and_a_failover_are_one_trace_each() -> Result<()> {
    let receiver = Receiver::start()?;
    let options = Options {
        collector: Some(receiver.port()),
        ..Options::default()
    };
    let plan = Plan {
        dual: false,
        ..Plan::default()
    };
    let scene = Scene::with("tracing", plan, &options)?;
    scene.apply(&objects::service("traced", "", ""))?;
    let spans = || receiver.spans();
    let trace = eventually("the trace of a service", PATIENCE, || {
        Ok(whole(&spans(), "traced")?[0].trace.clone())
    })?;
    let holder = eventually(
        "the trace in the logs of those who had a part in it",
        PATIENCE,
        || {
            let holder = scene.get(&["lease", "-n", "kube-system", "cilium-l2announce-default-traced"])?;
            let holder = holder["spec"]["holderIdentity"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            for unit in ["operator-1".to_owned(), format!("agent-{holder}")] {
                let carries = log(&scene, &unit)?.contains(&format!("trace_id={trace}"));
                ensure!(carries, "no line of {unit} carries {trace}");
            }
            Ok(holder)
        },
    )?;
    scene.exec(&holder, &["lightship", "config", "log-level", "debug"])?;
    let shown = scene.exec(&holder, &["lightship", "config", "log-level"])?;
    ensure!(shown.trim() == "debug", "{shown}");

    let drained = scene.ready()?;
    scene.drain(&drained)?;
    eventually("the trace of a drain", PATIENCE, || {
        let new = scene.holder(0)?;
        ensure!(new != drained, "it holds it still");
        handover(&spans(), &name(0), &drained, &new)
    })?;
    scene.undrain(&drained)?;

    let old = scene.ready()?;
    scene.crash(&old)?;
    eventually("the trace of a failover", PATIENCE, || {
        let new = scene.holder(0)?;
        ensure!(new != old, "nobody took over");
        failover(&spans(), &old, &new).map(drop)
    })?;
    scene.down()
}

#[test]
fn a_collector_that_is_away_costs_one_warning() -> Result<()> {
    let options = Options {
        collector: Some(dead_port()?),
        ..Options::default()
    };
    let scene = Scene::with("untraced", Plan::default(), &options)?;
    let old = scene.ready()?;
    let watching = scene.watch()?;
    let start = watching.mark(format!("{old} crashes; no collector answers"));
    scene.crash(&old)?;
    watching.answered_by_others(&old)?;
    let seen = watching.finish()?;
    seen.silent_less_than(SOON, start)?;
    seen.moves(1, start)?;
    let new = scene.holder(0)?;
    for unit in ["operator-1".to_owned(), format!("agent-{new}")] {
        eventually("one warning about the collector", PATIENCE, || {
            let warned = log(&scene, &unit)?
                .matches("the collector takes no traces")
                .count();
            ensure!(warned == 1, "{unit} warned {warned} times");
            Ok(())
        })?;
    }
    scene.down()
}

#[test]
fn without_a_collector_nobody_is_called_and_no_lease_says_so() -> Result<()> {
    let lab = TestLab::up(
        "tracing-off",
        &Options {
            nodes: 1,
            bare: true,
            ..Options::default()
        },
    )?;
    // Where an exporter that nobody configured would go.
    let hosts = ["fabric", "node-1"].map(|host| -> Result<TcpListener> {
        join(inside(&lab, &lab.host(host)?, || {
            let listener = TcpListener::bind("127.0.0.1:4317")?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        })?)
    });
    lab.install_manifests()?;
    lab.start_lightship()?;
    lab.apply(lightship_tests::scene::objects::POOL)?;
    lab.apply(lightship_tests::scene::objects::POLICY)?;
    lab.apply(&objects::service("plain", "", ""))?;
    let lease = ["lease", "-n", "kube-system", "cilium-l2announce-default-plain"];
    let lease = eventually("the lease of a service", PATIENCE, || lab.get(&lease))?;
    let annotations = lease["metadata"]["annotations"]
        .as_object()
        .context("it has none")?;
    ensure!(
        !annotations.contains_key(lightship_crd::annotation::TRACE_PARENT),
        "{annotations:?}"
    );
    for unit in ["operator-1", "agent-node-1"] {
        let log = fs::read_to_string(lab.folder().log(unit))?;
        ensure!(!log.contains("trace_id"), "{unit}: {log}");
    }
    for listener in hosts {
        let called = listener?.accept();
        ensure!(called.is_err(), "somebody called: {called:?}");
    }
    lab.down()
}
