//! What the commands that people type are told.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{AdminAddress, LogLevel};

/// How a command's result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, for people.
    #[default]
    Table,
    /// The same with more columns, where there are more.
    Wide,
    /// For programs; a failure is a document too.
    Json,
    /// As JSON, to be read by people.
    Yaml,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct QueryArgs {
    /// How the result is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Format,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct StatusArgs {
    /// Print it again whenever it changes, until interrupted.
    #[arg(short, long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) query: QueryArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct MapArgs {
    /// Where bpffs is mounted.
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        default_value = lightship_datapath::BPFFS,
        env = "LIGHTSHIP_BPFFS"
    )]
    pub(crate) bpffs: PathBuf,
    /// How the result is printed.
    #[arg(short, long, global = true, value_enum, default_value = "table")]
    pub(crate) output: Format,
    #[command(subcommand)]
    pub(crate) command: MapCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum MapCommand {
    /// List the maps with the number of their elements.
    List,
    /// Count the frames about each address that this node answers for, by what became of them.
    Counters {
        /// Only this address; without it all of them.
        address: Option<IpAddr>,
    },
    /// Print the elements of a map.
    Get {
        /// The map's name, as `lightship map list` prints it.
        name: String,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting and its value.
    View {
        /// Where the agent or operator in question serves its settings.
        #[arg(
            long,
            value_name = "ADDRESS:PORT",
            default_value = AdminAddress::OF_AGENT,
            env = "LIGHTSHIP_ADMIN_ADDRESS"
        )]
        admin_address: AdminAddress,
    },
    /// Print how much is logged, or change it until the process ends.
    LogLevel {
        /// The level from now on.
        #[arg(value_enum)]
        level: Option<LogLevel>,
        /// Where the agent or operator in question serves its settings.
        #[arg(
            long,
            value_name = "ADDRESS:PORT",
            default_value = AdminAddress::OF_AGENT,
            env = "LIGHTSHIP_ADMIN_ADDRESS"
        )]
        admin_address: AdminAddress,
    },
}
