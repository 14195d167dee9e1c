//! J2: a homelab coming from MetalLB, on its one node. The import (J2.3) has a test of its own.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context as _, Result, ensure};

use super::{
    Walk,
    typed::{self, SOON},
};
use crate::{
    Options,
    backend::Protocol,
    client, eventually,
    lab::{
        audit::Request,
        host::{CONTROL_PLANE, JUMPBOX},
        network::LAN,
    },
    objects,
};

/// How the machine calls its card.
const CARD: &str = "enp0s25";
/// The address that all of pi-hole's services share.
const SHARED: &str = "192.168.1.153";
/// As many services as the guide's author has.
const SERVICES: usize = 60;

/// One node, which is the control plane too; what is asked of the API server is written down.
#[must_use]
pub fn one_node() -> Options {
    Options {
        nodes: 0,
        audited: true,
        ..Options::default()
    }
}

/// The network at home: the card's name, and the addresses there.
pub fn at_home(walk: &Walk<'_>) -> Result<()> {
    walk.on(CONTROL_PLANE, &["ip", "link", "set", LAN, "name", CARD])?;
    walk.on(
        CONTROL_PLANE,
        &["ip", "addr", "add", "192.168.1.100/24", "dev", CARD],
    )?;
    walk.on(JUMPBOX, &["ip", "addr", "add", "192.168.1.200/24", "dev", LAN])?;
    // kubeadm's taint goes, as every guide for one node says; its label stays.
    walk.kubectl(&[
        "taint",
        "node",
        CONTROL_PLANE,
        "node-role.kubernetes.io/control-plane-",
    ])?;
    Ok(())
}

/// Step 1: pool and policy as the guide writes them; then a policy that names no interface.
pub fn announced(walk: &Walk<'_>) -> Result<()> {
    at_home(walk)?;
    walk.apply("j2/pool.yaml")?;
    walk.apply("j2/policy.yaml")?;
    walk.kubectl(&["create", "service", "loadbalancer", "first", "--tcp=80"])?;
    objects::has(walk.lab, "first", &["192.168.1.128"])?;
    let mac = walk.lab.mac(CONTROL_PLANE, LAN)?;
    typed::answered_by(walk, LAN, "192.168.1.128", &mac)?;
    let unnamed = r#"[{"op": "remove", "path": "/spec/interfaces"}]"#;
    let patch = [
        "patch",
        "l2announcement",
        "home-policy",
        "--type=json",
        "-p",
        unnamed,
    ];
    walk.kubectl(&patch)?;
    walk.kubectl(&["create", "service", "loadbalancer", "second", "--tcp=80"])?;
    objects::has(walk.lab, "second", &["192.168.1.129"])?;
    for address in ["192.168.1.128", "192.168.1.129"] {
        typed::answered_by(walk, LAN, address, &mac)?;
    }
    ensure!(
        typed::holder(walk, "second")? == CONTROL_PLANE,
        "somebody else holds"
    );
    Ok(())
}

/// Step 2: the address that `MetalLB` gave, requested and shared; what clashes waits and says why.
pub fn shared(walk: &Walk<'_>) -> Result<()> {
    walk.apply("j2/services.yaml")?;
    for service in ["pihole-dns-tcp", "pihole-dns-udp", "pihole-web"] {
        objects::has(walk.lab, service, &[SHARED])?;
    }
    typed::answered_by(walk, LAN, SHARED, &walk.lab.mac(CONTROL_PLANE, LAN)?)?;
    served(walk)?;
    let asking =
        format!(", annotations: {{lbipam.cilium.io/ips: {SHARED}, lbipam.cilium.io/sharing-key: pi-hole}}");
    // It wants port 80, which pi-hole's web page has.
    walk.lab.apply(&objects::service("clash", &asking, ""))?;
    let why = "pihole-web has it, and it cannot be shared: both use port 80/TCP";
    objects::says(walk.lab, "clash", "already_allocated_incompatible_service", why)?;
    walk.lab
        .apply(&objects::service("old", "", ", loadBalancerIP: 192.168.1.160"))?;
    objects::has(walk.lab, "old", &["192.168.1.160"])
}

