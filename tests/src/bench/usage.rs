//! Processor time and memory of the processes that take part.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};
use lightship_tests::Lab;
use lightship_tests::lab::unit::Unit;

use crate::report::Figure;

const PARTS: [&str; 3] = ["kube-apiserver", "etcd", "operator-1"];

/// Processor time so far, in seconds, by process; the benchmark itself is `client`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage(BTreeMap<&'static str, f64>);

impl Usage {
    /// Until now.
    pub(crate) fn now(lab: &Lab) -> Result<Self> {
        let mut usage = BTreeMap::from([("client", processor_seconds("self")?)]);
        for name in PARTS {
            if let Some(pid) = pid(lab, name) {
                usage.insert(name, processor_seconds(&pid)?);
            }
        }
        Ok(Self(usage))
    }

    /// What was used since an earlier look.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let used = |(name, now): (&&'static str, &f64)| (*name, now - before.of(name));
        Self(self.0.iter().map(used).collect())
    }

    /// Both together.
    pub(crate) fn plus(mut self, other: &Self) -> Self {
        for (name, seconds) in &other.0 {
            *self.0.entry(name).or_default() += seconds;
        }
        self
    }

    /// What one process used.
    pub(crate) fn of(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// What all used together.
    pub(crate) fn total(&self) -> f64 {
        self.0.values().sum()
    }

    /// Microseconds of processor time per service, by process, beside what the bare client's run used.
    pub(crate) fn figures(&self, bare: &Self, services: u32) -> Vec<Figure> {
        let each = |seconds: f64| 1e6 * seconds / f64::from(services);
        let figure = |what: &str, ours: f64, theirs: f64| {
            let name = format!("processor time per service, {what}");
            if theirs > 0.0 {
                Figure::beside(name, each(ours), "us", each(theirs))
            } else {
                Figure::alone(name, each(ours), "us")
            }
        };
        let mut figures: Vec<_> = PARTS
            .iter()
            .map(|name| figure(name, self.of(name), bare.of(name)))
            .collect();
        figures.push(figure("this benchmark", self.of("client"), bare.of("client")));
        figures.push(figure("all together", self.total(), bare.total()));
        figures
    }
}

/// Resident memory of a process of the lab now and at its peak, in MiB.
pub(crate) fn memory(lab: &Lab, name: &str) -> Result<(f64, f64)> {
    memory_of(&pid(lab, name).context("failed to find the process")?)
}

/// Resident memory of this process, in MiB.
pub(crate) fn memory_of_self() -> Result<f64> {
    memory_of("self").map(|(now, _)| now)
}

fn memory_of(pid: &str) -> Result<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |field: &str| {
        let line = status.lines().find(|line| line.starts_with(field));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        kibibytes.unwrap_or_default() / 1024.0
    };
    Ok((field("VmRSS:"), field("VmHWM:")))
}

fn pid(lab: &Lab, name: &str) -> Option<String> {
    let process = Unit::find(lab.folder(), name).ok()?.process()?;
    Some(process.pid.to_string())
}

pub(crate) fn processor_seconds(pid: &str) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks: f64 = stat
        .rsplit(')')
        .next()
        .into_iter()
        .flat_map(str::split_whitespace)
        // User and system time are the 14th and 15th fields of the line, the 12th and 13th behind the name.
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    Ok(ticks / 100.0)
}
