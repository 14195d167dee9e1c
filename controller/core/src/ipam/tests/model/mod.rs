//! Random histories against a naive reference: after every event the invariants hold, whatever happened before.
//!
//! A history is made from a seed and consists of plain events, so that one that fails is shrunk by leaving events out.
//! `LIGHTSHIP_MODEL_SEED` runs the histories from another seed on, `LIGHTSHIP_MODEL_HISTORIES` another number; `hack/test` runs
//! a million events.

mod cluster;
mod event;
mod frozen;
mod invariants;
mod operator;

use std::num::NonZero;

use cluster::Cluster;
use event::{Dice, Event};

const EVENTS: usize = 250;

fn run(history: &[Event]) -> Result<(), String> {
    let mut cluster = Cluster::default();
    cluster.happen(&Event::Restart);
    for (step, event) in history.iter().enumerate() {
        let before = cluster.before(event);
        cluster.happen(event);
        invariants::check(&cluster, &before)
            .map_err(|broken| format!("event {step}, {event:?}: {broken}"))?;
    }
    Ok(())
}

/// Leaves out events, ever fewer at once, while the history still fails.
fn shrink(mut history: Vec<Event>) -> Vec<Event> {
    let mut size = history.len() / 2;
    while size > 0 {
        let mut start = 0;
        while start < history.len() {
            let mut shorter = history.clone();
            shorter.drain(start..(start + size).min(history.len()));
            if run(&shorter).is_err() {
                history = shorter;
            } else {
                start += size;
            }
        }
        size /= 2;
    }
    history
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// The first history from these seeds on that breaks an invariant, shrunk, and how it does.
fn broken(seeds: impl Iterator<Item = u64>) -> Option<String> {
    for seed in seeds {
        let mut dice = Dice::new(seed);
        let history: Vec<Event> = (0..EVENTS).map(|_| Event::roll(&mut dice)).collect();
        if run(&history).is_err() {
            let short = shrink(history);
            let broken = run(&short).unwrap_err();
            let told: Vec<String> = short.iter().map(|event| format!("{event:?}")).collect();
            return Some(format!("seed {seed}: {broken}\n{}", told.join("\n")));
        }
    }
    None
}

#[test]
fn random_histories_hold_the_invariants() {
    let first = number("LIGHTSHIP_MODEL_SEED", 1);
    let seeds = first..first + number("LIGHTSHIP_MODEL_HISTORIES", 400);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let part = |start: usize| seeds.clone().skip(start).step_by(threads);
        let workers: Vec<_> = (0..threads)
            .map(|start| scope.spawn(move || broken(part(start))))
            .collect();
        for worker in workers {
            if let Some(broken) = worker.join().unwrap() {
                panic!("{broken}");
            }
        }
    });
}
