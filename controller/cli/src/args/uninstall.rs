//! What the commands that take Lightship away are told.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{AdminAddress, Format};
use crate::duration;

#[derive(Clone, Debug, Args)]
pub(crate) struct UninstallArgs {
    /// Show what would go, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Keep the definitions, and with them every pool and policy.
    #[arg(long)]
    pub(crate) keep_crds: bool,
    /// Leave the programs and maps that are pinned on the nodes; lightship cleanup takes them away.
    #[arg(long)]
    pub(crate) leave_nodes: bool,
    /// How long to wait until every node is cleaned.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
    /// How the list of a dry run is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Format,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CleanupArgs {
    /// Where bpffs is mounted.
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = lightship_datapath::BPFFS,
        env = "LIGHTSHIP_BPFFS"
    )]
    pub(crate) bpffs: PathBuf,
    /// Stay until told to stop, and say by /readyz that the node is clean: for the pods of a DaemonSet.
    #[arg(long)]
    pub(crate) stay: bool,
    /// Where readiness is served by --stay.
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        default_value = AdminAddress::OF_AGENT,
        env = "LIGHTSHIP_ADMIN_ADDRESS"
    )]
    pub(crate) admin_address: AdminAddress,
}
