//! Faults that have names, each a few times with other moments and latencies.

use super::histories::{bound, play, report};
use super::operator::{address, service};
use super::plan::{Fault, Kind, Plan, QUIET, Shape};
use super::world::World;
use super::{MS, Micros, SECOND, Without};
use crate::names::NodeName;

fn fault(at: Micros, lasts: Micros, kind: Kind) -> Fault {
    Fault { at, lasts, kind }
}

/// The nodes that hold the first service and stand by for it before anything happens, in order.
fn cast(seed: u64, shape: &Shape) -> Vec<usize> {
    let plan = Plan {
        seed,
        shape: shape.clone(),
        faults: vec![],
        is_timed: false,
    };
    let (_, world) = play(&plan, Without::Nothing, false);
    let (_, binding) = &world.api.state.leases[&service(0)];
    let names = std::iter::once(&binding.holder).chain(&binding.order.standbys);
    let number = |name: &NodeName| name.as_str().trim_start_matches("node-").parse().unwrap();
    names.map(number).collect()
}

/// Plays the faults, of the first service's holder, at ten moments; each history has to be whole, and to pass `check`.
fn each(
    shape: &Shape,
    faults: impl Fn(Micros, &[usize]) -> Vec<Fault>,
    check: impl Fn(&World, Micros) -> Result<(), String>,
) {
    for seed in 1..=10 {
        let at = QUIET + seed * 137 * MS;
        let mut plan = Plan {
            seed,
            shape: shape.clone(),
            faults: faults(at, &cast(seed, shape)),
            is_timed: false,
        };
        plan.faults.sort_by_key(|fault| fault.at);
        let (broken, world) = play(&plan, Without::Nothing, false);
        let checked = broken.map_or(Ok(()), Err).and_then(|()| check(&world, at));
        if let Err(why) = checked {
            panic!("{why}\n{}", report(&plan, Without::Nothing));
        }
    }
}

fn silent_at_most(most: Micros) -> impl Fn(&World, Micros) -> Result<(), String> {
    move |world, at| {
        let silence = world.judge.longest_silence(at, world.now);
        if silence <= most {
            Ok(())
        } else {
            Err(format!("{} ms of silence, {} allowed", silence / MS, most / MS))
        }
    }
}

#[test]
fn a_crash_is_over_within_the_bound() {
    for nodes in [3, 4] {
        let shape = Shape::plain(nodes);
        let faults = |at, cast: &[usize]| vec![fault(at, 8 * SECOND, Kind::Crash(cast[0]))];
        each(&shape, faults, silent_at_most(bound(&shape)));
    }
}

#[test]
fn two_nodes_and_a_router_need_no_third() {
    let shape = Shape::plain(2);
    let faults = |at, cast: &[usize]| vec![fault(at, 8 * SECOND, Kind::Crash(cast[0]))];
    each(&shape, faults, silent_at_most(bound(&shape)));
}

#[test]
fn three_nodes_need_no_router() {
    let shape = Shape {
        gateway: false,
        ..Shape::plain(3)
    };
    let faults = |at, cast: &[usize]| vec![fault(at, 8 * SECOND, Kind::Crash(cast[0]))];
    each(&shape, faults, silent_at_most(bound(&shape)));
}

#[test]
fn a_cut_link_is_as_quick_whether_or_not_it_is_noticed() {
    let shape = Shape::plain(3);
    for seen in [false, true] {
        let link = |node| Kind::Link {
            node,
            segment: 0,
            seen,
        };
        let faults = |at, cast: &[usize]| vec![fault(at, 5 * SECOND, link(cast[0]))];
        each(&shape, faults, silent_at_most(bound(&shape)));
    }
}

#[test]
fn nobody_else_on_the_segment_means_waiting_for_the_heartbeat() {
    let shape = Shape {
        gateway: false,
        ..Shape::plain(2)
    };
    let faults = |at, cast: &[usize]| vec![fault(at, 8 * SECOND, Kind::Crash(cast[0]))];
    each(&shape, faults, |world, at| {
        let Some((moved, ..)) = world.judge.holders[&address(0)].get(1) else {
            return Err("it never moved".into());
        };
        if *moved < at + shape.duration * 2 / 3 - 100 * MS {
            return Err("it did not wait".into());
        }
        silent_at_most(shape.duration + SECOND)(world, at)
    });
}

