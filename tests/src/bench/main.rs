//! Benchmarks that need a cluster, or a cable: `bench NAME [--json FILE]`, each figure beside its yardstick from the same run.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod allocator;
mod api;
mod chain;
mod crowd;
mod edit;
mod failover;
mod fault;
mod fleet;
mod given;
mod ipam;
mod observer;
mod report;
mod responder;
mod rest;
mod scale;
mod segment;
mod soak;
mod spread;
mod stored;
mod usage;
mod waiting;
mod wave;
mod writes;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use report::Report;

/// Simulated agents, unless it is said how many.
const CROWD: u16 = 100;
const FLEET: u16 = 250;

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
    /// How often each fault is tried; crash and link cut ten times as often.
    #[arg(long, default_value_t = 20)]
    runs: u32,
    /// How many simulated agents: 100 at rest and 250 at scale unless it is given.
    #[arg(long)]
    agents: Option<u16>,
    /// How long the soak lasts.
    #[arg(long, default_value_t = 60)]
    minutes: u32,
    /// Which faults and edits the soak chooses; another number each time unless it is given.
    #[arg(long)]
    seed: Option<u64>,
    /// Only these faults.
    #[arg(long)]
    fault: Vec<fault::Fault>,
    /// How often the operator and the bare client of ipam-api take turns.
    #[arg(long, default_value_t = 4)]
    rounds: usize,
    /// Only these parts of ipam-api.
    #[arg(long)]
    part: Vec<ipam::Part>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// Addresses managed in memory, without a cluster.
    Ipam,
    /// Addresses through a real API server.
    IpamApi,
    /// What clients see of each fault.
    Failover,
    /// What it costs while nothing happens, and how soon a new address is answered.
    Rest,
    /// The part of `rest` that has many simulated agents.
    Crowd,
    /// A large cluster: simulated agents, one operator, one API server.
    Scale,
    /// The lab under random faults and edits.
    Soak,
    /// What the responder costs and how quick it is.
    Responder,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut report = Report::begin()?;
    match args.name {
        Name::Ipam => allocator::run(&mut report)?,
        Name::IpamApi => ipam::run(&runtime, args.services, args.rounds, &args.part, &mut report)?,
        Name::Failover => failover::run(args.runs, &args.fault, &mut report)?,
        Name::Soak => soak::run(
            &runtime,
            args.minutes,
            args.seed.unwrap_or_else(seed),
            &args.fault,
            &mut report,
        )?,
        Name::Rest => {
            rest::run(&runtime, args.services, args.runs, &mut report)?;
            crowd::run(&runtime, args.agents.unwrap_or(CROWD), &mut report)?;
        }
        Name::Crowd => crowd::run(&runtime, args.agents.unwrap_or(CROWD), &mut report)?,
        Name::Scale => scale::run(&runtime, args.agents.unwrap_or(FLEET), args.services, &mut report)?,
        Name::Responder => responder::run(&mut report)?,
    }
    report.write(args.json.as_deref())
}

fn seed() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    since.map_or(1, |since| since.as_secs())
}
