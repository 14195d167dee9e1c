//! The lab under random faults and edits, with clients that never stop asking. Whatever happens, no address is given twice or
//! moves without a cause, nobody deposed answers after a claim, and nothing is left behind or grows.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum as _;
use lightship_core::placement::MoveCause;
use lightship_tests::client::recording::Record;
use lightship_tests::lab::unit::Action;
use lightship_tests::scene::watching::{FLOOD, Seen};
use lightship_tests::scene::{PATIENCE, Plan, Scene};
use lightship_tests::{Options, eventually};
use tokio::runtime::Runtime;

use crate::edit::Edit;
use crate::fault::Fault;
use crate::given::Given;
use crate::report::{Figure, Report};
use crate::{api, spread, usage};

const PLAN: Plan = Plan {
    workers: 3,
    services: 8,
    dual: true,
};

/// How much more memory a process may have in the end than in the beginning: what it holds changes from round to round.
const MOST_GROWTH: f64 = 32.0;

/// Whose memory is looked at.
const PROCESSES: [&str; 5] = [
    "operator-1",
    "operator-2",
    "agent-node-1",
    "agent-node-2",
    "agent-node-3",
];

/// Numbers that look random and are the same for the same seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        number ^= number >> 31;
        let index = usize::try_from(number % all.len() as u64).unwrap_or_default();
        all[index]
    }
}

/// What all rounds came to.
#[derive(Default)]
struct Tally {
    silences: BTreeMap<&'static str, Vec<Duration>>,
    stale: usize,
    wandered: usize,
    wrong: Vec<String>,
}

pub(crate) fn run(
    runtime: &Runtime,
    minutes: u32,
    seed: u64,
    wanted: &[Fault],
    report: &mut Report,
) -> Result<()> {
    let faults = if wanted.is_empty() { &FAULTS } else { wanted };
    println!("seed {seed}: the same faults and edits in the same order");
    let scene = Scene::with("soak", PLAN, &Options::default())?;
    scene.operator(Action::Start, 2)?;
    let given = Given::follow(
        runtime,
        runtime.block_on(api::client(&scene.folder().kubeconfig()))?,
    )?;
    let before = memory(&scene);
    let (start, time) = (Instant::now(), Duration::from_secs(60 * u64::from(minutes)));
    let (mut dice, mut tally, mut rounds) = (Dice(seed), Tally::default(), 0_u32);
    while start.elapsed() < time {
        rounds += 1;
        let fault = dice.one_of(faults);
        let edit = dice.one_of(Edit::value_variants());
        println!(
            "{:>6.0?} round {rounds}: {}, {}",
            start.elapsed(),
            fault.name(),
            edit.name()
        );
        round(&scene, fault, edit, rounds, &mut tally)
            .with_context(|| format!("round {rounds} of seed {seed}: {}, {}", fault.name(), edit.name()))?;
        tally.wrong.extend(given.take_wrong());
    }
    report.tell(figures(&tally, rounds));
    for (name, now) in memory(&scene) {
        let first = before.get(name).copied().unwrap_or(now);
        if now > first + MOST_GROWTH {
            tally
                .wrong
                .push(format!("{name} had {first:.0} MiB and has {now:.0}"));
        }
        let what = format!("{name}: resident memory, beside the beginning");
        report.tell([Figure::beside(what, now, "MiB", first)]);
    }
    drop(given);
    // Fails if anything is left: processes, namespaces, pins.
    scene.down()?;
    for wrong in &tally.wrong {
        println!("{wrong}");
    }
    ensure!(
        tally.wrong.is_empty() && tally.stale == 0 && tally.wandered == 0,
        "seed {seed} found what may not be: see above"
    );
    Ok(())
}

/// Mass has a scene of its own; everything else may happen at any time.
const FAULTS: [Fault; 14] = [
    Fault::Crash,
    Fault::Cut,
    Fault::Uplink,
    Fault::Pause,
    Fault::Drain,
    Fault::AgentRestart,
    Fault::AgentKill,
    Fault::AgentFrozenBriefly,
    Fault::AgentFrozen,
    Fault::OperatorRestart,
    Fault::ApiLinkCut,
    Fault::ApiKilled,
    Fault::ApiFrozen,
    Fault::ApiFrozenCrash,
];

/// One fault as it is made.
struct Round<'a> {
    scene: &'a Scene,
    fault: Fault,
    /// The addresses of the node that it befalls.
    own: Vec<IpAddr>,
    /// Moves to even out load that were told before.
    evened_out: BTreeMap<String, String>,
    from: Duration,
    mended: Duration,
    /// Since when the node can hear claims again.
    hears: Duration,
}

