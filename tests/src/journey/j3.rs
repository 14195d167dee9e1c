//! J3: external IPs outside the nodes' own subnet, on `net0` beside `eth0`, and a node that dies.

use anyhow::{Context as _, Result, ensure};

use super::{
    Walk,
    typed::{self, SOON},
};
use crate::{
    Options,
    client::{
        arping::Probe,
        capture::{Capture, longest_silence},
    },
    eventually,
    lab::{
        host::{CONTROL_PLANE, JUMPBOX},
        network::LAN,
        segment::Segment,
    },
    objects,
};

/// The card that faces the neighbour.
pub const CARD: &str = "net0";
const ADDRESS: &str = "12.0.0.100";
const URL: &str = "http://12.0.0.100/";
/// What the guide loses with these timings, in seconds.
const GUIDES_GAP: f64 = 3.0;
/// curl gave up.
const TIMED_OUT: i32 = 28;

/// Three workers, all of which have `net0` beside `eth0`; so has the neighbour.
#[must_use]
pub fn net0_beside_eth0() -> Options {
    let hosts = ["node-1", "node-2", "node-3", CONTROL_PLANE, JUMPBOX];
    Options {
        nodes: 3,
        segments: vec![Segment::new("neighbour", CARD, &hosts)],
        agent_flags: typed::quick(),
        operator_flags: typed::quick(),
        ..Options::default()
    }
}

/// Step 1: red is not announced, blue is; on `net0` and nowhere else.
pub fn labelled(walk: &Walk<'_>) -> Result<()> {
    walk.on(JUMPBOX, &["ip", "route", "add", "12.0.0.0/24", "dev", CARD])?;
    walk.lab.start_backend(CONTROL_PLANE, "deathstar", &[8080])?;
    for service in ["deathstar", "deathstar-2", "deathstar-3"] {
        let endpoints = typed::endpoints(service, &[("", 8080)], "10.0.1.100", CONTROL_PLANE);
        walk.lab.apply(&endpoints)?;
    }
    walk.apply("j3/deathstar.yaml")?;
    walk.apply("j3/policy.yaml")?;
    // What a policy announces is settled once it says so of a service that it does select.
    second(walk)?;
    let fetched = typed::curl(walk, URL)?;
    ensure!(fetched == Err(TIMED_OUT), "curl ended with {fetched:?}");
    typed::silent(walk, CARD, ADDRESS)?;
    walk.kubectl(&["label", "svc", "deathstar", "color=blue", "--overwrite"])?;
    typed::page(walk, URL, "deathstar")?;
    let holder = typed::holder(walk, "deathstar")?;
    ensure!(holder != CONTROL_PLANE, "the control-plane node is excluded");
    let mac = walk.lab.mac(&holder, CARD)?;
    typed::answered_by(walk, CARD, ADDRESS, &mac)?;
    let known = typed::neighbour(walk, ADDRESS)?;
    ensure!(known == mac, "the neighbour sends to {known}, not to {mac}");
    typed::silent(walk, LAN, ADDRESS)
}

/// Step 2: a static address, blue from the start, and the name of its lease.
pub fn second(walk: &Walk<'_>) -> Result<()> {
    if typed::lease(walk, "deathstar-2").is_err() {
        walk.apply("j3/deathstar-2.yaml")?;
    }
    let holder = typed::holder(walk, "deathstar-2")?;
    let lease = "cilium-l2announce-default-deathstar-2";
    let shown = walk.kubectl(&["get", "lease", "-n", "kube-system", lease])?;
    ensure!(shown.contains(&holder), "kubectl printed {shown}");
    typed::answered_by(walk, CARD, "12.0.0.101", &walk.lab.mac(&holder, CARD)?)?;
    typed::page(walk, "http://12.0.0.101/", "deathstar")
}

