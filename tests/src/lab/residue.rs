//! What a lab has left on the machine: processes, links and files. Namespaces and mounts live and die with their processes.

use anyhow::{Result, ensure};

use super::{faults::VANISH, folder::Folder, host::Host, network};
use crate::{command::Tool, eventually, process};

/// Everything found of a lab, one line each; empty when it has left nothing.
#[must_use]
pub fn residue(folder: &Folder) -> Vec<String> {
    let mut found: Vec<String> = process::members(folder.path(), &networks(folder))
        .iter()
        .map(|process| format!("process {} ({}) with its namespaces", process.pid, process.name()))
        .collect();
    found.extend(network::uplinks(folder).iter().map(|link| format!("link {link}")));
    if folder.path().exists() {
        found.push(format!("folder {}", folder.path().display()));
    }
    found
}

/// Takes a lab away, in whatever state it is, and checks that nothing is left.
pub(super) fn remove(folder: &Folder) -> Result<()> {
    // While its far end is there, for afterwards the kernel removes it by itself and another lab may take its name.
    for link in network::uplinks(folder) {
        Tool::new(["ip", "link", "del", &link]).attempt()?;
    }
    eventually("the end of all processes", VANISH, || {
        // Again until none is found: a process may have started another meanwhile.
        let members = process::members(folder.path(), &networks(folder));
        for member in &members {
            member.signal("KILL")?;
        }
        ensure!(members.is_empty(), "{} still run", members.len());
        Ok(())
    })?;
    folder.remove()?;
    eventually("a machine without the lab", VANISH, || {
        let left = residue(folder);
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
