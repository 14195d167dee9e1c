//! Faults that leave no trace in a link's state: a switch that forwards no more, nodes deaf to each other, a machine that
//! stands still, connections that are dead without a word.

use anyhow::{Context as _, Result, ensure};

use super::{
    Lab,
    host::Host,
    network::{self, LAN, MANAGEMENT, Port},
};
use crate::process::{self, Process};

/// The table that swallows packets of connections.
const TABLE: &str = "lightship-lab-silence";

impl Lab {
    /// The switch stops or goes on forwarding for a host's interface, whose carrier stays: an uplink cut further away.
    pub fn uplink(&self, host: &str, interface: &str, up: bool) -> Result<()> {
        let state = if up { Port::Forwarding } else { Port::Blocked };
        network::set_port(&self.folder, &self.fabric, &self.host(host)?, interface, state)
    }

    /// Makes the two nodes deaf to each other on the LAN, while both hear everybody else and are heard. No third may
    /// be in this state at the same time: all in it are deaf to each other.
    pub fn deafen(&self, nodes: [&str; 2]) -> Result<()> {
        nodes
            .iter()
            .try_for_each(|node| self.set_lan_port(node, Port::Isolated))
    }

    /// They hear each other again.
    pub fn undeafen(&self, nodes: [&str; 2]) -> Result<()> {
        nodes
            .iter()
            .try_for_each(|node| self.set_lan_port(node, Port::Joined))
    }

    fn set_lan_port(&self, node: &str, state: Port) -> Result<()> {
        network::set_port(&self.folder, &self.fabric, &self.host(node)?, LAN, state)
    }

    /// Stops a whole machine: no process of it runs, no frame passes. A real one's kernel would stand still with its clock and
    /// go on with the frames it had in its queues; here the clock goes on, so a pause beyond the liveness gate
    /// closes it, and what was sent meanwhile is lost.
    pub fn pause(&self, node: &str) -> Result<()> {
        for process in self.processes_of(node)? {
            process.signal("STOP")?;
        }
        self.uplink(node, LAN, false)?;
        self.uplink(node, MANAGEMENT, false)
    }

    /// Lets it go on: its kernel first, as an interrupt would be served before any process.
    pub fn resume(&self, node: &str) -> Result<()> {
        self.uplink(node, LAN, true)?;
        self.uplink(node, MANAGEMENT, true)?;
        for process in self.processes_of(node)? {
            process.signal("CONT")?;
        }
        Ok(())
    }

    fn processes_of(&self, node: &str) -> Result<Vec<Process>> {
        let node = self.host(node)?;
        ensure!(
            node.is_node(),
            "failed to stop {}; only nodes can stand still",
            node.name()
        );
        let holder = node
            .holder(&self.folder)
            .context("failed to stop a node that is down")?;
        let network = holder.network();
        let mut all = process::members(
            self.folder.path(),
            &network.clone().into_iter().collect::<Vec<_>>(),
        );
        all.retain(|process| process.network() == network);
        Ok(all)
    }

    /// Every connection that the API server has with the given hosts is dead from now on, without a word to either end, as when
    /// the machine dies that hosted its other end; new ones work.
    pub fn silence_connections(&self, hosts: &[&str]) -> Result<()> {
        let fabric = |argv: &[&str]| self.fabric.tool(&self.folder, argv);
        let wanted: Vec<String> = hosts
            .iter()
            .map(|host| Ok(network::management_address(self.slot, self.host(host)?.number())))
            .collect::<Result<_>>()?;
        let listed = fabric(&["ss", "-H", "-n", "-t", "state", "established"])?.run()?;
        let mut pairs: Vec<String> = Vec::new();
        for line in listed.lines() {
            for end in line.split_whitespace() {
                let end = end.replace("[::ffff:", "").replace(']', "");
                if let Some((address, port)) = end.rsplit_once(':')
                    && port != "6443"
                    && wanted.iter().any(|wanted| wanted == address)
                {
                    pairs.push(format!("{address} . {port}"));
                }
            }
        }
        pairs.sort();
        pairs.dedup();
        ensure!(
            !pairs.is_empty(),
            "failed to find connections of {hosts:?} with the API server: {listed}"
        );
        let pairs = pairs.join(", ");
        let rules = format!(
            "add table ip {TABLE}\ndelete table ip {TABLE}\ntable ip {TABLE} {{\n\
             chain in {{ type filter hook input priority -300; ip saddr . tcp sport {{ {pairs} }} drop; }}\n\
             chain out {{ type filter hook output priority -300; ip daddr . tcp dport {{ {pairs} }} drop; }}\n}}\n"
        );
        fabric(&["nft", "-f", "-"])?.input(rules).run().map(drop)
    }

    /// Drains a node, as `lightship drain` does.
    pub fn drain(&self, node: &str) -> Result<()> {
        let annotation = format!("{}=true", lightship_crd::annotation::DRAIN);
        self.kubectl(&["annotate", "--overwrite", "node", node, &annotation])
            .map(drop)
    }

    /// Takes the drain back.
    pub fn undrain(&self, node: &str) -> Result<()> {
        let annotation = format!("{}-", lightship_crd::annotation::DRAIN);
        self.kubectl(&["annotate", "node", node, &annotation]).map(drop)
    }

    /// Marks a node as unschedulable, or schedulable again.
    pub fn cordon(&self, node: &str, cordoned: bool) -> Result<()> {
        self.kubectl(&[if cordoned { "cordon" } else { "uncordon" }, node])
            .map(drop)
    }

    /// Starts an agent or an operator, by the name of its unit, again from another program: an upgrade, or the way back.
    pub fn upgrade(&self, unit: &str, program: &std::path::Path) -> Result<()> {
        let mut unit = super::unit::Unit::find(&self.folder, unit)?;
        let part = unit
            .argv
            .iter()
            .position(|word| word == "agent" || word == "operator");
        let before = part.and_then(|part| unit.argv.get_mut(part.checked_sub(1)?));
        *before.context("failed to find out what to upgrade: it runs no part of Lightship")? =
            program.to_string_lossy().into_owned();
        unit.act(&self.folder, super::unit::Action::Stop)?;
        unit.act(&self.folder, super::unit::Action::Start)
    }

    /// Every host by its card's address on the LAN, for telling frames apart.
    #[must_use]
    pub fn name_of(&self, mac: lightship_abi::mac::MacAddress) -> String {
        let hosts = Host::nodes(self.nodes);
        let found = hosts.iter().find(|host| host.lan_card() == mac);
        found.map_or_else(|| mac.to_string(), |host| host.name().to_owned())
    }
}
