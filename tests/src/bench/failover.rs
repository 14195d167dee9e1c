//! Each fault many times in one lab, seen by a client that asks for every address every 10 ms.
//!
//! There is no yardstick of another project in here: Cilium's L2 announcements wait for a lease of 15 s by their timers, and so does
//! an operator that waits for a heartbeat. What stands beside the silences is this client's own round trip, in the same run.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::ValueEnum as _;
use lightship_tests::{
    eventually,
    lab::unit::Action,
    scene::{PATIENCE, Plan, Scene, watching::FLOOD},
};

use crate::{
    fault::Fault,
    report::{Figure, Report},
    spread,
};

/// Services of a scene: enough that every node has some, few enough that each is asked for every 10 ms.
const SERVICES: u32 = 6;

/// Mass: all on one node.
const MASS: u32 = 500;

/// What one fault did.
#[derive(Default)]
struct Tally {
    /// The longest silence of each address of the node, of each run.
    silences: Vec<Duration>,
    /// The longest of all addresses, of each run.
    worst: Vec<Duration>,
    lost: usize,
    /// Lost when the fault was mended.
    lost_later: usize,
    stale: usize,
    /// Answers beside the new holder's by a node that was deaf when that one claimed, until it claimed again.
    unheard: usize,
    wandered: usize,
    round_trips: Vec<Duration>,
    slowest: Option<(Duration, String)>,
    longest_pause: Duration,
    unready: usize,
}

pub(crate) fn run(runs: u32, wanted: &[Fault], report: &mut Report) -> Result<()> {
    let all = if wanted.is_empty() {
        Fault::value_variants()
    } else {
        wanted
    };
    let (mass, others): (Vec<Fault>, Vec<Fault>) = all.iter().partition(|fault| **fault == Fault::Mass);
    if !others.is_empty() {
        let scene = Scene::up(
            "bench-failover",
            Plan {
                services: SERVICES,
                ..Plan::default()
            },
        )?;
        for fault in others {
            tell(&scene, fault, fault.runs(runs), report)?;
        }
        scene.down()?;
    }
    for fault in mass {
        let scene = Scene::mass("bench-mass", MASS)?;
        tell(&scene, fault, fault.runs(runs), report)?;
        scene.down()?;
    }
    Ok(())
}

fn tell(scene: &Scene, fault: Fault, runs: u32, report: &mut Report) -> Result<()> {
    let mut tally = Tally::default();
    let start = Instant::now();
    for run in 1..=runs {
        if let Err(error) = once(scene, fault, &mut tally) {
            println!("{}, run {run}: {error:#}", fault.name());
            tally.unready += 1;
            anyhow::ensure!(
                tally.unready <= 3,
                "failed to go on: {} runs came to nothing",
                tally.unready
            );
            restore(scene)?;
        }
        if run % 20 == 0 {
            println!("{}: {run} of {runs} after {:?}", fault.name(), start.elapsed());
        }
    }
    if let Some((_, timeline)) = &tally.slowest {
        println!("{}: the slowest of {runs}:\n{timeline}", fault.name());
    }
    report.tell(figures(fault, &tally));
    Ok(())
}

fn figures(fault: Fault, tally: &Tally) -> Vec<Figure> {
    let name = fault.name();
    let mut trips = tally.round_trips.clone();
    trips.sort_unstable();
    let trip = spread::quantile(&trips, 500);
    let mut figures = Vec::new();
    if fault.moves() {
        figures.extend(spread::figures(
            &format!("{name}: silence of an address"),
            tally.silences.clone(),
            Some(trip),
        ));
        figures.extend(spread::figures(
            &format!("{name}: longest silence of a run"),
            tally.worst.clone(),
            None,
        ));
    }
    #[expect(clippy::cast_precision_loss, reason = "counts stay small")]
    let count = |what: &str, count: usize| Figure::alone(format!("{name}: {what}"), count as f64, "");
    figures.extend([
        count("questions nobody answered", tally.lost),
        count("questions nobody answered when it was mended", tally.lost_later),
        count("answers by a deposed node after the claim", tally.stale),
        count(
            "answers by a deposed node that no claim had reached yet",
            tally.unheard,
        ),
        count("addresses that moved more than once", tally.wandered),
        count("runs that came to nothing", tally.unready),
        Figure::alone(
            format!("{name}: the client's own longest pause"),
            tally.longest_pause.as_secs_f64() * 1e3,
            "ms",
        ),
    ]);
    figures
}

