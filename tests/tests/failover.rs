//! The holder falls silent: what its clients see of it.

use std::time::Duration;

use anyhow::{Result, ensure};
use lightship_tests::{
    lab::network::LAN,
    scene::{Plan, Scene},
};

/// Far below what waiting for a heartbeat takes, far above what a busy machine adds; `hack/bench failover` has the distribution.
const SOON: Duration = Duration::from_secs(3);

#[test]
fn a_crashed_node_is_replaced() -> Result<()> {
    let scene = Scene::up("node-crash", Plan::default())?;
    let old = scene.ready()?;
    let watching = scene.watch()?;
    let start = watching.mark(format!("{old} crashes"));
    scene.crash(&old)?;
    watching.mark("it has crashed");
    watching.answered_by_others(&old)?;
    let seen = watching.finish()?;
    seen.silent_less_than(SOON, start)?;
    seen.moves(1, start)?;
    seen.nobody_stale(start)?;
    seen.pages(SOON)?;
    scene.down()
}

#[test]
fn five_hundred_services_of_a_crashed_node_are_all_answered_again() -> Result<()> {
    let scene = Scene::mass("mass", 500)?;
    let old = scene.ready()?;
    // The others drain into it, so that one node has them all: the worst that can crash.
    scene.gather(&old)?;
    let watching = scene.watch()?;
    let start = watching.mark(format!("{old} crashes with 500 addresses"));
    scene.crash(&old)?;
    watching.mark("it has crashed");
    watching.answered_by_others(&old)?;
    let seen = watching.finish()?;
    // Below what waiting for a heartbeat takes. A debug build took 8 s on two busy cores; what is promised of a release build
    // (2 s) is the benchmark's to show.
    seen.silent_less_than(Duration::from_secs(12), start)?;
    seen.moves(1, start)?;
    seen.nobody_stale(start)?;
    scene.down()
}

#[test]
fn a_holder_whose_lan_link_is_cut_is_replaced_and_does_not_come_back_with_it() -> Result<()> {
    let scene = Scene::up("cut", Plan::default())?;
    let old = scene.ready()?;
    let watching = scene.watch()?;
    let cut = watching.mark(format!("the LAN link of {old} is cut; the API link lives"));
    scene.link(&old, LAN, false)?;
    watching.answered_by_others(&old)?;
    // As long as a hand needs for a plug. A link that flaps within a tenth of a second is another matter: until a claim
    // reaches it, the old holder answers for some 50 ms, as `hack/bench failover --fault cut` shows.
    watching.for_a_while(Duration::from_secs(2));
    let healed = watching.mark("the link is back");
    scene.link(&old, LAN, true)?;
    watching.for_a_while(Duration::from_secs(8));
    let seen = watching.finish()?;
    seen.silent_less_than(SOON, cut)?;
    seen.nothing_lost(healed)?;
    seen.moves(1, cut)?;
    seen.doubly_answered(0, healed)?;
    seen.nobody_stale(cut)?;
    scene.down()
}

#[test]
fn an_uplink_cut_without_a_link_event_is_noticed_and_its_return_too() -> Result<()> {
    let scene = Scene::up("uplink", Plan::default())?;
    let old = scene.ready()?;
    let watching = scene.watch()?;
    let cut = watching.mark(format!(
        "the switch forwards nothing more for {old}; its carrier stays"
    ));
    scene.uplink(&old, LAN, false)?;
    watching.answered_by_others(&old)?;
    let healed = watching.mark("the switch forwards again");
    scene.uplink(&old, LAN, true)?;
    watching.for_a_while(Duration::from_secs(8));
    let seen = watching.finish()?;
    seen.silent_less_than(SOON, cut)?;
    seen.nothing_lost(healed)?;
    // It has not heard the claim: until one is delivered to it, which its first answer provokes, it cannot know.
    let told = healed + Duration::from_secs(1);
    seen.moves(1, told)?;
    seen.doubly_answered(0, told)?;
    seen.nobody_stale(told)?;
    scene.down()
}

