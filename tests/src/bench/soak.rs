//! The lab under random faults and edits, with clients that never stop asking. Whatever happens, no address is given twice or
//! moves without a cause, nobody deposed answers after a claim, and nothing is left behind or grows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum as _;
use lightship_tests::lab::unit::Action;
use lightship_tests::scene::watching::{FLOOD, Seen};
use lightship_tests::scene::{PATIENCE, Plan, Scene};
use lightship_tests::{Options, eventually};

use crate::edit::Edit;
use crate::fault::Fault;
use crate::report::{Figure, Report};
use crate::{spread, usage};

const PLAN: Plan = Plan {
    workers: 3,
    services: 8,
    dual: true,
};

/// After a fault is mended nodes that hear of it late may still answer: until then a claim is delivered to them.
const TOLD: Duration = Duration::from_secs(1);

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

pub(crate) fn run(minutes: u32, seed: u64, wanted: &[Fault], report: &mut Report) -> Result<()> {
    let faults = if wanted.is_empty() { &FAULTS } else { wanted };
    println!("seed {seed}: the same faults and edits in the same order");
    let scene = Scene::with("soak", PLAN, &Options::default())?;
    scene.operator(Action::Start, 2)?;
    let given = given(&scene)?;
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
        check_given(&scene, &given, &mut tally)?;
    }
    report.tell(figures(&tally, rounds));
    report.tell(memory(&scene).into_iter().map(|(name, now)| {
        let first = before.get(name).copied().unwrap_or(now);
        Figure::beside(
            format!("{name}: resident memory, beside the beginning"),
            now,
            "MiB",
            first,
        )
    }));
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
const FAULTS: [Fault; 10] = [
    Fault::Crash,
    Fault::Cut,
    Fault::Uplink,
    Fault::Pause,
    Fault::Drain,
    Fault::AgentRestart,
    Fault::AgentKill,
    Fault::AgentFrozen,
    Fault::OperatorRestart,
    Fault::ApiFrozen,
];

fn round(scene: &Scene, fault: Fault, edit: Edit, number: u32, tally: &mut Tally) -> Result<()> {
    let victim = scene.holder(number % PLAN.services)?;
    eventually("a standby for every address", PATIENCE, || {
        let lacking = scene.bindings()?.iter().filter(|one| one.standbys == 0).count();
        ensure!(lacking == 0, "{lacking} lack one");
        Ok(())
    })?;
    scene.armed(&victim, 1)?;
    let watching = scene.watch()?;
    let from = watching.mark(format!("{}: {victim}", fault.name()));
    // An API server that stands still takes no edit.
    let during = fault != Fault::ApiFrozen;
    if during {
        edit.make(scene, number)?;
    }
    fault.make(scene, &victim, &watching)?;
    // A hand needs so long to mend anything.
    watching.for_a_while(Duration::from_secs(2));
    let mended = watching.mark("it is over");
    fault.mend(scene, &victim, &watching)?;
    if during {
        edit.take_back(scene, number)?;
    }
    watching.for_a_while(Duration::from_secs(2));
    let seen = watching.finish()?;
    judge(&seen, fault, (from, mended), tally);
    if fault.moves() {
        scene.revive(&victim)?;
        // The operator distrusts a node the longer the more often it fell, which here would end the faults.
        scene.operator(Action::Stop, 1 + number % 2)?;
        scene.operator(Action::Start, 1 + number % 2)?;
    }
    scene.all_answered()
}

fn judge(seen: &Seen<'_>, fault: Fault, (from, mended): (Duration, Duration), tally: &mut Tally) {
    let settled = seen.recording.settled();
    for (address, record) in &seen.recording.records {
        let silence = record.silence(from, settled);
        if silence.lost > 0 {
            tally
                .silences
                .entry(fault.name())
                .or_default()
                .push(silence.length());
        }
        let mut stale = record.stale(from, settled, FLOOD);
        stale.retain(|answer| answer.at < mended || answer.at > mended + TOLD);
        let holders = record.holders(mended + TOLD, settled).len();
        let lost = if fault.costs_nothing() { silence.lost } else { 0 };
        if !stale.is_empty() || holders > 2 || lost > 0 {
            tally.wrong.push(format!(
                "{}, {address}: {} stale answers, {holders} holders in the end, {lost} questions lost\n{}",
                fault.name(),
                stale.len(),
                seen.timeline(from)
            ));
        }
        tally.stale += stale.len();
        tally.wandered += usize::from(holders > 2);
    }
}

/// Every service's addresses.
fn given(scene: &Scene) -> Result<BTreeMap<String, BTreeSet<IpAddr>>> {
    let services = scene.get(&["services"])?;
    let items = services["items"].as_array().cloned().unwrap_or_default();
    let of = items.iter().map(|item| {
        let ingress = item["status"]["loadBalancer"]["ingress"].as_array().cloned();
        let addresses = ingress.unwrap_or_default();
        let addresses = addresses
            .iter()
            .filter_map(|one| one["ip"].as_str()?.parse().ok());
        let name = item["metadata"]["name"].as_str().unwrap_or_default();
        (name.to_owned(), addresses.collect())
    });
    Ok(of.collect())
}

/// No address is in two services, and the scene's services have what they had in the beginning.
fn check_given(scene: &Scene, first: &BTreeMap<String, BTreeSet<IpAddr>>, tally: &mut Tally) -> Result<()> {
    let now = given(scene)?;
    let mut owners: BTreeMap<IpAddr, Vec<&String>> = BTreeMap::new();
    for (name, addresses) in &now {
        for address in addresses {
            owners.entry(*address).or_default().push(name);
        }
    }
    let twice = owners.iter().filter(|(_, names)| names.len() > 1);
    tally
        .wrong
        .extend(twice.map(|(address, names)| format!("{address} is given to {names:?}")));
    let changed = first
        .iter()
        .filter(|(name, addresses)| now.get(*name) != Some(addresses));
    tally.wrong.extend(
        changed.map(|(name, addresses)| format!("{name} had {addresses:?} and has {:?}", now.get(name))),
    );
    Ok(())
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
