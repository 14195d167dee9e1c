//! What `import` is told.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Format;

#[derive(Clone, Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    pub(crate) command: ImportCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Turn MetalLB's pools and L2 advertisements into ours; nothing is written to the cluster.
    Metallb {
        /// Files with MetalLB's objects and, for their addresses, services; - is what comes in. Without one the cluster
        /// is asked.
        #[arg(short, long, value_name = "FILE")]
        filename: Vec<PathBuf>,
        /// How the result is printed.
        #[arg(short, long, value_enum, default_value = "yaml")]
        output: Format,
    },
}
