//! What `doctor` is told.

use std::path::PathBuf;

use clap::Args;

use super::{AdminAddress, Format};

#[derive(Clone, Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Look at this machine as a node instead of the cluster.
    #[arg(long)]
    pub(crate) here: bool,
    /// Where bpffs is mounted on this machine.
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = lightship_datapath::BPFFS,
        env = "LIGHTSHIP_BPFFS"
    )]
    pub(crate) bpffs: PathBuf,
    /// Where this machine's agent serves its readiness.
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        default_value = AdminAddress::OF_AGENT,
        env = "LIGHTSHIP_ADMIN_ADDRESS"
    )]
    pub(crate) admin_address: AdminAddress,
    /// How the result is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Format,
}
