//! What the agent is told.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use lightship_agent::Hook;

use super::{AdminAddress, LeaseTimingArgs, list};
use crate::duration;

#[derive(Clone, Debug, Args)]
pub(crate) struct AgentArgs {
    /// The name of the node this agent runs on, as Kubernetes knows it.
    #[arg(long, value_name = "NODE", env = "NODE_NAME",
        value_parser = NonEmptyStringValueParser::new())]
    pub(crate) node_name: String,
    /// Where health, readiness, metrics and settings are served.
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        default_value = AdminAddress::OF_AGENT,
        env = "LIGHTSHIP_ADMIN_ADDRESS"
    )]
    pub(crate) admin_address: AdminAddress,
    /// The interfaces that may announce, such as eth0,eth1 or eth+; without it every suitable one.
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        env = "LIGHTSHIP_DEVICES",
        value_parser = list::device
    )]
    pub(crate) devices: Vec<String>,
    /// How often a held address is announced when nothing changes.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "60s",
        env = "LIGHTSHIP_ANNOUNCE_INTERVAL",
        value_parser = duration::parse_at_least_a_second
    )]
    pub(crate) announce_interval: Duration,
    /// Where bpffs is mounted.
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = lightship_datapath::BPFFS,
        env = "LIGHTSHIP_BPFFS"
    )]
    pub(crate) bpffs: PathBuf,
    /// How many addresses, times interfaces, the kernel can answer for.
    #[arg(
        long,
        value_name = "ENTRIES",
        default_value_t = 65_536,
        env = "LIGHTSHIP_MAP_CAPACITY",
        value_parser = clap::value_parser!(u32).range(1..=16_777_216)
    )]
    pub(crate) map_capacity: u32,
    /// Whether pings to held addresses are answered: up to 1000 a second on each processor.
    #[arg(
        long,
        value_name = "BOOL",
        default_value_t = true,
        action = clap::ArgAction::Set,
        env = "LIGHTSHIP_ANSWER_PING"
    )]
    pub(crate) answer_ping: bool,
    /// Where frames are answered: at TCX where the kernel has it (6.6), else at clsact.
    #[arg(long, value_enum, default_value = "automatic", env = "LIGHTSHIP_HOOK")]
    pub(crate) hook: HookArg,
    /// Whether there are metrics of each address: a series for each outcome that frames about it had.
    #[arg(
        long,
        value_name = "BOOL",
        default_value_t = false,
        num_args = 0..=1,
        default_missing_value = "true",
        action = clap::ArgAction::Set,
        env = "LIGHTSHIP_ADDRESS_METRICS"
    )]
    pub(crate) address_metrics: bool,
    #[command(flatten)]
    pub(crate) timings: LeaseTimingArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HookArg {
    /// TCX where the kernel has it, else clsact.
    Automatic,
    /// TCX ingress, first in order.
    Tcx,
    /// A filter of the clsact qdisc.
    Clsact,
}

impl HookArg {
    /// The spelling on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
        }
    }
}

impl From<HookArg> for Hook {
    fn from(hook: HookArg) -> Self {
        match hook {
            HookArg::Automatic => Self::Automatic,
            HookArg::Tcx => Self::Tcx,
            HookArg::Clsact => Self::Clsact,
        }
    }
}