/// The web page and DNS, over TCP and over UDP, come through the one address.
fn served(walk: &Walk<'_>) -> Result<()> {
    for (service, name, port) in [("pihole-web", "http", 80), ("pihole-dns-tcp", "dns", 53)] {
        walk.lab.start_backend(CONTROL_PLANE, service, &[port])?;
        walk.lab.apply(&typed::endpoints(
            service,
            &[(name, port)],
            "192.168.1.100",
            CONTROL_PLANE,
        ))?;
        typed::page(walk, &format!("http://{SHARED}:{port}/"), service)?;
    }
    served_by_udp(walk)
}

/// A datagram to the port that TCP has too.
fn served_by_udp(walk: &Walk<'_>) -> Result<()> {
    const SERVICE: &str = "pihole-dns-udp";
    walk.lab
        .start_backend_of(Protocol::Udp, CONTROL_PLANE, SERVICE, &[53])?;
    let slice = typed::endpoints(SERVICE, &[("dns", 53)], "192.168.1.100", CONTROL_PLANE);
    walk.lab
        .apply(&slice.replace("port: 53", "protocol: UDP, port: 53"))?;
    let address: Ipv4Addr = SHARED.parse().context("failed to read the shared address")?;
    eventually("an answer over UDP", SOON, || {
        let answer = client::datagram(walk.lab, SocketAddrV4::new(address, 53))?;
        ensure!(answer.contains(SERVICE), "{SHARED} answered {answer}");
        Ok(())
    })
}

/// Step 4: sixty services under default settings; nothing is throttled, nothing fails, and nothing is renewed for them.
pub fn sixty(walk: &Walk<'_>) -> Result<()> {
    let names = (0..SERVICES).map(|number| objects::service(&format!("many-{number}"), "", ""));
    walk.lab.apply(&names.collect::<String>())?;
    eventually("a lease for each of them", SOON, || {
        let leases = walk.lab.get(&["leases", "-n", "kube-system"])?;
        let held = leases["items"].as_array().into_iter().flatten().filter(|lease| {
            let name = lease["metadata"]["name"].as_str().unwrap_or_default();
            name.contains("-many-") && lease["spec"]["holderIdentity"] == CONTROL_PLANE
        });
        let held = held.count();
        ensure!(held == SERVICES, "{held} are held");
        Ok(())
    })?;
    for number in [0, SERVICES - 1] {
        let address = objects::ingress(walk.lab, &format!("many-{number}"))?.pop();
        let mac = walk.lab.mac(CONTROL_PLANE, LAN)?;
        typed::answered_by(walk, LAN, &address.unwrap_or_default(), &mac)?;
    }
    at_rest(walk)?;
    let failed: Vec<Request> = walk.lab.requests()?.into_iter().filter(refused).collect();
    ensure!(failed.is_empty(), "these failed: {failed:?}");
    Ok(())
}

/// A Gateway API that is not installed, and an object that is looked for before it is made, are answered by 404.
fn refused(request: &Request) -> bool {
    request.code >= 400 && request.code != 404
}

/// Through four renewals of the heartbeat, no other lease is written than it and the leader's.
fn at_rest(walk: &Walk<'_>) -> Result<()> {
    const HEARTBEAT: &str = "lightship-agent-control-plane";
    const READING: [&str; 3] = ["get", "list", "watch"];
    let written = || -> Result<Vec<Request>> {
        let all = walk.lab.requests()?.into_iter();
        Ok(all
            .filter(|one| !READING.contains(&one.verb.as_str()) && one.resource != "events")
            .collect())
    };
    let mut before = written()?.len();
    eventually("four renewals with no other write", SOON, || {
        let all = written()?;
        let since = &all[before..];
        let others = since
            .iter()
            .filter(|one| !["lightship-operator", HEARTBEAT].contains(&one.name.as_str()));
        let others: Vec<_> = others.cloned().collect();
        if !others.is_empty() {
            // Something of the sixty was still on its way.
            before = all.len();
        }
        let renewals = since.iter().filter(|one| one.name == HEARTBEAT).count();
        ensure!(
            others.is_empty() && renewals >= 4,
            "{renewals} renewals, and {others:?}"
        );
        Ok(())
    })
}
