//! The lab's hosts: nodes, the client, and the fabric that holds the bridges.
//!
//! A host is a network, a mount and a UTS namespace, kept by a holder process and entered with nsenter. Its `/sys` fits its
//! network and its bpffs is its own, as on a machine of its own; when the last of its processes is killed, all of it
//! is gone, pins included.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, bail, ensure};
use lightship_abi::mac::MacAddress;

use super::{
    folder::{self, Folder},
    network,
    segment::LAN_SEGMENT,
};
use crate::{
    command::Tool,
    eventually,
    process::{self, Process},
};

/// The namespace with the bridges, the control plane and the operator.
pub const FABRIC: &str = "fabric";
/// The node that carries the control-plane label.
pub const CONTROL_PLANE: &str = "control-plane";
/// The client outside the cluster.
pub const JUMPBOX: &str = "jumpbox";
/// Workers are numbered from one; the numbers above are the others'.
pub const MOST_NODES: u32 = 90;

/// What the holder does before it holds: the namespace's own /sys and bpffs, its name, and sysctls, which a new
/// namespace may have inherited from the machine. Duplicate address detection would keep addresses unusable for a second.
const PREPARE: &str = r#"
mount -t sysfs sysfs /sys
mount -t bpf bpf /sys/fs/bpf
echo "$0" > /proc/sys/kernel/hostname
cd /proc/sys/net
for setting in $1; do echo "${setting#*=}" > "${setting%%=*}"; done
ip link set lo up
exec sleep infinity
"#;
const QUIET: &str = "ipv6/conf/default/accept_dad=0 ipv6/conf/default/accept_ra=0 \
    ipv4/conf/all/rp_filter=0 ipv4/conf/default/rp_filter=0";
const ROUTER: &str = "ipv4/ip_forward=1 ipv6/conf/all/forwarding=1";

/// One host by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// The host of this name; it need not run.
    pub fn named(name: &str, nodes: u32) -> Result<Self> {
        let known = matches!(name, FABRIC | CONTROL_PLANE | JUMPBOX)
            || name
                .strip_prefix("node-")
                .and_then(|n| n.parse().ok())
                .is_some_and(|n| (1..=nodes).contains(&n));
        ensure!(
            known,
            "failed to find host {name}; there are node-1 to node-{nodes}, control-plane, jumpbox and fabric"
        );
        Ok(Self(name.to_owned()))
    }

    /// Every node of the cluster, workers first.
    #[must_use]
    pub fn nodes(workers: u32) -> Vec<Self> {
        let mut nodes: Vec<Self> = (1..=workers)
            .map(|number| Self(format!("node-{number}")))
            .collect();
        nodes.push(Self(CONTROL_PLANE.to_owned()));
        nodes
    }

    /// The client.
    #[must_use]
    pub fn jumpbox() -> Self {
        Self(JUMPBOX.to_owned())
    }

    /// The fabric.
    #[must_use]
    pub fn fabric() -> Self {
        Self(FABRIC.to_owned())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The last part of its addresses.
    #[must_use]
    pub fn number(&self) -> u32 {
        match self.name() {
            CONTROL_PLANE => 100,
            JUMPBOX => 200,
            FABRIC => 254,
            worker => worker.trim_start_matches("node-").parse().unwrap_or_default(),
        }
    }

    /// Whether it is a node of the cluster.
    #[must_use]
    pub fn is_node(&self) -> bool {
        !matches!(self.name(), FABRIC | JUMPBOX)
    }

    /// Its address on the LAN.
    #[must_use]
    pub fn lan_address(&self) -> String {
        format!("10.0.1.{}", self.number())
    }

    /// The MAC address of its interface on the LAN.
    #[must_use]
    pub fn lan_mac(&self) -> String {
        network::mac(LAN_SEGMENT, self.number())
    }

    /// The same, as frames carry it.
    #[must_use]
    pub fn lan_card(&self) -> MacAddress {
        network::card(LAN_SEGMENT, self.number())
    }

    /// The process that holds its namespaces, if it is up.
    #[must_use]
    pub fn holder(&self, folder: &Folder) -> Option<Process> {
        folder::read::<Process>(&folder.entry("hosts", &self.0))
            .ok()
            .filter(Process::alive)
    }

    /// Makes its namespaces, without any link.
    pub(super) fn power_on(&self, folder: &Folder) -> Result<Process> {
        let settings = if self.is_node() {
            format!("{QUIET} {ROUTER}")
        } else {
            QUIET.to_owned()
        };
        let argv: Vec<String> = [
            "unshare", "--net", "--mount", "--uts", "--", "sh", "-euc", PREPARE, &self.0, &settings,
        ]
        .map(str::to_owned)
        .into();
        let log = folder.log(&format!("holder-{}", self.0));
        let holder = process::spawn(&argv, &BTreeMap::new(), &log, folder.path())?;
        folder::write(&folder.entry("hosts", &self.0), &holder)?;
        eventually(
            &format!("the namespaces of {}", self.0),
            Duration::from_secs(10),
            || {
                ensure!(
                    holder.name() == "sleep",
                    "its holder is not ready: {}",
                    process::tail(&log, 5)
                );
                Ok(())
            },
        )?;
        Ok(holder)
    }

    /// The command line that runs `argv` on this host.
    pub fn enter<S: AsRef<str>>(&self, folder: &Folder, argv: &[S]) -> Result<Vec<String>> {
        let Some(holder) = self.holder(folder) else {
            bail!(
                "failed to enter {}: it is down; `hack/lab node revive {}` brings a node back",
                self.0,
                self.0
            );
        };
        let pid = holder.pid.to_string();
        let mut entered: Vec<String> = ["nsenter", "--target", &pid, "--net", "--mount", "--uts", "--"]
            .map(str::to_owned)
            .into();
        entered.extend(argv.iter().map(|item| item.as_ref().to_owned()));
        Ok(entered)
    }

    /// A tool to be run on this host.
    pub fn tool<S: AsRef<str>>(&self, folder: &Folder, argv: &[S]) -> Result<Tool> {
        Ok(Tool::new(self.enter(folder, argv)?))
    }
}
