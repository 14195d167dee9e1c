//! Benchmarks that need a cluster: `bench NAME [--json FILE]`, each figure beside its yardstick from the same run.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod api;
mod ipam;
mod observer;
mod report;
mod usage;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use report::Report;

#[derive(Parser)]
#[command(about = "Benchmarks in a lab of their own")]
struct Args {
    /// Which benchmark.
    name: Name,
    /// Also write the figures as JSON to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// How many services.
    #[arg(long, default_value_t = 10_000)]
    services: u32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// Addresses through a real API server.
    IpamApi,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut report = Report::default();
    match args.name {
        Name::IpamApi => ipam::run(&runtime, args.services, &mut report)?,
    }
    report.write(args.json.as_deref())
}
