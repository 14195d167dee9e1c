//! Bridges, links and addresses.
//!
//! All bridges are in the fabric, a namespace of the lab's own: `lan`, the segment that nodes and client share
//! (10.0.0.0/16 and `2004::/64`), `mgmt`, over which nodes reach the API server, and those of further segments. The only thing in the machine's own namespace is
//! one end of a link to `mgmt`, so that kubectl works from there. Labs that run side by side differ in this
//! link's name and in the management network: lab number S has link `lightshipS` and 172.31.(255-S).0/24.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use lightship_abi::mac::MacAddress;

use super::{
    folder::Folder,
    host::Host,
    segment::{Cable, MANAGEMENT_SEGMENT, Segment},
};
use crate::{command::Tool, eventually};

/// As many labs can run at once.
const SLOTS: u8 = 64;

/// The two networks of a node, by its interface's name.
pub const LAN: &str = "eth0";
/// The interface on the management bridge.
pub const MANAGEMENT: &str = "eth1";

/// MAC addresses follow from the host's number: a node that was crashed and revived is the same machine, and traces
/// are easy to read.
pub(super) fn mac(segment: u32, number: u32) -> String {
    card(segment, number).to_string()
}

/// The same, as frames carry it.
pub(super) fn card(segment: u32, number: u32) -> MacAddress {
    let last = |number: u32| number.to_be_bytes()[3];
    MacAddress([2, 0, 0, 0, last(segment), last(number)])
}

fn uplink(slot: u8) -> String {
    format!("lightship{slot}")
}

/// The links that this lab has in the machine's own namespace; they say whose they are.
pub(super) fn uplinks(folder: &Folder) -> Vec<String> {
    let links = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let ours = links.filter(|link| {
        let alias = fs::read_to_string(link.path().join("ifalias")).unwrap_or_default();
        Path::new(alias.trim()) == folder.path()
    });
    ours.map(|link| link.file_name().to_string_lossy().into_owned())
        .collect()
}

/// An address on the lab's management network.
#[must_use]
pub fn management_address(slot: u8, number: u32) -> String {
    format!("172.31.{}.{number}", 255 - u32::from(slot))
}

/// The address of the machine itself there.
#[must_use]
pub(super) fn machine_address(slot: u8) -> String {
    management_address(slot, 253)
}

/// Makes the bridges, and claims a slot by making its link: the kernel refuses a second one of the same name.
pub(super) fn build_fabric(folder: &Folder, fabric: &Host, segments: &[Segment]) -> Result<u8> {
    let pid = fabric.holder(folder).map_or(0, |holder| holder.pid).to_string();
    let mut refused = String::new();
    for slot in 0..SLOTS {
        let link = uplink(slot);
        let made = Tool::new([
            "ip", "link", "add", &link, "type", "veth", "peer", "name", "host", "netns", &pid,
        ])
        .attempt()?;
        if !made.succeeded() {
            refused = made.stderr;
            continue;
        }
        let address = machine_address(slot);
        let alias = folder.path().display();
        batch(
            None,
            &format!("link set {link} alias {alias}\naddr add {address}/24 dev {link}\nlink set {link} up\n"),
        )?;
        let api = management_address(slot, fabric.number());
        // The bridge's own address is fixed: left alone it would follow its ports', under the eyes of its neighbours.
        let own = mac(MANAGEMENT_SEGMENT, fabric.number());
        let bridges = format!(
            "link add lan type bridge\nlink set lan up\n\
             link add mgmt address {own} type bridge\naddr add {api}/24 dev mgmt\nlink set mgmt up\n\
             link set host master mgmt up\n"
        );
        let further = segments.iter().map(|segment| {
            let bridge = &segment.bridge;
            format!("link add {bridge} type bridge\nlink set {bridge} up\n")
        });
        batch(Some((folder, fabric)), &(bridges + &further.collect::<String>()))?;
        return Ok(slot);
    }
    bail!(
        "failed to find a free link name for the lab, lightship0 to lightship{}: {refused}",
        SLOTS - 1
    )
}

