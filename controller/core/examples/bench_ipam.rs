//! How fast addresses are managed, each figure beside the plainest structure that could do the same, in the same run.
//!
//! Measured on 2026-11-22 (two cores, 24 GiB, Linux 6.18, nothing else running, no link-time optimization, the allocator of
//! the `lightship` binary on both sides): the free addresses alone 0.11 µs taken in order (4.3x of taking the first of a plain
//! set) and 0.16 µs given back all over (1.02x); a whole service decided 1.2 µs (1.1 to 1.5; 1.11x of plain maps that decide
//! nothing, 1.1 µs), the last thousand of a million 0.8 times the first; deleted 1.1 µs (1.7x); a specific request 1.9 µs
//! (0.92x of 2.1 µs); a pool of 10,000 6.0 µs (1.3x of 100); a service among 10,000 pools 1.15 µs (1.13x of one pool); an address
//! freed with 10,000 waiting 3.1 µs (1.08x of 200 waiting); 50,000 services 81 MiB at most, their specifications 60.
//!
//! The allocator gives 9 million addresses a second; whole decisions, which were to be a million a second, are 0.8 million. A
//! profile shows what is left: a third of the time is the kernel's, finding pages for what is kept, a tenth the look-up of a
//! name that is in no cache, about a tenth deciding. The next step is fewer allocations per service: its name is stored
//! twice (in the service and in its entry of the table), and a service that shares nothing carries the room for it.
//!
//! Times are processor time of the one thread that works, which other builds on the machine disturb less than the time
//! on the wall. Every measurement is a process of its own, so that none pays for the heap that another left; those of a
//! figure and of its yardstick take turns. A figure is the median of several, with the least and the most.
//!
//! `--json FILE` writes a list of `{figure, value, unit, yardstick, ratio}`; `hack/bench ipam` keeps it with its circumstances.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "bench_ipam/measure.rs"]
mod measure;
#[path = "bench_ipam/plain.rs"]
mod plain;
#[path = "bench_ipam/scene.rs"]
mod scene;

use std::error::Error;
use std::process::Command;

use serde_json::json;

/// As in the `lightship` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RUNS: usize = 5;

type Failure = Box<dyn Error>;

/// One figure: what is measured, beside what, and which of the values that a measurement prints is meant.
struct Figure {
    told: &'static str,
    unit: &'static str,
    measured: (&'static str, usize),
    beside: Option<(&'static str, (&'static str, usize))>,
}

const PLAIN: &str = "free set, names and holders in plain maps";

const FIGURES: &[Figure] = &[
    Figure {
        told: "an address taken, lowest first, of a million in a /12",
        unit: "ns",
        measured: ("intervals", 0),
        beside: Some(("a plain set of the free addresses", ("set", 0))),
    },
    Figure {
        told: "an address given back, all over, of a million",
        unit: "ns",
        measured: ("intervals", 1),
        beside: Some(("a plain set of the free addresses", ("set", 1))),
    },
    Figure {
        told: "a service served, of a million into a /12",
        unit: "ns",
        measured: ("serve", 0),
        beside: Some((PLAIN, ("plain", 0))),
    },
    Figure {
        told: "the last thousand against the first",
        unit: "times",
        measured: ("serve", 1),
        beside: None,
    },
    Figure {
        told: "a service deleted, of a million",
        unit: "ns",
        measured: ("serve", 2),
        beside: Some((PLAIN, ("plain", 1))),
    },
    Figure {
        told: "a specific request, of a million all over a /12",
        unit: "ns",
        measured: ("request", 0),
        beside: Some((PLAIN, ("plain-request", 0))),
    },
    Figure {
        told: "a pool created, of 10,000",
        unit: "ns",
        measured: ("pools", 0),
        beside: Some(("one of 100", ("few-pools", 0))),
    },
    Figure {
        told: "a service served, of 100,000 from 10,000 pools",
        unit: "ns",
        measured: ("among-pools", 0),
        beside: Some(("the same from one pool", ("among-one", 0))),
    },
    Figure {
        told: "an address freed with 10,000 waiting, one served",
        unit: "ns",
        measured: ("many-waiting", 0),
        beside: Some(("the same with 200 waiting", ("few-waiting", 0))),
    },
    Figure {
        told: "most memory ever, with 50,000 services",
        unit: "MiB",
        measured: ("memory", 0),
        beside: Some(("their specifications alone", ("plain-memory", 0))),
    },
];

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["measure", name] => {
            let values = measure::by_name(name)?;
            let values: Vec<String> = values.iter().map(f64::to_string).collect();
            println!("{}", values.join(" "));
            Ok(())
        }
        ["--json", file] => Ok(std::fs::write(file, serde_json::to_string_pretty(&figures()?)?)?),
        [] => figures().map(drop),
        _ => Err("usage: bench_ipam [--json FILE]".into()),
    }
}

