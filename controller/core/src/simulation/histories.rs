//! Random histories, what they must not break, and that they break where a mechanism is missing.

use std::net::IpAddr;
use std::num::NonZero;

use super::client::SAMPLE;
use super::dice::Dice;
use super::entries::LONGEST_REST;
use super::operator::address;
use super::plan::{Fault, Forger, Kind, Plan, QUIET, Shape};
use super::world::World;
use super::{MS, Micros, SECOND, Without};

/// Plays a plan; what it broke, and the tale if it was asked for.
pub(super) fn play(plan: &Plan, without: Without, told: bool) -> (Option<String>, World) {
    let mut world = World::new(plan, without, told);
    world.run();
    let verdict = world.judge.verdict.clone();
    let broken = verdict.map(|(at, why)| format!("at {} ms {why}", at / MS));
    let broken = broken.or_else(|| limits(plan, &world));
    (broken, world)
}

/// What holds of histories with few faults.
fn limits(plan: &Plan, world: &World) -> Option<String> {
    // Busy machines change how soon something is done, services that come and go whose lease says who holds, and nothing else.
    let is_aside = |fault: &&Fault| matches!(fault.kind, Kind::Busy | Kind::Retire { .. });
    let (aside, others): (Vec<Fault>, Vec<Fault>) = plan.faults.iter().partition(is_aside);
    let busy = aside.iter().any(|fault| fault.kind == Kind::Busy);
    if let (true, [fault]) = (plan.is_timed, others.as_slice()) {
        let silence = world.judge.longest_silence(fault.at, world.now);
        let most = bound(&plan.shape) + if busy { LATENESS } else { 0 };
        if silence > most {
            return Some(format!("{} ms of silence, {} allowed", silence / MS, most / MS));
        }
    }
    if let ([], [fault, ..]) = (others.as_slice(), aside.as_slice())
        && !busy
    {
        let silence = world.judge.longest_silence(fault.at, world.now);
        if silence > 0 {
            return Some(format!("{} ms of silence by {:?}", silence / MS, fault.kind));
        }
    }
    if let [fault] = others.as_slice()
        && costs_nothing(fault.kind)
    {
        let silence = world.judge.longest_silence(fault.at, world.now);
        if silence > 0 {
            return Some(format!("{} ms of silence by {:?}", silence / MS, fault.kind));
        }
    }
    let (most, node) = match others.as_slice() {
        [] => (0, None),
        [fault] => match fault.kind {
            // Frames and requests that get lost at random are many faults.
            // And who has a member's name on its claims is believed, until a lease says otherwise.
            Kind::Noise { .. }
            | Kind::ApiLossy
            | Kind::Forged {
                by: Forger::Member(..),
                ..
            } => return None,
            kind if kind.harms_no_holder() => (0, None),
            kind => (1, kind.node()),
        },
        _ => return None,
    };
    let may_move = |address: &IpAddr| {
        let first = world
            .judge
            .holders
            .get(address)
            .and_then(|holders| holders.first());
        let is_hit =
            node.is_none_or(|node| first.is_some_and(|(_, holder, _)| *holder == format!("node-{node}")));
        if is_hit { most } else { 0 }
    };
    let mut groups = (0..plan.shape.groups).map(address);
    let address = groups.find(|address| world.judge.moves(address) > may_move(address))?;
    let moves = &world.judge.holders[&address];
    Some(format!(
        "{address} moved more than {} times: {moves:?}",
        may_move(&address)
    ))
}

/// Whether some kernel can answer all the time: it was done on purpose, only user space stands still, or nobody believes it.
fn costs_nothing(kind: Kind) -> bool {
    let moves_in_time = matches!(kind, Kind::Drain(_) | Kind::Freeze(_));
    moves_in_time || kind.harms_no_holder()
}

