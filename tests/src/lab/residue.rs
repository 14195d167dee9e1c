//! What a lab has left on the machine: processes, links and files. Namespaces and mounts live and die with their processes.

use anyhow::{Result, ensure};

use super::{faults::VANISH, folder::Folder, host::Host, network};
use crate::{command::Tool, eventually, process};

/// Everything found of a lab, one line each; empty when it has left nothing.
pub fn residue(folder: &Folder, slot: Option<u8>) -> Vec<String> {
    let mut found: Vec<String> = process::members(folder.path(), &networks(folder))
        .iter()
        .map(|process| format!("process {} ({}) with its namespaces", process.pid, process.name()))
        .collect();
    if let Some(link) = slot.map(network::uplink)
        && Tool::new(["ip", "link", "show", "dev", &link])
            .attempt()
            .is_ok_and(|shown| shown.succeeded())
    {
        found.push(format!("link {link}"));
    }
    if folder.path().exists() {
        found.push(format!("folder {}", folder.path().display()));
    }
    found
}

/// Takes a lab away, in whatever state it is, and checks that nothing is left.
pub(super) fn remove(folder: &Folder) -> Result<()> {
    let slot = folder.record().and_then(|record| record.slot);
    eventually("the end of all processes", VANISH, || {
        // Again until none is found: a process may have started another meanwhile.
        let members = process::members(folder.path(), &networks(folder));
        for member in &members {
            member.signal("KILL")?;
        }
        ensure!(members.is_empty(), "{} still run", members.len());
        Ok(())
    })?;
    if let Some(link) = slot.map(network::uplink) {
        // Its far end went with the fabric, and it with its far end, but the kernel takes its time.
        Tool::new(["ip", "link", "del", &link]).attempt()?;
    }
    folder.remove()?;
    eventually("a machine without the lab", VANISH, || {
        let left = residue(folder, slot);
        ensure!(left.is_empty(), "{}", left.join(", "));
        Ok(())
    })
}

/// The network namespaces of the hosts that are up.
fn networks(folder: &Folder) -> Vec<String> {
    folder
        .entries("hosts")
        .iter()
        .filter_map(|name| {
            Host::named(name, super::host::MOST_NODES)
                .ok()?
                .holder(folder)?
                .network()
        })
        .collect()
}
