//! A lab: made by [`Lab::up`], found again by [`Lab::attach`], taken away by [`Lab::down`].
//!
//! All of its state is in its folder, so that separate commands work on one lab, and labs of different names run side by side.

pub mod audit;
pub mod cluster;
pub mod container;
mod control_plane;
mod credentials;
mod cuts;
pub mod daemons;
pub mod faults;
pub mod folder;
pub mod host;
pub mod network;
pub mod residue;
pub mod segment;
pub mod status;
pub mod testing;
pub mod unit;

use anyhow::{Context as _, Result, bail, ensure};

use self::{
    folder::{Folder, Record},
    host::{Host, MOST_NODES},
    segment::Segment,
    unit::Unit,
};
use crate::{
    binaries,
    command::{Outcome, Tool},
    process::Process,
};

/// The name of a lab that nobody named.
pub const DEFAULT_NAME: &str = "lab";

/// What a new lab shall be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Number of workers, besides the control-plane node; none makes a cluster of one node.
    pub nodes: u32,
    /// The networks beside the LAN.
    pub segments: Vec<Segment>,
    /// Only control plane, nodes and client: no manifests, no operator, no agents.
    pub bare: bool,
    /// Whether the API server writes down what Lightship asks it for.
    pub audited: bool,
    /// More flags for every agent.
    pub agent_flags: Vec<String>,
    /// More flags for every operator.
    pub operator_flags: Vec<String>,
    /// The port in the machine's own network to which operators and agents send traces, if they shall.
    pub collector: Option<u16>,
}

impl Default for Options {
    /// Three workers; flags from `LAB_AGENT_FLAGS` and `LAB_OPERATOR_FLAGS`, separated by spaces.
    fn default() -> Self {
        let flags = |name: &str| {
            std::env::var(name)
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        Self {
            nodes: 3,
            segments: Vec::new(),
            bare: false,
            audited: false,
            agent_flags: flags("LAB_AGENT_FLAGS"),
            operator_flags: flags("LAB_OPERATOR_FLAGS"),
            collector: None,
        }
    }
}

/// A lab that is up.
#[derive(Debug, Clone)]
pub struct Lab {
    folder: Folder,
    fabric: Host,
    nodes: u32,
    segments: Vec<Segment>,
    slot: u8,
}

impl Lab {
    /// Makes the lab, unless it is there already. What an interrupted attempt has left is taken away first, and so is
    /// what this attempt has made if it fails.
    pub fn up(name: &str, options: &Options) -> Result<Self> {
        require_root()?;
        ensure!(
            options.nodes <= MOST_NODES,
            "failed to make a lab of {} workers; --nodes takes 0 to {MOST_NODES}",
            options.nodes
        );
        if let Ok(lab) = Self::attach(name) {
            ensure!(
                lab.nodes == options.nodes,
                "failed to make lab {name} with {} nodes: it is up with {}; take it down first",
                options.nodes,
                lab.nodes
            );
            if !options.bare && Unit::find(&lab.folder, "operator-1").is_err() {
                lab.install()?;
            }
            return Ok(lab);
        }
        Self::down(name)?;
        let folder = Folder::of(name)?;
        Self::build(&folder, options).inspect_err(|_| {
            if std::env::var_os("LIGHTSHIP_KEEP").is_none() {
                // The error that made it fail matters more than one of cleaning up, which `down` shows again.
                let _ = residue::remove(&folder);
            }
        })
    }

