//! Runs of benchmarks as they are kept for machines, and the README's figures, which are taken from nothing else.
//!
//! `hack/bench NAME --json hack/benches/runs/NAME.json` keeps a run. What has no run kept is shown as not measured.

use std::{fs, path::Path, thread};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::{binaries, command::Tool};

pub mod goals;

/// One measured figure beside its yardstick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured.
    pub figure: String,
    /// How much.
    pub value: f64,
    /// In what.
    pub unit: String,
    /// What it is held against, in the same unit, measured in the same run.
    pub yardstick: Option<f64>,
    /// Value by yardstick.
    pub ratio: Option<f64>,
}

impl Figure {
    /// A figure that stands for itself.
    #[must_use]
    pub fn alone(figure: impl Into<String>, value: f64, unit: &str) -> Self {
        Self {
            figure: figure.into(),
            value,
            unit: unit.to_owned(),
            yardstick: None,
            ratio: None,
        }
    }

    /// A figure beside its yardstick.
    #[must_use]
    pub fn beside(figure: impl Into<String>, value: f64, unit: &str, yardstick: f64) -> Self {
        Self {
            yardstick: Some(yardstick),
            ratio: Some(value / yardstick),
            ..Self::alone(figure, value, unit)
        }
    }
}

/// Where and of what a run was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Circumstances {
    /// The day, as in 2026-01-31.
    pub date: String,
    /// The commit, with `-dirty` behind it where the tree was changed.
    pub commit: String,
    /// How the benchmark was built, and `lightship` with it: debug or release.
    pub build: String,
    /// Processors.
    pub processors: usize,
    /// Memory in GiB.
    pub memory: u64,
    /// The kernel's release.
    pub kernel: String,
    /// Runnable processes on average in the minute before, this machine's other work among them.
    pub load: f64,
}

impl Circumstances {
    /// Those of a run that begins now.
    pub fn now() -> Result<Self> {
        let source = binaries::source().to_string_lossy().into_owned();
        let says =
            |argv: &[&str]| Ok::<_, anyhow::Error>(Tool::new(argv.iter().copied()).run()?.trim().to_owned());
        let read = |path: &str| fs::read_to_string(path).with_context(|| format!("failed to read {path}"));
        let memory = read("/proc/meminfo")?;
        let kib: u64 = memory.split_whitespace().nth(1).unwrap_or_default().parse()?;
        Ok(Self {
            date: says(&["date", "-u", "+%F"])?,
            commit: says(&["git", "-C", &source, "describe", "--always", "--dirty"])?,
            build: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            }
            .to_owned(),
            processors: thread::available_parallelism()?.get(),
            memory: kib.div_ceil(1 << 20),
            kernel: release(&read("/proc/sys/kernel/osrelease")?),
            load: read("/proc/loadavg")?
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .parse()?,
        })
    }

    fn told(&self) -> String {
        let Self {
            date,
            commit,
            build,
            processors,
            memory,
            kernel,
            load,
        } = self;
        format!(
            "{date}, commit {commit}, {build} build; {processors} processors, {memory} GiB, kernel {kernel}, load {load:.1} before it began"
        )
    }
}

/// What a kernel is called everywhere; what its builder adds behind that says nothing elsewhere.
fn release(text: &str) -> String {
    let digits = text.find(|c: char| c != '.' && !c.is_ascii_digit());
    text[..digits.unwrap_or(text.len())].to_owned()
}

/// A run as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Where and of what.
    pub circumstances: Circumstances,
    /// What came out.
    pub figures: Vec<Figure>,
}

impl Run {
    /// Writes it.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("failed to encode a run")?;
        fs::write(file, text + "\n").with_context(|| format!("failed to write {}", file.display()))
    }
}