/// Plugs all cables of a host in.
pub(super) fn plug_in(
    folder: &Folder,
    fabric: &Host,
    host: &Host,
    slot: u8,
    segments: &[Segment],
) -> Result<()> {
    let pid = host.holder(folder).map_or(0, |holder| holder.pid);
    let cables = Cable::all(host, segments);
    let ports = cables.iter().map(|cable| {
        let (interface, bridge) = (&cable.interface, &cable.bridge);
        let (port, mac) = (port(host, interface), cable.card(host));
        format!(
            "link add {port} type veth peer name {interface} address {mac} netns {pid}\n\
             link set {port} master {bridge} up\n"
        )
    });
    let ports: String = ports.collect();
    let addressed = cables.iter().map(|cable| cable.addressed(host, slot));
    // What tells a node's uplink from a pod's cable, both being veths here. Nothing is behind the jumpbox.
    let own = cables
        .iter()
        .find(|cable| host.is_node() && cable.interface == LAN);
    let route = own.map(|own| {
        let gateway = own.address(&Host::jumpbox());
        format!("route add default via {gateway} dev {LAN}\n")
    });
    let inside: String = addressed.chain(route).collect();
    batch(Some((folder, fabric)), &ports)?;
    batch(Some((folder, host)), &inside)
}

/// Pulls all plugs of a host at once.
pub(super) fn unplug(folder: &Folder, fabric: &Host, host: &Host, segments: &[Segment]) -> Result<()> {
    let cables = Cable::all(host, segments).into_iter();
    let lines = cables.map(|cable| format!("link set {} down\n", port(host, &cable.interface)));
    batch(Some((folder, fabric)), &lines.collect::<String>())
}

/// Takes the ports of a host away that was unplugged; slower than unplugging it.
pub(super) fn remove_ports(folder: &Folder, fabric: &Host, host: &Host, segments: &[Segment]) -> Result<()> {
    for cable in Cable::all(host, segments) {
        let port = port(host, &cable.interface);
        // The kernel may have been quicker, once the last process of the host was gone.
        fabric.tool(folder, &["ip", "link", "del", &port])?.attempt()?;
    }
    Ok(())
}

/// Cuts or mends the cable of one interface: the far end goes down or up, so the near end sees its carrier go and come.
pub(super) fn set_carrier(
    folder: &Folder,
    fabric: &Host,
    host: &Host,
    interface: &str,
    up: bool,
) -> Result<()> {
    let state = if up { "up" } else { "down" };
    batch(
        Some((folder, fabric)),
        &format!("link set {} {state}\n", port(host, interface)),
    )
}

/// What a switch does to frames of one of its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// Nothing passes, and nobody's carrier tells.
    Blocked,
    /// Everything passes.
    Forwarding,
    /// Nothing passes to and from other isolated ports.
    Isolated,
    /// Everything passes again.
    Joined,
}

/// Has a switch treat the port of one interface so. The kernel's own opinion of a port, which follows its carrier a moment
/// late, may overrule the first attempt.
pub(super) fn set_port(
    folder: &Folder,
    fabric: &Host,
    host: &Host,
    interface: &str,
    state: Port,
) -> Result<()> {
    let port = port(host, interface);
    let (attribute, value, file, shown) = match state {
        // The bridge itself has every other state but this one forward again.
        Port::Blocked => ("state", "0", "state", "0"),
        Port::Forwarding => ("state", "3", "state", "3"),
        Port::Isolated => ("isolated", "on", "isolated", "1"),
        Port::Joined => ("isolated", "off", "isolated", "0"),
    };
    let order = fabric.tool(folder, &["bridge", "link", "set", "dev", &port, attribute, value])?;
    let look = fabric.tool(folder, &["cat", &format!("/sys/class/net/{port}/brport/{file}")])?;
    eventually(&format!("{port} to be {state:?}"), Duration::from_secs(5), || {
        order.run()?;
        let now = look.run()?;
        ensure!(now.trim() == shown, "{file} is {}", now.trim());
        Ok(())
    })
    .with_context(|| format!("failed to set the switch port of {}", host.name()))
}

/// The bridge port at the far end of an interface; names of interfaces have at most 15 characters.
fn port(host: &Host, interface: &str) -> String {
    format!("{}-{interface}", host.name().replace("control-plane", "control"))
}

fn batch(host: Option<(&Folder, &Host)>, lines: &str) -> Result<()> {
    let argv = ["ip", "-batch", "-"];
    let tool = match host {
        Some((folder, host)) => host.tool(folder, &argv)?,
        None => Tool::new(argv),
    };
    tool.input(lines).run().map(drop)
}
