//! J0: an ingress address from nothing. One function for each step; each asserts what a person would look at. The last step is
//! a file of its own.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{observed, walk::Walk};
use crate::{
    client::{
        self,
        arping::{self, Answers, arping},
        capture::Capture,
    },
    eventually,
    lab::{
        host::{CONTROL_PLANE, Host, JUMPBOX},
        network::LAN,
    },
};

/// The service of this journey.
pub const SERVICE: &str = "cilium-ingress-basic-ingress";
/// The address it gets: the first of the pool.
pub const ADDRESS: &str = "10.0.10.0";
/// The lease that binds its address to a node.
pub const LEASE: &str = "cilium-l2announce-default-cilium-ingress-basic-ingress";
pub(super) const POLICY: &str = "default-l2-announcement-policy";
/// The responder's table, where guides for Cilium look for it.
pub const MAP: &str = "/sys/fs/bpf/tc/globals/cilium_l2_responder_v4";
const LIST: [&str; 3] = ["lightship", "map", "list"];

/// Generous: the machines that run tests are shared. What is measured is measured elsewhere.
pub(super) const SOON: Duration = Duration::from_secs(30);

/// Steps 1 to 4: from nothing to a page fetched through the address.
pub fn announce(walk: &Walk<'_>) -> Result<()> {
    pending(walk)?;
    addressed(walk)?;
    not_announced(walk)?;
    announced(walk)
}

/// Step 1: a service without an address.
pub fn pending(walk: &Walk<'_>) -> Result<()> {
    walk.say("A service of type LoadBalancer, and nobody who gives it an address.")?;
    walk.lab.start_backend(CONTROL_PLANE, SERVICE, &[8080, 8443])?;
    walk.apply("j0/service.yaml")?;
    walk.apply("j0/endpoints.yaml")?;
    let shown = walk.kubectl(&["get", "service", SERVICE])?;
    ensure!(shown.contains("<pending>"), "the service is not pending: {shown}");
    Ok(())
}

/// Step 2: a pool gives it one.
pub fn addressed(walk: &Walk<'_>) -> Result<()> {
    walk.say("A pool: the service gets its first address.")?;
    walk.apply("j0/pool.yaml")?;
    eventually("the address in the service's status", SOON, || {
        let service = walk.lab.get(&["service", SERVICE])?;
        let ingress = &service["status"]["loadBalancer"]["ingress"];
        ensure!(ingress[0]["ip"] == ADDRESS, "the ingress is {ingress}");
        Ok(())
    })?;
    let shown = walk.kubectl(&["get", "service", SERVICE])?;
    let external_ip = shown
        .lines()
        .nth(1)
        .and_then(|line| line.split_whitespace().nth(3));
    ensure!(
        external_ip == Some(ADDRESS),
        "EXTERNAL-IP is {external_ip:?}: {shown}"
    );
    eventually("the pool's counts", SOON, || {
        observed::pool_counts(&walk.lab.kubectl(&["get", "ippools"])?)
    })?;
    walk.kubectl(&["get", "ippools"])?;
    let pool = walk.kubectl(&["describe", "ippools", "first-pool"])?;
    ensure!(
        pool.contains(SERVICE),
        "the pool does not tell whom it gave an address: {pool}"
    );
    eventually("an event that tells about the address", SOON, || {
        observed::event(walk.lab, ADDRESS)
    })?;
    observed::described(&walk.kubectl(&["describe", "service", SERVICE])?)
}

/// Step 3: an address alone answers nobody, and the service says why.
pub fn not_announced(walk: &Walk<'_>) -> Result<()> {
    walk.say("Nothing announces the address yet: nobody answers for it.")?;
    let fetched = walk.try_on(
        JUMPBOX,
        &[
            "curl",
            "--silent",
            "--show-error",
            "--max-time",
            "2",
            "http://10.0.10.0/",
        ],
    )?;
    ensure!(
        !fetched.succeeded(),
        "curl got a page before anything was announced: {}",
        fetched.stdout
    );
    let asked = ask(walk, 3)?;
    ensure!(
        asked.sent == 3 && asked.received == 0,
        "somebody answers already: {asked:?}"
    );
    eventually("an event that tells what is missing", SOON, || {
        observed::event(walk.lab, "olicy")
    })?;
    walk.kubectl(&["events", "--for", &format!("service/{SERVICE}")])?;
    Ok(())
}