    fn build(folder: &Folder, options: &Options) -> Result<Self> {
        if !options.bare {
            // Found out now rather than after the cluster is there.
            binaries::lightship()?;
        }
        folder.create()?;
        let mut record = Record {
            nodes: options.nodes,
            segments: options.segments.clone(),
            slot: None,
            complete: false,
            builder: Process::find(std::process::id()).context("failed to find the running process")?,
            agent_flags: options.agent_flags.clone(),
            operator_flags: options.operator_flags.clone(),
            collector: options.collector,
        };
        folder.write_record(&record)?;
        let fabric = Host::fabric();
        fabric.power_on(folder)?;
        let slot = network::build_fabric(folder, &fabric, &record.segments)?;
        record.slot = Some(slot);
        folder.write_record(&record)?;
        let lab = Self {
            folder: folder.clone(),
            fabric,
            nodes: options.nodes,
            segments: options.segments.clone(),
            slot,
        };
        credentials::issue(folder, slot)?;
        let control_plane = std::thread::scope(|scope| {
            // The API server takes its time to start; the hosts are made meanwhile.
            let control_plane = scope.spawn(|| lab.start_control_plane(options));
            let hosts = lab.start_hosts();
            let started = control_plane
                .join()
                .unwrap_or_else(|_| bail!("failed to start the control plane"));
            hosts.and(started)
        });
        control_plane?;
        lab.register_nodes()?;
        for node in Host::nodes(lab.nodes) {
            lab.start_kube_proxy(&node)?;
        }
        if !options.bare {
            lab.install()?;
        }
        record.complete = true;
        folder.write_record(&record)?;
        Ok(lab)
    }

    fn install(&self) -> Result<()> {
        self.install_manifests()?;
        self.start_lightship()
    }

    fn start_hosts(&self) -> Result<()> {
        for host in Host::nodes(self.nodes).iter().chain([&Host::jumpbox()]) {
            self.power_on(host)?;
        }
        Ok(())
    }

    /// The lab of this name, which must be up.
    pub fn attach(name: &str) -> Result<Self> {
        let folder = Folder::of(name)?;
        let Some(record) = folder.record() else {
            bail!("failed to find lab {name}: it is down; `hack/lab up` makes it");
        };
        let fabric = Host::fabric();
        match record.slot {
            Some(slot) if record.complete && fabric.holder(&folder).is_some() => Ok(Self {
                folder,
                fabric,
                nodes: record.nodes,
                segments: record.segments,
                slot,
            }),
            _ => bail!(
                "failed to use lab {name}: it is half-built; `hack/lab up` makes it anew, `down` removes it"
            ),
        }
    }

    /// Takes the lab of this name away, in whatever state it is. Nothing happens when there is none.
    pub fn down(name: &str) -> Result<()> {
        require_root()?;
        let folder = Folder::of(name)?;
        if let Some(record) = folder.record() {
            let own = record.builder.pid == std::process::id();
            ensure!(
                record.complete || own || !record.builder.alive(),
                "failed to take lab {name} down: process {} is building it; end that first",
                record.builder.pid
            );
        }
        residue::remove(&folder)
    }

    /// Its state folder.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The number of workers.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        self.nodes
    }

    /// A host of this lab by name.
    pub fn host(&self, name: &str) -> Result<Host> {
        Host::named(name, self.nodes)
    }

    /// The MAC address of a host's card.
    pub fn mac(&self, host: &str, interface: &str) -> Result<String> {
        let card = segment::card(&self.host(host)?, &self.segments, interface)?;
        Ok(card.to_string())
    }

    /// The IPv4 address of a host's `eth0`, whichever segment that is in.
    pub(super) fn address_of(&self, host: &Host) -> String {
        segment::address(host, &self.segments)
    }

    /// A tool to be run on a host, where `lightship` is on PATH and the cluster is the admin's to use.
    pub fn tool<S: AsRef<str>>(&self, host: &str, argv: &[S]) -> Result<Tool> {
        let tool = self.host(host)?.tool(&self.folder, argv)?;
        Ok(tool
            .env("KUBECONFIG", self.folder.kubeconfig())
            .env("PATH", binaries::path()))
    }

    /// Runs a tool on a host; it must succeed.
    pub fn exec<S: AsRef<str>>(&self, host: &str, argv: &[S]) -> Result<String> {
        self.tool(host, argv)?.run()
    }

    /// Runs a tool on a host; its exit code is for the caller to judge.
    pub fn try_exec<S: AsRef<str>>(&self, host: &str, argv: &[S]) -> Result<Outcome> {
        self.tool(host, argv)?.attempt()
    }

    fn record(&self) -> Result<Record> {
        self.folder
            .record()
            .context("failed to read the lab's record; it was taken down meanwhile")
    }
}

fn require_root() -> Result<()> {
    let root = Tool::new(["id", "-u"]).run()?.trim() == "0";
    ensure!(
        root,
        "failed to use namespaces, bridges and bpffs without root; run this as root"
    );
    Ok(())
}
