//! What `lightship trace` is told.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use super::Format;

#[derive(Clone, Debug, Args)]
pub(crate) struct TraceArgs {
    /// The address whose frames are shown.
    pub(crate) address: IpAddr,
    /// How many frames are shown before it ends; without it, it goes on until it is stopped.
    #[arg(short, long, value_name = "FRAMES", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Where bpffs is mounted.
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = lightship_datapath::BPFFS,
        env = "LIGHTSHIP_BPFFS"
    )]
    pub(crate) bpffs: PathBuf,
    /// How frames are printed: one line each in either form, as they come.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Format,
}
