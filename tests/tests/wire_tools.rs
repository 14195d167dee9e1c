//! What others make of the frames that nodes send: arping, ndisc6, tcpdump, and the Linux kernel as a client and as a second owner of
//! an address.

use std::{
    net::{IpAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{
    client::{
        arping::{Answers, arping},
        capture::Tape,
        packets::{inside, join},
    },
    eventually,
    lab::{
        host::{FABRIC, Host, JUMPBOX},
        network::LAN,
    },
    scene::{PATIENCE, Plan, Scene},
};

/// The bridge that nodes and client share.
const BRIDGE: &str = "lan";
/// What nodes send of their own: neighbour discovery and echoes. The kernel's complaints quote what clients sent, checksums unfinished.
const FRAMES: &str = "arp or icmp[icmptype] = icmp-echo or icmp[icmptype] = icmp-echoreply \
    or (icmp6 and ip6[40] >= 128 and ip6[40] != 137)";

#[test]
fn nobody_finds_fault_with_what_nodes_send() -> Result<()> {
    let plan = Plan {
        workers: 2,
        ..Plan::default()
    };
    let scene = Scene::up("wire-tools", plan)?;
    let old = scene.ready()?;
    let tape = Tape::start(&scene, &scene.host(FABRIC)?, BRIDGE, FRAMES)?;
    let (v4, v6) = addresses(&scene)?;
    asked_by_tools(&scene, &old, &v4, &v6)?;
    kept_reachable(&scene, &old, &v4)?;
    kept_reachable(&scene, &old, &v6)?;
    duplicate_is_found(&scene, &v6)?;

    let new = scene.another(&[&old])?;
    scene.drain(&old)?;
    scene.every_binding("to name the other node", |binding| binding.holder == new)?;
    asked_by_tools(&scene, &new, &v4, &v6)?;

    let decoded = tape.decode()?;
    let faulty = decoded.faulty();
    ensure!(faulty.is_empty(), "tcpdump finds fault with {faulty:#?}");
    let (reply, mac) = (format!("Reply {v4} is-at"), scene.host(&new)?.lan_mac());
    let claim = format!("tell {v4},");
    let told = format!("tgt is {v6},");
    for (what, words) in [
        ("answers to ARP requests", vec![reply.as_str()]),
        (
            "gratuitous ARP",
            vec![mac.as_str(), "> ff:ff:ff:ff:ff:ff", &claim],
        ),
        (
            "solicited advertisements",
            vec!["neighbor advertisement", &told, "solicited, override"],
        ),
        (
            "unsolicited advertisements",
            vec!["neighbor advertisement", &told, "> ff02::1:", "Flags [override]"],
        ),
        ("answers to pings over IPv4", vec!["ICMP echo reply", &v4]),
        ("answers to pings over IPv6", vec!["ICMP6, echo reply", &v6]),
        ("probes of the wire watch", vec!["who-has", &v4, "tell 0.0.0.0"]),
    ] {
        ensure!(
            decoded.count(&words) > 0,
            "no {what} on the tape: none with {words:?}"
        );
    }
    scene.down()
}

fn addresses(scene: &Scene) -> Result<(String, String)> {
    let of = |v6: bool| scene.addresses().iter().find(|address| address.is_ipv6() == v6);
    let (v4, v6) = of(false)
        .zip(of(true))
        .context("an address of each family is wanted")?;
    Ok((v4.to_string(), v6.to_string()))
}

/// arping, ndisc6 and ping get an answer to every question they know to ask, from the holder alone.
fn asked_by_tools(scene: &Scene, holder: &str, v4: &str, v6: &str) -> Result<()> {
    let mac = scene.host(holder)?.lan_mac();
    eventually("answers of the holder alone", PATIENCE, || {
        let answers = arping(scene, v4, 3)?;
        ensure!(
            answers.macs == [mac.clone()] && answers.lost() == 0,
            "arping counted {answers:?}"
        );
        Ok(())
    })?;
    // From 0.0.0.0, as a host that looks for a duplicate; and to the holder's station, as a kernel that refreshes.
    for more in [&["-0"][..], &["-t", &mac]] {
        let command = [&["arping", "-i", LAN, "-W", "0.1", "-c", "3"], more, &[v4]].concat();
        let answers = Answers::parse(&scene.try_exec(JUMPBOX, &command)?.stdout)?;
        ensure!(
            answers.macs == [mac.clone()] && answers.received == 3,
            "{} counted {answers:?}",
            command.join(" ")
        );
    }
    let found = scene.try_exec(
        JUMPBOX,
        &["ndisc6", "-q", "-n", "-m", "-r", "3", "-w", "500", v6, LAN],
    )?;
    let stations: Vec<_> = found.stdout.split_whitespace().map(str::to_lowercase).collect();
    ensure!(
        !stations.is_empty() && stations.iter().all(|station| *station == mac),
        "ndisc6 found {stations:?}, not {mac}"
    );
    for address in [v4, v6] {
        let pinged = scene.try_exec(
            JUMPBOX,
            &["ping", "-n", "-c", "3", "-i", "0.1", "-W", "1", address],
        )?;
        ensure!(
            pinged.stdout.contains(" 3 received"),
            "ping says {}{}",
            pinged.stdout,
            pinged.stderr
        );
    }
    Ok(())
}

/// A client's kernel that uses the address all the time confirms it again and again by asking the holder alone, and never loses it.
fn kept_reachable(scene: &Scene, holder: &str, address: &str) -> Result<()> {
    let family = if address.contains(':') { "ipv6" } else { "ipv4" };
    for (setting, value) in [("base_reachable_time_ms", "400"), ("delay_first_probe_time", "1")] {
        let set = format!("echo {value} > /proc/sys/net/{family}/neigh/{LAN}/{setting}");
        scene.exec(JUMPBOX, &["sh", "-c", &set])?;
    }
    scene.exec(JUMPBOX, &["ip", "neigh", "flush", "to", address, "dev", LAN])?;
    let to: IpAddr = address.parse()?;
    let until = Instant::now() + Duration::from_secs(8);
    let user = inside(scene, &Host::jumpbox(), move || {
        let any = if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(any).context("failed to bind a socket")?;
        while Instant::now() < until {
            // Whether anybody listens there makes no difference to who is asked for the station.
            let _ = socket.send_to(b"anybody there", (to, 9));
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    })?;
    let mac = scene.host(holder)?.lan_mac();
    let state = || -> Result<String> {
        scene.exec(JUMPBOX, &["ip", "-o", "neigh", "show", "to", address, "dev", LAN])
    };
    eventually("the first answer", Duration::from_secs(3), || {
        ensure!(state()?.contains("REACHABLE"), "it is {}", state()?);
        Ok(())
    })?;
    // From now on the client knows the station, and must never have to ask everybody again.
    let tape = Tape::start(scene, &scene.host(FABRIC)?, BRIDGE, FRAMES)?;
    let (mut confirmed, mut was_reachable) = (0, true);
    while Instant::now() < until {
        let now = state()?;
        ensure!(
            now.contains(&mac),
            "the client's kernel has lost {address}: {now}"
        );
        let is_reachable = now.contains("REACHABLE");
        confirmed += u32::from(is_reachable && !was_reachable);
        was_reachable = is_reachable;
    }
    join(user)?;
    ensure!(confirmed >= 2, "{address} was confirmed {confirmed} times only");
    let (client, decoded) = (Host::jumpbox().lan_mac(), tape.decode()?);
    let asked = if to.is_ipv6() {
        format!("who has {address}")
    } else {
        format!("who-has {address} ")
    };
    let to_holder = decoded.count(&[&format!("{client} > {mac}"), &asked]);
    let all = decoded.count(&[&format!("{client} > "), &asked]);
    ensure!(
        all == to_holder && to_holder >= 2,
        "of {all} questions of the client's kernel for {address}, {to_holder} went to the holder alone"
    );
    Ok(())
}

/// Another kernel that takes the address for its own finds that it is taken, and does not use it; one that nobody has is its own.
fn duplicate_is_found(scene: &Scene, v6: &str) -> Result<()> {
    let detect = format!("cd /proc/sys/net/ipv6/conf/{LAN}; echo 1 > accept_dad; echo 1 > dad_transmits");
    scene.exec(JUMPBOX, &["sh", "-c", &detect])?;
    for (address, outcome) in [(v6, "dadfailed"), ("2004::5:77", "")] {
        let with_prefix = format!("{address}/128");
        scene.exec(JUMPBOX, &["ip", "-6", "addr", "add", &with_prefix, "dev", LAN])?;
        eventually(
            "the end of duplicate address detection",
            Duration::from_secs(10),
            || {
                let shown = scene.exec(
                    JUMPBOX,
                    &["ip", "-6", "-o", "addr", "show", "to", &with_prefix, "dev", LAN],
                )?;
                let settled = shown.contains("dadfailed") || !shown.contains("tentative");
                ensure!(settled && !shown.is_empty(), "it is {shown}");
                ensure!(
                    shown.contains("dadfailed") != outcome.is_empty(),
                    "{address} ends as {shown}"
                );
                Ok(())
            },
        )?;
        scene.exec(JUMPBOX, &["ip", "-6", "addr", "del", &with_prefix, "dev", LAN])?;
    }
    Ok(())
}