#[test]
fn a_node_that_hears_nobody_takes_nothing() -> Result<()> {
    let scene = Scene::up(
        "witness",
        Plan {
            services: 6,
            ..Plan::default()
        },
    )?;
    let alone = scene.ready()?;
    let bindings = scene.bindings()?;
    let others: Vec<_> = bindings.iter().filter(|one| one.holder != alone).collect();
    for holder in others.iter().map(|one| &one.holder) {
        scene.armed(holder, 2)?;
    }
    let watching = scene.watch()?;
    let cut = watching.mark(format!("{alone} hears nobody on the LAN, and has the API"));
    scene.uplink(&alone, LAN, false)?;
    watching.answered_by_others(&alone)?;
    watching.for_a_while(Duration::from_secs(5));
    let seen = watching.finish()?;
    for address in others.iter().flat_map(|one| &one.addresses) {
        let record = &seen.recording.records[address];
        let lost = record.silence(cut, seen.recording.settled()).lost;
        let answerers = record.answerers(cut, seen.recording.until);
        ensure!(
            lost == 0 && answerers.len() == 1,
            "{address}, which {alone} did not hold, went through {answerers:?}, {lost} questions lost\n{}",
            seen.timeline(cut)
        );
    }
    scene.down()
}

#[test]
fn a_machine_that_was_paused_does_not_answer_for_long_when_it_goes_on() -> Result<()> {
    let scene = Scene::up("pause", Plan::default())?;
    let old = scene.ready()?;
    let watching = scene.watch()?;
    let paused = watching.mark(format!("{old} stands still"));
    scene.pause(&old)?;
    watching.answered_by_others(&old)?;
    // The claim is not repeated any more: who goes on now has to be found. It is within its liveness gate, so that its kernel
    // would answer as if nothing had happened.
    watching.for_a_while(Duration::from_secs(4));
    let resumed = watching.mark("it goes on");
    scene.resume(&old)?;
    watching.for_a_while(Duration::from_secs(8));
    let seen = watching.finish()?;
    seen.silent_less_than(SOON, paused)?;
    seen.nothing_lost(resumed)?;
    let told = resumed + Duration::from_secs(1);
    seen.moves(1, told)?;
    seen.doubly_answered(0, told)?;
    seen.nobody_stale(told)?;
    scene.down()
}

/// The holder of the first service and another node do not hear each other for a while; everybody else hears both.
fn deaf_for_a_while(test: &str, plan: Plan) -> Result<()> {
    let scene = Scene::up(test, plan)?;
    let old = scene.ready()?;
    let other = scene.another(&[&old])?;
    let watching = scene.watch()?;
    let deaf = watching.mark(format!("{old} and {other} are deaf to each other"));
    scene.deafen([&old, &other])?;
    watching.for_a_while(Duration::from_secs(25));
    let healed = watching.mark("they hear each other again");
    scene.undeafen([&old, &other])?;
    watching.for_a_while(Duration::from_secs(5));
    let seen = watching.finish()?;
    // The deposed one may read the lease a moment before the new one answers.
    seen.silent_less_than(SOON, deaf)?;
    seen.settles_in_one_move(deaf, SOON)?;
    seen.nobody_stale(healed)?;
    scene.down()
}

#[test]
fn two_nodes_of_three_that_are_deaf_to_each_other_move_an_address_once_at_most() -> Result<()> {
    let plan = Plan {
        services: 6,
        ..Plan::default()
    };
    deaf_for_a_while("deaf", plan)
}

#[test]
fn two_nodes_alone_that_are_partitioned_from_each_other_do_not_wander() -> Result<()> {
    let plan = Plan {
        workers: 2,
        ..Plan::default()
    };
    deaf_for_a_while("partition", plan)
}
