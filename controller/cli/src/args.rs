//! The command line, and the environment that stands in for it.
//!
//! Every flag of a running part can also be given as `LIGHTSHIP_<FLAG>`; flags that Cilium has carry Cilium's name. What
//! cannot be understood ends the process with exit code 2 and a message that names the flag, the value and what is
//! allowed.

mod admin_address;
mod agent;
mod connection;
mod doctor;
mod import;
mod lease_timing;
mod list;
mod misunderstood;
mod operator;
mod query;
mod trace;
mod uninstall;
mod upkeep;

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use admin_address::AdminAddress;
pub(crate) use agent::AgentArgs;
pub(crate) use connection::Connection;
pub(crate) use doctor::DoctorArgs;
pub(crate) use import::{ImportArgs, ImportCommand};
pub(crate) use lease_timing::LeaseTimingArgs;
pub(crate) use misunderstood::{environment_tip, format_asked};
pub(crate) use operator::DefaultIpam;
pub(crate) use operator::OperatorArgs;
pub(crate) use query::{ConfigArgs, ConfigCommand, Format, MapArgs, MapCommand, QueryArgs, StatusArgs};
pub(crate) use trace::TraceArgs;
pub(crate) use uninstall::{CleanupArgs, UninstallArgs};
pub(crate) use upkeep::{
    CompletionArgs, DrainArgs, Shell, SimulateArgs, SimulateCommand, UndrainArgs, ValidateArgs, WhyArgs,
};

/// LoadBalancer addresses for bare-metal Kubernetes: handed out, announced, and moved when a node fails.
#[derive(Debug, Parser)]
#[command(
    name = "lightship",
    version,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// How much is logged to stderr; a running part is told otherwise by `lightship config log-level`.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "info",
        env = "LIGHTSHIP_LOG_LEVEL"
    )]
    pub(crate) log_level: LogLevel,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Hand out addresses and choose the node that holds each (runs until it is told to stop).
    Operator(OperatorArgs),
    /// Announce the addresses this node holds (runs until it is told to stop).
    Agent(AgentArgs),
    /// Print the custom resource definitions.
    Crd,
    /// Look into the kernel maps of this node.
    Map(MapArgs),
    /// Show live what becomes of the frames about an address on this node, and why.
    Trace(TraceArgs),
    /// Show pools, services without an address, and holders at a glance.
    Status(StatusArgs),
    /// List the addresses that pools have given, and to which services.
    Ips(QueryArgs),
    /// List the nodes that hold services' addresses.
    Holders(QueryArgs),
    /// Say what a service has on the way from address to frames, what is missing, and what to do.
    Why(WhyArgs),
    /// Check the cluster, or this machine as a node, for what Lightship needs and what gets in its way.
    Doctor(DoctorArgs),
    /// Move every address away from a node, and wait until it holds none.
    Drain(DrainArgs),
    /// Let a drained node hold addresses again.
    Undrain(UndrainArgs),
    /// Show what would happen, without doing it.
    Simulate(SimulateArgs),
    /// Turn what another load balancer was told into our objects.
    Import(ImportArgs),
    /// Check pools, policies and services in a file, without a cluster.
    Validate(ValidateArgs),
    /// Take Lightship out of the cluster and off its nodes, or show what would go.
    Uninstall(UninstallArgs),
    /// Take everything of Lightship off this node.
    Cleanup(CleanupArgs),
    /// Print the script that completes this command line in a shell.
    Completion(CompletionArgs),
    /// Show the settings a running agent or operator uses.
    Config(ConfigArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The spelling on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

#[cfg(test)]
mod tests;
