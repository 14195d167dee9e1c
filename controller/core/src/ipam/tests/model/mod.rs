//! Random histories against a naive reference: after every event the invariants hold, whatever happened before.
//!
//! A history is made from a seed and consists of plain events, so that one that fails is shrunk by leaving events out.
//! `LIGHTSHIP_MODEL_SEED` runs the histories from another seed on, `LIGHTSHIP_MODEL_HISTORIES` another number.

mod cluster;
mod event;
mod invariants;
mod operator;

use cluster::Cluster;
use event::{Dice, Event};

const EVENTS: usize = 250;

fn run(history: &[Event]) -> Result<(), String> {
    let mut cluster = Cluster::default();
    cluster.happen(&Event::Restart);
    for (step, event) in history.iter().enumerate() {
        let before = cluster.before();
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

#[test]
fn random_histories_hold_the_invariants() {
    let first = number("LIGHTSHIP_MODEL_SEED", 1);
    for seed in first..first + number("LIGHTSHIP_MODEL_HISTORIES", 100) {
        let mut dice = Dice::new(seed);
        let history: Vec<Event> = (0..EVENTS).map(|_| Event::roll(&mut dice)).collect();
        if run(&history).is_err() {
            let short = shrink(history);
            let broken = run(&short).unwrap_err();
            let told: Vec<String> = short.iter().map(|event| format!("{event:?}")).collect();
            panic!("seed {seed}: {broken}\n{}", told.join("\n"));
        }
    }
}