/// How long nobody may answer after a holder's death: three misses and the last one's deadline, three round trips to the
/// API server, a frame; what timers may be late, how long a kernel is left alone, and how often the client looks.
pub(super) fn bound(shape: &Shape) -> Micros {
    3 * 100 * MS + 50 * MS + 6 * shape.api.1 + shape.lan.1 + 5 * shape.jitter + LONGEST_REST + SAMPLE
}

/// What busy machines may add to that: a stall before each of the three probes and one more before its end, one before the claim
/// and one before what comes of it. All of them as long as can be is more than chance brings together.
const LATENESS: Micros = 1500 * MS;

/// A holder dies or loses its link, in a cluster where somebody can tell.
fn death(seed: u64) -> Plan {
    let mut plan = Plan::roll(seed, 1);
    let mut dice = Dice::new(seed ^ 0xDEAD);
    let (node, segment) = (dice.index(plan.shape.nodes), 0);
    plan.shape.gateway |= plan.shape.nodes == 2;
    plan.shape.segments = 1;
    plan.faults[0].lasts = 8 * SECOND;
    plan.faults[0].kind = match dice.below(3) {
        0 => Kind::Crash(node),
        which => Kind::Link {
            node,
            segment,
            seen: which == 1,
        },
    };
    plan.is_timed = true;
    plan
}

/// The same on machines that are busy all the time.
pub(super) fn busy_death(seed: u64) -> Plan {
    let mut plan = death(seed);
    plan.faults.insert(0, busy(&plan));
    plan
}

/// Nothing is wrong but that machines are busy.
pub(super) fn busy_only(seed: u64) -> Plan {
    let mut plan = Plan::roll(seed, 0);
    plan.faults.push(busy(&plan));
    plan
}

fn busy(plan: &Plan) -> Fault {
    let lasts = plan.healed().max(QUIET + 10 * SECOND) - QUIET;
    let (at, kind) = (QUIET, Kind::Busy);
    Fault { at, lasts, kind }
}

/// Leaves out faults while the history still fails.
pub(super) fn shrink(mut plan: Plan, without: Without) -> Plan {
    let mut number = 0;
    while number < plan.faults.len() {
        let mut shorter = plan.clone();
        shorter.faults.remove(number);
        if play(&shorter, without, false).0.is_some() {
            plan = shorter;
            number = 0;
        } else {
            number += 1;
        }
    }
    plan
}

/// How a plan breaks, for a person to read.
pub(super) fn report(plan: &Plan, without: Without) -> String {
    let (broken, world) = play(plan, without, true);
    let faults: Vec<String> = plan.faults.iter().map(|fault| format!("{fault:?}")).collect();
    format!(
        "seed {}: {}\n{:?}\n{}\n{}",
        plan.seed,
        broken.unwrap_or_else(|| "not broken when told".into()),
        plan.shape,
        faults.join("\n"),
        world.tale.unwrap_or_default().join("\n")
    )
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// The first seed whose history breaks something.
pub(super) fn first_broken(
    seeds: impl Iterator<Item = u64>,
    plan: impl Fn(u64) -> Plan,
    without: Without,
) -> Option<(u64, Plan)> {
    seeds
        .map(|seed| (seed, plan(seed)))
        .find(|(_, plan)| play(plan, without, false).0.is_some())
}

/// Plays many histories on every processor, and fails with the first that breaks.
pub(super) fn hold(name: &str, default: u64, plan: impl Fn(u64) -> Plan + Sync) {
    let first = number("LIGHTSHIP_SIM_SEED", 1);
    let count = number("LIGHTSHIP_SIM_HISTORIES", default);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get) as u64;
    let started = std::time::Instant::now();
    std::thread::scope(|scope| {
        let part = |start: u64| {
            let plan = &plan;
            move || {
                let seeds = (first + start..first + count).step_by(usize::try_from(threads).unwrap());
                first_broken(seeds, plan, Without::Nothing)
            }
        };
        let workers: Vec<_> = (0..threads).map(|start| scope.spawn(part(start))).collect();
        for worker in workers {
            if let Some((_, plan)) = worker.join().unwrap() {
                let short = shrink(plan, Without::Nothing);
                panic!("{name}: {}", report(&short, Without::Nothing));
            }
        }
    });
    #[expect(clippy::print_stderr, reason = "how fast it goes is part of the report")]
    let () = eprintln!("{name}: {count} histories in {:?}", started.elapsed());
}