/// Measures all, prints them, and returns them for machines.
fn figures() -> Result<Vec<serde_json::Value>, Failure> {
    let mut all = Vec::new();
    let mut last: Option<(&str, Option<&str>, Samples)> = None;
    for figure in FIGURES {
        let names = (figure.measured.0, figure.beside.map(|(_, (name, _))| name));
        // Figures of the same measurements come one after the other and share them.
        let samples = match last.take() {
            Some((measured, beside, samples))
                if measured == names.0 && (names.1.is_none() || beside == names.1) =>
            {
                samples
            }
            _ => Samples::take(names.0, names.1)?,
        };
        all.push(tell(figure, &samples));
        let beside = names.1.or(samples.beside_name);
        last = Some((names.0, beside, samples));
    }
    Ok(all)
}

fn tell(figure: &Figure, samples: &Samples) -> serde_json::Value {
    let value = Spread::of(&samples.measured, figure.measured.1);
    let beside = figure
        .beside
        .map(|(named, (_, at))| (named, Spread::of(&samples.beside, at)));
    let ratio = beside.as_ref().map(|(_, beside)| value.median / beside.median);
    let told = beside
        .as_ref()
        .zip(ratio)
        .map_or_else(String::new, |((named, beside), ratio)| {
            format!(
                "{ratio:.2}x of {named}: {:.1} ({:.1} to {:.1})",
                beside.median, beside.least, beside.most
            )
        });
    println!(
        "{:<55} {:>8.1} {:<5} ({:.1} to {:.1}) {told}",
        figure.told, value.median, figure.unit, value.least, value.most
    );
    json!({
        "figure": figure.told, "value": value.median, "unit": figure.unit,
        "yardstick": beside.map(|(_, beside)| beside.median), "ratio": ratio,
    })
}

/// What several processes printed.
struct Samples {
    measured: Vec<Vec<f64>>,
    beside: Vec<Vec<f64>>,
    beside_name: Option<&'static str>,
}

impl Samples {
    fn take(measured: &'static str, beside: Option<&'static str>) -> Result<Self, Failure> {
        let mut samples = Self {
            measured: Vec::new(),
            beside: Vec::new(),
            beside_name: beside,
        };
        for _ in 0..RUNS {
            samples.measured.push(in_a_process(measured)?);
            if let Some(beside) = beside {
                samples.beside.push(in_a_process(beside)?);
            }
        }
        Ok(samples)
    }
}

fn in_a_process(name: &str) -> Result<Vec<f64>, Failure> {
    let output = Command::new(std::env::current_exe()?)
        .args(["measure", name])
        .output()?;
    if !output.status.success() {
        return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?)
}

struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(samples: &[Vec<f64>], at: usize) -> Self {
        let mut values: Vec<f64> = samples
            .iter()
            .filter_map(|sample| sample.get(at).copied())
            .collect();
        values.sort_by(f64::total_cmp);
        let value = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
        Self {
            least: value(0),
            median: value(values.len() / 2),
            most: value(values.len().saturating_sub(1)),
        }
    }
}