/// Step 4: a policy announces it.
pub fn announced(walk: &Walk<'_>) -> Result<()> {
    walk.say("A policy: a node is chosen, tells the segment, and answers.")?;
    let capture = Capture::start(walk.lab, "arp")?;
    walk.apply("j0/policy.yaml")?;
    let first = eventually("a gratuitous ARP on the jumpbox", SOON, || {
        let frames = capture.frames();
        let found = frames.into_iter().find(|frame| frame.announces(ADDRESS));
        found.with_context(|| format!("tcpdump printed {}", capture.text()))
    })?;
    walk.show(&format!(
        "\njumpbox$ tcpdump -i {LAN} -n -e -tt arp\n{}\n",
        first.line
    ))?;
    eventually("an answer", SOON, || {
        let answers = arping(walk.lab, ADDRESS, 1)?;
        ensure!(answers.received == 1, "arping counted {answers:?}");
        Ok(())
    })?;
    let answers = ask(walk, 3)?;
    ensure!(
        answers.lost() == 0 && answers.macs == [first.from.clone()],
        "arping counted {answers:?}"
    );
    eventually("a page on both ports", SOON, || observed::page(walk.lab))?;
    for url in observed::URLS {
        let argv = ["curl", "--silent", "--show-error", "--max-time", "2", url];
        walk.on(JUMPBOX, &argv)?;
    }
    let neighbour = client::neighbour(walk.lab, ADDRESS)?;
    walk.on(JUMPBOX, &["ip", "neigh", "show", ADDRESS])?;
    ensure!(
        neighbour.as_deref() == Some(first.from.as_str()),
        "the jumpbox sends to {neighbour:?}"
    );
    Ok(())
}

/// Step 5: the lease names who.
pub fn bound(walk: &Walk<'_>) -> Result<()> {
    walk.say("The lease names the node; it is never the control-plane node.")?;
    walk.kubectl(&["get", "lease", "-n", "kube-system", LEASE])?;
    eventually("the lease telling what happened", SOON, || {
        let told = walk
            .lab
            .kubectl(&["describe", "lease", "-n", "kube-system", LEASE])?;
        ensure!(
            told.contains(&format!("answers for {ADDRESS}")),
            "describe says {told}"
        );
        Ok(())
    })?;
    walk.kubectl(&["describe", "lease", "-n", "kube-system", LEASE])?;
    eventually("the policy telling its holders", SOON, || {
        let status = &walk.lab.get(&["l2announcement", POLICY])?["status"];
        ensure!(
            status["holders"].to_string().contains(SERVICE),
            "its status is {status}"
        );
        Ok(())
    })?;
    walk.kubectl(&["describe", "l2announcement", POLICY])?;
    let holder = observed::holder(walk.lab)?;
    ensure!(
        holder != CONTROL_PLANE,
        "the holder is the control-plane node, which the policy leaves out"
    );
    let answers = arping(walk.lab, ADDRESS, 1)?;
    ensure!(
        answers.macs == [walk.lab.host(&holder)?.lan_mac()],
        "the lease names {holder}, but {answers:?} came back"
    );
    Ok(())
}

/// Step 6: the responder's table shows the entry on the holder, and counts.
pub fn counted(walk: &Walk<'_>) -> Result<()> {
    walk.say("The responder's table on the holder counts each answer; elsewhere it is empty.")?;
    let holder = observed::holder(walk.lab)?;
    walk.on(&holder, &["bpftool", "map", "dump", "pinned", MAP])?;
    let before = observed::responses(walk.lab, &holder)?;
    let answers = ask(walk, 5)?;
    walk.on(&holder, &["bpftool", "map", "dump", "pinned", MAP])?;
    let after = observed::responses(walk.lab, &holder)?;
    ensure!(answers.received == 5, "arping counted {answers:?}");
    ensure!(
        after == before + 5,
        "responses_sent went from {before} to {after} by five answers"
    );
    for node in Host::nodes(walk.lab.nodes())
        .iter()
        .filter(|node| node.name() != holder)
    {
        let entries = observed::map(walk.lab, node.name())?;
        ensure!(
            entries.as_array().is_some_and(Vec::is_empty),
            "{} has entries: {entries}",
            node.name()
        );
        let listed = walk.lab.exec(node.name(), &LIST)?;
        observed::elements(&listed, 0)?;
    }
    let entries = observed::map(walk.lab, &holder)?;
    let listed = walk.on(&holder, &LIST)?;
    observed::elements(&listed, entries.as_array().map_or(0, Vec::len))
}

/// Asks for the address with arping, to be seen by the audience.
pub(super) fn ask(walk: &Walk<'_>, count: u32) -> Result<Answers> {
    let command = arping::command(ADDRESS, count, "0.1");
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    Answers::parse(&walk.try_on(JUMPBOX, &words)?.stdout)
}