/// These histories have to hold whichever seeds the others begin with.
pub(super) fn replay(plans: impl IntoIterator<Item = Plan>) {
    for plan in plans {
        let broken = play(&plan, Without::Nothing, false).0;
        assert!(broken.is_none(), "{}", report(&plan, Without::Nothing));
    }
}

#[test]
fn without_faults_nothing_moves() {
    hold("quiet", 100, |seed| Plan::roll(seed, 0));
}

#[test]
fn a_single_fault_moves_an_address_at_most_once() {
    hold("single", 850, |seed| Plan::roll(seed, 1));
}

#[test]
fn a_dead_holder_is_replaced_within_the_bound() {
    hold("death", 400, death);
}

#[test]
fn on_busy_machines_too() {
    hold("busy death", 150, busy_death);
}

#[test]
fn nobody_alive_is_suspected_by_who_is_late() {
    hold("busy", 100, busy_only);
}

/// A node is drained; nothing is wrong.
pub(super) fn drain(seed: u64) -> Plan {
    let mut plan = Plan::roll(seed, 1);
    plan.faults[0].kind = Kind::Drain(Dice::new(seed ^ 0xD4A1).index(plan.shape.nodes));
    plan
}

#[test]
fn a_planned_move_is_not_noticed() {
    hold("drain", 150, drain);
}

/// An agent stands still for as long as it takes.
pub(super) fn freeze(seed: u64) -> Plan {
    let mut plan = Plan::roll(seed, 1);
    plan.faults[0].kind = Kind::Freeze(Dice::new(seed ^ 0xF4EE).index(plan.shape.nodes));
    plan.faults[0].lasts = 3 * plan.shape.duration;
    plan
}

#[test]
fn a_frozen_agent_is_not_noticed() {
    hold("freeze", 75, freeze);
}

/// Claims that are nobody's, and whatever else goes wrong.
pub(super) fn forged(seed: u64) -> Plan {
    let mut plan = Plan::roll(seed, 3);
    let mut dice = Dice::new(seed ^ 0xF04D);
    let node = dice.index(plan.shape.nodes);
    plan.faults[0].kind = Kind::Forged {
        segment: dice.index(plan.shape.segments),
        by: Forger::roll(&mut dice, node),
    };
    plan
}

/// Claims that are nobody's, and nothing else.
pub(super) fn forged_alone(seed: u64) -> Plan {
    let mut plan = forged(seed);
    plan.faults.truncate(1);
    plan
}

#[test]
fn forged_claims_that_nobody_believes_cost_nothing() {
    hold("forged alone", 75, forged_alone);
}

#[test]
fn forged_claims_break_nothing_for_good() {
    hold("forged", 150, forged);
}

#[test]
fn many_faults_break_nothing_for_good() {
    hold("many", 850, |seed| Plan::roll(seed, 6));
}

#[test]
fn a_dozen_faults_at_once_break_nothing_for_good() {
    hold("dozen", 400, |seed| Plan::roll(seed, 12));
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let plan = Plan::roll(7, 5);
    let tale = || play(&plan, Without::Nothing, true).1.tale;
    assert_eq!(tale(), tale());
}

#[test]
fn a_standby_that_lost_addresses_is_the_first_for_no_others() {
    replay([busy_death(120_170)]);
}

#[test]
fn who_was_deposed_and_did_not_hear_of_it_does_not_answer_for_good() {
    replay([
        Plan::roll(121_177, 6),
        Plan::roll(90770, 12),
        Plan::roll(121_071, 12),
    ]);
}
