//! What the last run of each step came to, kept in `tests/journeys.json`, and the README's table, which says nothing else.
//!
//! A run with [`UPDATE`] set writes down that a step failed before it begins, and that it passed once it has. Beside that stands a
//! digest of the scenarios' sources: after a change of them the result counts no more, until they have been run again.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::catalogue::{JOURNEYS, Journey, journey_of};
use crate::binaries;

/// Set to have scenario tests write their results.
pub const UPDATE: &str = "LIGHTSHIP_UPDATE_JOURNEYS";

/// How one step went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Outcome {
    passed: bool,
    /// Of the scenarios' sources that were run.
    sources: String,
}

type Results = BTreeMap<String, Outcome>;

fn path() -> PathBuf {
    binaries::source().join("tests/journeys.json")
}

fn kept() -> Results {
    let text = fs::read(path()).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Runs a step of a journey, and writes down how it went where results are asked for.
pub fn step<T>(name: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    let journey = journey_of(name).with_context(|| format!("failed to find a step {name} in any journey"))?;
    write_down(journey, name, false)?;
    let found = run().with_context(|| format!("failed to walk {name}"))?;
    write_down(journey, name, true)?;
    Ok(found)
}

fn write_down(journey: &Journey, name: &str, passed: bool) -> Result<()> {
    if env::var_os(UPDATE).is_none() {
        return Ok(());
    }
    let mut results = kept();
    let sources = digest(journey.sources);
    results.insert(name.to_owned(), Outcome { passed, sources });
    let text = serde_json::to_string_pretty(&results).context("failed to encode results")?;
    let (path, new) = (path(), path().with_extension("new"));
    fs::write(&new, text + "\n")
        .and_then(|()| fs::rename(&new, &path))
        .with_context(|| format!("failed to write {}", path.display()))
}

/// FNV-1a: it shall notice a change, and withstand nobody.
fn digest(sources: &[&str]) -> String {
    let bytes = sources.iter().flat_map(|source| source.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// The README's table, as the last runs have it.
#[must_use]
pub fn table() -> String {
    render(&kept())
}

fn render(results: &Results) -> String {
    let rows = JOURNEYS.iter().map(|journey| {
        let steps = journey.steps.iter().map(|step| step.what);
        let (name, what, state) = (journey.name, journey.what, state(journey, results));
        format!(
            "| {name} | {what}: {} | {state} |\n",
            steps.collect::<Vec<_>>().join("; ")
        )
    });
    "| journey | what | state |\n|---|---|---|\n".to_owned() + &rows.collect::<String>()
}

fn state(journey: &Journey, results: &Results) -> String {
    let sources = digest(journey.sources);
    let mut groups: [(&str, Vec<&str>); 4] = [
        ("passed", vec![]),
        ("failed", vec![]),
        ("changed since they ran", vec![]),
        ("never run", vec![]),
    ];
    for step in journey.steps {
        let group = match results.get(step.name) {
            None => 3,
            Some(outcome) if outcome.sources != sources => 2,
            Some(outcome) if outcome.passed => 0,
            Some(_) => 1,
        };
        groups[group].1.push(step.name);
    }
    if groups[0].1.len() == journey.steps.len() {
        return format!("all {} steps passed", journey.steps.len());
    }
    let groups = groups.iter().filter(|(_, steps)| !steps.is_empty());
    let groups = groups.map(|(state, steps)| format!("{state}: {}", steps.join(", ")));
    groups.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::generated;

    fn of(journey: &Journey, passed: &[bool]) -> Results {
        let sources = digest(journey.sources);
        let steps = journey.steps.iter().zip(passed);
        let results = steps.map(|(step, passed)| {
            let (passed, sources) = (*passed, sources.clone());
            (step.name.to_owned(), Outcome { passed, sources })
        });
        results.collect()
    }

    #[test]
    fn nothing_is_claimed_that_was_not_run_as_it_is_written_now() {
        let journey = &JOURNEYS[2];
        let mut results = of(journey, &[true, true, true, true]);
        assert_eq!(state(journey, &results), "all 4 steps passed");
        results.get_mut("J2.2").unwrap().sources = "another".into();
        assert_eq!(
            state(journey, &results),
            "passed: J2.1, J2.3, J2.4; changed since they ran: J2.2"
        );
        let results = of(journey, &[true, false]);
        assert_eq!(
            state(journey, &results),
            "passed: J2.1; failed: J2.2; never run: J2.3, J2.4"
        );
    }

    #[test]
    fn the_readme_says_what_the_last_runs_came_to() {
        let update =
            "run the scenarios with LIGHTSHIP_UPDATE_JOURNEYS=1, then this test with LIGHTSHIP_UPDATE_DOCS=1";
        generated("README.md", "journeys", &table(), update).unwrap();
    }
}