/// The node with the most addresses is the victim.
fn victim(scene: &Scene) -> Result<String> {
    let bindings = scene.bindings()?;
    let count = |node: &str| bindings.iter().filter(|one| one.holder == node).count();
    let most = bindings.iter().max_by_key(|one| count(&one.holder));
    most.map(|one| one.holder.clone())
        .context("nobody holds anything")
}

fn once(scene: &Scene, fault: Fault, tally: &mut Tally) -> Result<()> {
    let mut node = victim(scene)?;
    if fault == Fault::Mass {
        scene.gather(&node)?;
    } else {
        ready(scene, &node)?;
        node = victim(scene)?;
    }
    let own: Vec<_> = scene
        .bindings()?
        .into_iter()
        .filter(|one| one.holder == node)
        .flat_map(|one| one.addresses)
        .collect();
    let watching = scene.watch()?;
    let from = watching.mark(format!("{}: {node}", fault.name()));
    fault.make(scene, &node, &watching)?;
    let mended = watching.mark("it is over");
    let hears = fault.mend(scene, &node, &watching)?;
    let seen = watching.finish()?;
    let settled = seen.recording.settled();
    let mut worst = Duration::ZERO;
    for (address, record) in &seen.recording.records {
        let silence = record.silence(from, mended);
        tally.lost += record
            .silences(from, mended)
            .iter()
            .map(|one| one.lost)
            .sum::<usize>();
        tally.lost_later += record
            .silences(mended, settled)
            .iter()
            .map(|one| one.lost)
            .sum::<usize>();
        let all = record.stale(from, settled, FLOOD).len();
        let stale = if fault.deafens() {
            record.stale(from, mended, FLOOD).len() + record.stale_since(hears, settled, FLOOD).len()
        } else {
            all
        };
        tally.stale += stale;
        tally.unheard += all.saturating_sub(stale);
        tally.wandered += usize::from(record.holders(from, settled).len() > 2);
        worst = worst.max(silence.length());
        if own.contains(address) {
            tally.silences.push(silence.length());
        }
    }
    tally.worst.push(worst);
    tally.longest_pause = tally.longest_pause.max(seen.recording.longest_pause);
    tally
        .round_trips
        .extend(seen.recording.round_trips.iter().take(200));
    if tally.slowest.as_ref().is_none_or(|(slowest, _)| worst > *slowest) {
        tally.slowest = Some((worst, seen.timeline(from)));
    }
    if fault.moves() {
        restore(scene)?;
    }
    Ok(())
}

/// Whole again: every node up and heard. The operator distrusts a node the longer the more often it fell, which here is the
/// benchmark's doing: a new operator knows nothing of that.
fn restore(scene: &Scene) -> Result<()> {
    // A run that came to nothing may have left it frozen.
    scene.api(Action::Thaw)?;
    for node in ["node-1", "node-2", "node-3"] {
        scene.revive(node)?;
    }
    scene.operator(Action::Stop, 1)?;
    scene.operator(Action::Start, 1)?;
    scene.all_answered()
}

/// Two nodes stand by for every address, and have heard the victim.
fn ready(scene: &Scene, victim: &str) -> Result<()> {
    eventually("two standbys for every address", PATIENCE, || {
        let bindings = scene.bindings()?;
        let lacking = bindings.iter().filter(|one| one.standbys < 2).count();
        anyhow::ensure!(lacking == 0, "{lacking} lack one");
        Ok(())
    })?;
    scene.armed(victim, 2).map(drop)
}