/// What the README shows: the benchmark, and how its figures begin.
const SHOWN: &[(&str, &[&str])] = &[
    (
        "failover",
        &[
            "node crash: silence",
            "node crash: answers",
            "LAN link cut, API link alive: silence",
            "LAN link cut, API link alive: answers",
        ],
    ),
    (
        "failover-api",
        &["node crash while the API server is frozen: silence"],
    ),
    (
        "ipam-api",
        &[
            "50000 services from the pool's creation",
            "the same, least",
            "the same, greatest",
            "status writes per service",
            "writes of a restarted operator",
        ],
    ),
    (
        "rest",
        &[
            "created (request sent)",
            "deleted (request sent)",
            "by agent and 15 s",
            "agent-node-1 at rest",
            "operator-1 at rest",
        ],
    ),
    (
        "responder",
        &[
            "ARP, idle",
            "ARP, every processor",
            "ARP, 4000 entries",
            "ARP, 60000 entries",
        ],
    ),
];

/// The README's figures, from the runs that are kept.
#[must_use]
pub fn table() -> String {
    let parts = SHOWN
        .iter()
        .map(|(name, shown)| part(name, shown, kept(name).as_ref()));
    parts.collect::<Vec<_>>().join("\n")
}

/// The run that is kept under a name.
fn kept(name: &str) -> Option<Run> {
    let path = binaries::source().join("hack/benches/runs").join(name);
    let text = fs::read(path.with_extension("json")).ok()?;
    serde_json::from_slice(&text).ok()
}

fn part(name: &str, shown: &[&str], run: Option<&Run>) -> String {
    let Some(run) = run else {
        return format!("`hack/bench {name}`: no run is kept.\n");
    };
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
    let shown = run
        .figures
        .iter()
        .filter(|one| shown.iter().any(|begin| one.figure.starts_with(begin)));
    let rows = shown.map(|one| {
        let (value, unit) = (number(Some(one.value)), &one.unit);
        format!(
            "| {} | {value} {unit} | {} | {} |\n",
            one.figure,
            number(one.yardstick),
            number(one.ratio)
        )
    });
    format!(
        "`hack/bench {name}` ({}):\n\n| figure | value | yardstick | ratio |\n|---|---|---|---|\n{}",
        run.circumstances.told(),
        rows.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::generated;

    pub(super) fn circumstances() -> Circumstances {
        Circumstances {
            date: "2026-01-31".into(),
            commit: "abc".into(),
            build: "debug".into(),
            processors: 2,
            memory: 24,
            kernel: "6.18".into(),
            load: 0.25,
        }
    }

    #[test]
    fn kernels_are_named_as_everywhere() {
        assert_eq!(release("6.18.44-builder-7\n"), "6.18.44");
        assert_eq!(release("6.18\n"), "6.18");
    }

    #[test]
    fn only_what_was_measured_is_shown_with_where() {
        let figure = |figure: &str, yardstick: Option<f64>| Figure {
            figure: figure.into(),
            value: 2.5,
            unit: "ms".into(),
            yardstick,
            ratio: yardstick.map(|yardstick| 2.5 / yardstick),
        };
        let figures = vec![
            figure("a: p50", Some(5.0)),
            figure("b", None),
            figure("a: p99", None),
        ];
        let run = Run {
            circumstances: circumstances(),
            figures,
        };
        assert_eq!(
            part("x", &["a:"], Some(&run)),
            "`hack/bench x` (2026-01-31, commit abc, debug build; 2 processors, 24 GiB, kernel 6.18, load 0.2 before it began):\n\n\
             | figure | value | yardstick | ratio |\n|---|---|---|---|\n| a: p50 | 2.50 ms | 5.00 | 0.50 |\n| a: p99 | 2.50 ms |  |  |\n"
        );
        assert_eq!(part("x", &["a:"], None), "`hack/bench x`: no run is kept.\n");
    }

    #[test]
    fn the_readme_shows_the_figures_of_the_runs_that_are_kept() {
        let update = "run this test with LIGHTSHIP_UPDATE_DOCS=1";
        generated("README.md", "figures", &table(), update).unwrap();
    }
}