fn round(scene: &Scene, fault: Fault, edit: Edit, number: u32, tally: &mut Tally) -> Result<()> {
    let victim = scene.holder(number % PLAN.services)?;
    eventually("a standby for every address", PATIENCE, || {
        let lacking = scene.bindings()?.iter().filter(|one| one.standbys == 0).count();
        ensure!(lacking == 0, "{lacking} lack one");
        Ok(())
    })?;
    scene.armed(&victim, 1)?;
    let (own, evened_out) = (held_by(scene, &victim)?, evened_out(scene)?);
    let watching = scene.watch()?;
    let from = watching.mark(format!("{}: {victim}", fault.name()));
    if fault.leaves_the_api() {
        edit.make(scene, number)?;
    }
    fault.make(scene, &victim, &watching)?;
    // A hand needs so long to mend anything.
    watching.for_a_while(Duration::from_secs(2));
    let mended = watching.mark("it is over");
    let hears = fault.mend(scene, &victim, &watching)?;
    if fault.leaves_the_api() {
        edit.take_back(scene, number)?;
    }
    watching.for_a_while(Duration::from_secs(2));
    let seen = watching.finish()?;
    let round = Round {
        scene,
        fault,
        own,
        evened_out,
        from,
        mended,
        hears,
    };
    round.judge(&seen, tally);
    if fault.moves() {
        scene.revive(&victim)?;
        // The operator distrusts a node the longer the more often it fell, which here would end the faults.
        scene.operator(Action::Stop, 1 + number % 2)?;
        scene.operator(Action::Start, 1 + number % 2)?;
    }
    scene.all_answered()
}

impl Round<'_> {
    fn judge(&self, seen: &Seen<'_>, tally: &mut Tally) {
        let (fault, from, settled) = (self.fault, self.from, seen.recording.settled());
        for (address, record) in &seen.recording.records {
            let silence = record.silence(from, settled);
            if silence.lost > 0 {
                tally
                    .silences
                    .entry(fault.name())
                    .or_default()
                    .push(silence.length());
            }
            let stale = self.stale(record, settled);
            let moves = record.holders(from, settled).len().saturating_sub(1);
            let due = usize::from(fault.moves() && self.own.contains(address));
            let wandered = moves > due && !self.was_evened_out(*address);
            let lost = if fault.costs_nothing() { silence.lost } else { 0 };
            if stale > 0 || wandered || lost > 0 {
                tally.wrong.push(format!(
                    "{}, {address}: {stale} stale answers, {moves} moves, {lost} questions lost\n{}",
                    fault.name(),
                    seen.timeline(from)
                ));
            }
            tally.stale += stale;
            tally.wandered += usize::from(wandered);
        }
    }

    /// Answers after another's claim. Who could hear none is held to those that are made since it can.
    fn stale(&self, record: &Record, settled: Duration) -> usize {
        if self.fault.deafens() {
            record.stale(self.from, self.mended, FLOOD).len()
                + record.stale_since(self.hears, settled, FLOOD).len()
        } else {
            record.stale(self.from, settled, FLOOD).len()
        }
    }

    /// Whether an event tells that an address was moved to even out load, which follows a fault at its own pace. An event comes
    /// after the move, and later still where the API server was away.
    fn was_evened_out(&self, address: IpAddr) -> bool {
        let address = address.to_string();
        let told = eventually(
            &format!("an event that says why {address} moved"),
            PATIENCE,
            || {
                let mut told = evened_out(self.scene)?;
                told.retain(|event, _| !self.evened_out.contains_key(event));
                let is_named = |note: &String| note.split([' ', ',']).any(|word| word == address);
                ensure!(told.values().any(is_named), "there is none");
                Ok(())
            },
        );
        told.is_ok()
    }
}

/// The addresses of a node.
fn held_by(scene: &Scene, node: &str) -> Result<Vec<IpAddr>> {
    let bindings = scene.bindings()?.into_iter();
    let own = bindings.filter(|one| one.holder == node);
    Ok(own.flat_map(|one| one.addresses).collect())
}

/// The events that tell of moves to even out load, by name, with what they say.
fn evened_out(scene: &Scene) -> Result<BTreeMap<String, String>> {
    let events = scene.get(&["events.events.k8s.io", "--field-selector=reason=Moved"])?;
    let cause = MoveCause::Rebalanced.to_string();
    let events = events["items"].as_array().into_iter().flatten();
    let told = events.filter_map(|event| {
        let (name, note) = (event["metadata"]["name"].as_str()?, event["note"].as_str()?);
        note.contains(&cause).then(|| (name.to_owned(), note.to_owned()))
    });
    Ok(told.collect())
}

fn memory(scene: &Scene) -> BTreeMap<&'static str, f64> {
    // One that was just killed has none.
    let of = |name: &'static str| Some((name, usage::memory(scene, name).ok()?.0));
    PROCESSES.into_iter().filter_map(of).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts stay small")]
fn figures(tally: &Tally, rounds: u32) -> Vec<Figure> {
    let mut figures = vec![
        Figure::alone("rounds", f64::from(rounds), ""),
        Figure::alone(
            "answers by a deposed node after the claim",
            tally.stale as f64,
            "",
        ),
        Figure::alone("addresses that wandered", tally.wandered as f64, ""),
        Figure::alone("what may not be, in all", tally.wrong.len() as f64, ""),
    ];
    for (fault, silences) in &tally.silences {
        figures.extend(spread::figures(
            &format!("{fault}: silence of an address that had one"),
            silences.clone(),
            None,
        ));
    }
    figures
}
