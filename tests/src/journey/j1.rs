//! J1 on one segment: both families, chosen by labels, over a node's death.

use anyhow::{Result, ensure};

use super::{
    Walk,
    typed::{self, SOON},
};
use crate::{
    client::capture::Capture,
    eventually, gateway,
    lab::{
        host::{CONTROL_PLANE, JUMPBOX},
        network::LAN,
    },
    objects,
};

/// The service of both families.
pub const SERVICE: &str = "dual-stack";
const ADDRESSES: [&str; 2] = ["10.0.10.0", "2004::"];
const URLS: [&str; 2] = ["http://10.0.10.0/", "http://[2004::]/"];

/// Step 1: one address of each family, by a label; who lacks the label is told.
pub fn addressed(walk: &Walk<'_>) -> Result<()> {
    let lab = walk.lab;
    for (node, datacenter) in [("node-1", "dc1"), ("node-2", "dc2")] {
        walk.kubectl(&["label", "node", node, &format!("datacenter={datacenter}")])?;
    }
    for sample in ["pool", "policy", "services"] {
        walk.apply(&format!("j1/{sample}.yaml"))?;
    }
    lab.start_backend(CONTROL_PLANE, SERVICE, &[8080])?;
    for address in ["10.0.1.100", "2004::1:100"] {
        lab.apply(&typed::endpoints(SERVICE, &[("", 8080)], address, CONTROL_PLANE))?;
    }
    objects::has(lab, SERVICE, &ADDRESSES)?;
    let unlabelled = ["service", "unlabelled"];
    objects::told(
        lab,
        &unlabelled,
        "cilium.io/IPAMRequestSatisfied",
        "no_pool",
        "ippool=l2announced",
    )?;
    let shown = walk.kubectl(&["get", "service", "unlabelled"])?;
    ensure!(shown.contains("<pending>"), "it has an address: {shown}");
    Ok(())
}

const GATEWAY: &str = "10.0.10.1";

/// Step 2: a label on the Gateway, and the service made for it is served.
pub fn through_gateway(walk: &Walk<'_>) -> Result<()> {
    gateway::install(walk.lab, SOON, || walk.apply("j1/gateway.yaml"))?;
    gateway::generate(walk.lab)?;
    let slice = typed::endpoints(
        "lab-gateway-central",
        &[("http", 8080)],
        "10.0.1.100",
        CONTROL_PLANE,
    );
    walk.lab
        .apply(&slice.replace("namespace: default", "namespace: kube-system"))?;
    objects::has(walk.lab, gateway::GENERATED, &[GATEWAY])?;
    typed::page(walk, &format!("http://{GATEWAY}/"), SERVICE)
}

/// Step 3: the client's tools show the holder's MAC address; who the holder is.
pub fn answered(walk: &Walk<'_>) -> Result<String> {
    let capture = Capture::start(walk.lab, "arp or icmp6")?;
    let holder = typed::holder(walk, SERVICE)?;
    ensure!(
        ["node-1", "node-2"].contains(&holder.as_str()),
        "{holder} is in no data centre of the policy"
    );
    let mac = walk.lab.mac(&holder, LAN)?;
    asked(walk, &mac)?;
    for (address, url) in ADDRESSES.into_iter().zip(URLS) {
        typed::page(walk, url, SERVICE)?;
        let known = typed::neighbour(walk, address)?;
        ensure!(
            known == mac,
            "{address} is believed to be at {known}, not at {mac}"
        );
    }
    eventually("tcpdump to show both families' answers", SOON, || {
        let frames = capture.frames();
        let from = || frames.iter().filter(|frame| frame.from == mac);
        ensure!(from().any(|frame| frame.answers(ADDRESSES[0])), "no ARP reply");
        let advertised = |line: &str| line.contains("neighbor advertisement") && line.contains("2004::");
        ensure!(from().any(|frame| advertised(&frame.line)), "no advertisement");
        Ok(())
    })?;
    Ok(holder)
}

/// Both addresses are answered by `mac`, as arping and ndisc6 see it.
fn asked(walk: &Walk<'_>, mac: &str) -> Result<()> {
    typed::answered_by(walk, LAN, ADDRESSES[0], mac)?;
    eventually(&format!("ndisc6 to find {mac}"), SOON, || {
        let argv = ["ndisc6", "--single", "--retry", "1", ADDRESSES[1], LAN];
        let found = walk.try_on(JUMPBOX, &argv)?;
        let seen = found.stdout.to_lowercase();
        ensure!(seen.contains(mac), "ndisc6 printed {seen}{}", found.stderr);
        Ok(())
    })
}

/// Step 4: the holder loses its power; nobody flushes anything.
pub fn survives(walk: &Walk<'_>, first: &str) -> Result<()> {
    walk.lab.crash(first)?;
    let second = eventually("another holder", SOON, || {
        let holder = typed::holder(walk, SERVICE)?;
        ensure!(holder != first, "{first} still holds");
        Ok(holder)
    })?;
    let mac = walk.lab.mac(&second, LAN)?;
    // Nothing was sent to the addresses meanwhile: the new holder's announcements alone change what the client knows.
    eventually("the client's neighbour table to follow by itself", SOON, || {
        for address in ADDRESSES {
            let known = typed::neighbour(walk, address)?;
            ensure!(
                known == mac,
                "{address} is believed to be at {known}, not at {mac}"
            );
        }
        Ok(())
    })?;
    for url in URLS {
        typed::page(walk, url, SERVICE)?;
    }
    asked(walk, &mac)
}