/// Step 3: a pool in the oldest form; a service pending until it is labelled.
pub fn pooled(walk: &Walk<'_>) -> Result<()> {
    walk.apply("j3/pool.yaml")?;
    let both = r#"{"spec":{"loadBalancerIPs":true}}"#;
    walk.kubectl(&["patch", "l2announcement", "policy1", "--type=merge", "-p", both])?;
    walk.apply("j3/deathstar-3.yaml")?;
    objects::says(walk.lab, "deathstar-3", "no_pool", "color=blue")?;
    let shown = walk.kubectl(&["get", "svc", "deathstar-3"])?;
    ensure!(shown.contains("<pending>"), "it has an address: {shown}");
    walk.kubectl(&["label", "svc", "deathstar-3", "color=blue"])?;
    objects::has(walk.lab, "deathstar-3", &["12.0.0.128"])?;
    let holder = typed::holder(walk, "deathstar-3")?;
    typed::answered_by(walk, CARD, "12.0.0.128", &walk.lab.mac(&holder, CARD)?)?;
    typed::page(walk, "http://12.0.0.128/", "deathstar")
}

/// Step 4: the timings that were configured are those that are shown.
pub fn configured(walk: &Walk<'_>) -> Result<()> {
    let typed = "lightship config view | grep l2-announcements";
    let shown = walk.on("node-1", &["sh", "-c", typed])?;
    for (name, value) in [
        ("lease-duration", "3s"),
        ("renew-deadline", "1s"),
        ("retry-period", "500ms"),
    ] {
        let told = shown
            .lines()
            .any(|line| line.contains(&format!("l2-announcements-{name}")) && line.ends_with(value));
        ensure!(told, "no {name} of {value} in {shown}");
    }
    Ok(())
}

/// Step 5: the holder dies and its links with it, while `arping` asks; how long nobody answered, in seconds.
pub fn dies(walk: &Walk<'_>) -> Result<f64> {
    let old = typed::holder(walk, "deathstar")?;
    let before = typed::lease(walk, "deathstar")?["spec"]["leaseTransitions"].as_i64();
    let capture = Capture::through(walk.lab, CARD, "arp")?;
    let probe = Probe::through(walk.lab, CARD, ADDRESS);
    let moved = answered_on(walk, &old);
    // Ended in any case: it would go on for ever.
    let probed = probe.finish()?;
    let new = moved?;
    let macs = [walk.lab.mac(&old, CARD)?, walk.lab.mac(&new, CARD)?];
    ensure!(probed.macs == macs, "{macs:?} should have answered: {probed:?}");
    let after = typed::lease(walk, "deathstar")?["spec"]["leaseTransitions"].as_i64();
    let (before, after) = before.zip(after).context("the lease counts no transitions")?;
    ensure!(after > before, "leaseTransitions went from {before} to {after}");
    typed::page(walk, URL, "deathstar")?;
    let gap = unanswered(walk, &capture, &macs)?;
    walk.show(&format!("{ADDRESS} was silent for {gap:.2} s.\n"))?;
    ensure!(
        gap < GUIDES_GAP,
        "nobody answered for {gap:.2} s, and the guide loses {GUIDES_GAP} s"
    );
    Ok(gap)
}

/// How long the neighbour's requests went unanswered at most, once tcpdump has printed the answers of both holders.
fn unanswered(walk: &Walk<'_>, capture: &Capture, holders: &[String]) -> Result<f64> {
    let asker = walk.lab.mac(JUMPBOX, CARD)?;
    eventually("tcpdump to show the answers of both holders", SOON, || {
        let frames = capture.frames();
        for mac in holders {
            let seen = frames
                .iter()
                .any(|frame| frame.from == *mac && frame.answers(ADDRESS));
            ensure!(seen, "no answer of {mac}");
        }
        Ok(longest_silence(&frames, &asker, ADDRESS))
    })
}

/// Pulls the holder's power once it was seen to answer; who answers then.
fn answered_on(walk: &Walk<'_>, old: &str) -> Result<String> {
    typed::answered_by(walk, CARD, ADDRESS, &walk.lab.mac(old, CARD)?)?;
    walk.lab.crash(old)?;
    let new = eventually("another holder", SOON, || {
        let holder = typed::holder(walk, "deathstar")?;
        ensure!(holder != old, "{old} still holds");
        Ok(holder)
    })?;
    typed::answered_by(walk, CARD, ADDRESS, &walk.lab.mac(&new, CARD)?)?;
    Ok(new)
}
