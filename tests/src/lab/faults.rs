//! Breaking the lab and mending it.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, ensure};

use super::{
    Lab,
    host::Host,
    network, segment,
    unit::{Action, Unit},
};
use crate::process;

impl Lab {
    /// Pulls a node's power: no process of it gets to say goodbye, its links go, and its namespaces with its pins.
    /// Nothing happens when it is off already. Returns when it had no power any more.
    pub fn crash(&self, node: &str) -> Result<SystemTime> {
        let node = self.node(node)?;
        let Some(holder) = node.holder(&self.folder) else {
            return Ok(SystemTime::now());
        };
        let network = holder.network().unwrap_or_default();
        // Frozen first, so that no process sees its link go; then the plugs, because a machine without power answers
        // nothing, not even from its kernel; then the rest.
        let members: Vec<_> = process::members(self.folder.path(), std::slice::from_ref(&network))
            .into_iter()
            .filter(|process| process.network().as_ref() == Some(&network))
            .collect();
        for process in &members {
            process.signal("STOP")?;
        }
        network::unplug(&self.folder, &self.fabric, &node, &self.segments)?;
        let off = SystemTime::now();
        for process in &members {
            process.kill()?;
        }
        network::remove_ports(&self.folder, &self.fabric, &node, &self.segments)?;
        let entry = self.folder.entry("hosts", node.name());
        fs::remove_file(&entry).with_context(|| format!("failed to remove {}", entry.display()))?;
        Ok(off)
    }

    /// Builds a crashed node again and starts what ran on it, except what had been stopped on purpose.
    pub fn revive(&self, node: &str) -> Result<()> {
        let node = self.node(node)?;
        if node.holder(&self.folder).is_some() {
            return Ok(());
        }
        self.power_on(&node)?;
        for mut unit in Unit::all(&self.folder) {
            if unit.host == node.name() && unit.wanted {
                unit.act(&self.folder, Action::Start)?;
            }
        }
        Ok(())
    }

    /// Cuts or mends the cable of a node's interface.
    pub fn link(&self, host: &str, interface: &str, up: bool) -> Result<()> {
        let host = self.host(host)?;
        ensure!(
            host != self.fabric,
            "failed to cut a cable of the fabric; name a node or the jumpbox"
        );
        segment::card(&host, &self.segments, interface)?;
        network::set_carrier(&self.folder, &self.fabric, &host, interface, up)
    }

    /// Makes a host and plugs it in.
    pub(super) fn power_on(&self, host: &Host) -> Result<()> {
        host.power_on(&self.folder)?;
        network::plug_in(&self.folder, &self.fabric, host, self.slot, &self.segments)
    }

    fn node(&self, name: &str) -> Result<Host> {
        let host = self.host(name)?;
        ensure!(
            host.is_node(),
            "failed to pull the power of {name}; only nodes can crash"
        );
        Ok(host)
    }
}

/// How long a killed process may take to vanish; a machine under load is slow to take apart network namespaces.
pub(super) const VANISH: Duration = Duration::from_secs(20);