#[test]
fn an_api_server_that_is_away_changes_nothing() {
    for kind in [Kind::ApiFrozen, Kind::ApiDown] {
        let shape = Shape::plain(3);
        let faults = |at, _: &[usize]| vec![fault(at, 20 * SECOND, kind)];
        each(&shape, faults, silent_at_most(0));
    }
}

#[test]
fn a_holder_that_dies_while_the_api_server_is_away_is_replaced_within_three_seconds() {
    for kind in [Kind::ApiFrozen, Kind::ApiDown] {
        let shape = Shape::plain(3);
        let faults = |at, cast: &[usize]| {
            vec![
                fault(at, 10 * SECOND, kind),
                fault(at + SECOND, 7 * SECOND, Kind::Crash(cast[0])),
            ]
        };
        each(&shape, faults, silent_at_most(3 * SECOND));
    }
}

#[test]
fn an_agent_that_restarts_is_not_noticed() {
    let shape = Shape::plain(3);
    let faults = |at, cast: &[usize]| vec![fault(at, SECOND, Kind::Restart(cast[0]))];
    each(&shape, faults, |world, at| {
        if world.judge.moves(&address(0)) > 0 {
            return Err("it moved".into());
        }
        silent_at_most(0)(world, at)
    });
}

#[test]
fn a_frozen_agent_answers_on_until_another_does() {
    let shape = Shape::plain(3);
    let faults = |at, cast: &[usize]| vec![fault(at, 8 * SECOND, Kind::Freeze(cast[0]))];
    each(&shape, faults, silent_at_most(0));
}

#[test]
fn two_of_three_that_are_deaf_to_each_other_move_an_address_at_most_once() {
    let shape = Shape::plain(3);
    for further in [1, 2] {
        for both in [false, true] {
            let deaf = |one| Kind::Deaf {
                one,
                other: (one + further) % 3,
                segment: 0,
                both,
            };
            let faults = |at, cast: &[usize]| vec![fault(at, 8 * SECOND, deaf(cast[0]))];
            each(&shape, faults, silent_at_most(bound(&shape)));
        }
    }
}

#[test]
fn both_nodes_of_two_that_are_apart_settle_on_one() {
    for gateway in [false, true] {
        let shape = Shape {
            gateway,
            ..Shape::plain(2)
        };
        let kind = Kind::Split { segment: 0, below: 1 };
        let faults = |at, _: &[usize]| vec![fault(at, 8 * SECOND, kind)];
        each(&shape, faults, |_, _| Ok(()));
    }
}

#[test]
fn a_machine_that_stood_still_answers_nothing_that_was_taken_from_it() {
    let shape = Shape::plain(3);
    for (queued, ticking) in [(false, false), (false, true), (true, false), (true, true)] {
        let pause = |node| Kind::Pause {
            node,
            queued,
            ticking,
        };
        let faults = |at, cast: &[usize]| vec![fault(at, 6 * SECOND, pause(cast[0]))];
        each(&shape, faults, silent_at_most(bound(&shape)));
    }
}

#[test]
fn the_second_standby_steps_in_where_the_first_died_too() {
    let shape = Shape::plain(4);
    let faults = |at, cast: &[usize]| {
        let dies = |node: &usize| fault(at, 8 * SECOND, Kind::Crash(*node));
        cast[..2].iter().map(dies).collect()
    };
    each(&shape, faults, silent_at_most(bound(&shape) + 250 * MS));
}

#[test]
fn without_the_api_server_too_the_second_standby_steps_in() {
    let shape = Shape::plain(4);
    let faults = |at, cast: &[usize]| {
        let dies = |node: &usize| fault(at + SECOND, 8 * SECOND, Kind::Crash(*node));
        let away = fault(at, 10 * SECOND, Kind::ApiFrozen);
        cast[..2].iter().map(dies).chain([away]).collect()
    };
    each(&shape, faults, silent_at_most(3 * SECOND));
}
