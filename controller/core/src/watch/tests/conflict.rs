//! Somebody says, by no claim that counts, that it has an address of this node's.

use super::*;
use crate::finding::Sight;

const STRANGER: Mac = Mac([6; 6]);

fn holding() -> Scene {
    let mut scene = Scene::new();
    scene.lease(0, 1, 4, &[2, 3]);
    scene.pass(100);
    scene
}

fn contest(scene: &mut Scene, from: Mac, number: u8) {
    let heard = Heard {
        nic: NIC,
        from,
        address: vip(number),
    };
    let actions = scene.watch.contested(heard, at(scene.now));
    scene.perform(actions);
}

fn count(scene: &Scene, kind: impl Fn(&Action) -> bool) -> usize {
    scene.done.iter().filter(|(_, action)| kind(action)).count()
}

fn is_defence(action: &Action) -> bool {
    matches!(action, Action::Defend { .. })
}

fn is_told(action: &Action) -> bool {
    matches!(action, Action::Tell(_, Sight::Conflict { mac, .. }) if *mac == STRANGER)
}

#[test]
fn a_stranger_is_told_of_and_answered_once_in_ten_seconds_however_often_it_says_so() {
    let mut scene = holding();
    for _ in 0..190 {
        contest(&mut scene, STRANGER, 0);
        scene.pass(100);
    }
    assert_eq!((count(&scene, is_defence), count(&scene, is_told)), (2, 2));
}

#[test]
fn what_is_said_before_it_may_be_answered_is_answered_when_it_may_be() {
    let mut scene = holding();
    contest(&mut scene, STRANGER, 0);
    scene.pass(3_000);
    contest(&mut scene, STRANGER, 0);
    scene.pass(6_900);
    assert_eq!(count(&scene, is_defence), 1);
    scene.pass(200);
    assert_eq!(count(&scene, is_defence), 2);
    scene.pass(30_000);
    assert_eq!(count(&scene, is_defence), 2, "nobody has said so since");
}

#[test]
fn what_was_contested_long_ago_is_not_remembered() {
    let mut scene = holding();
    contest(&mut scene, STRANGER, 0);
    for (passed, remembered) in [(9_900, 1), (300, 0)] {
        scene.pass(passed);
        let actions = scene.watch.tick(at(scene.now));
        scene.perform(actions);
        assert_eq!(scene.watch.contests.len(), remembered);
    }
}

#[test]
fn what_went_elsewhere_meanwhile_is_not_defended() {
    let mut scene = holding();
    contest(&mut scene, STRANGER, 0);
    contest(&mut scene, STRANGER, 0);
    scene.lease(0, 2, 5, &[3]);
    scene.pass(11_000);
    assert_eq!(count(&scene, is_defence), 1);
}

#[test]
fn each_of_several_strangers_is_told_of_and_they_are_answered_together() {
    let mut scene = holding();
    let is_of = |last| move |action: &Action| matches!(action, Action::Tell(_, Sight::Conflict { mac: Mac([6, .., one]), .. }) if *one == last);
    for _ in 0..90 {
        (1..=3).for_each(|last| contest(&mut scene, Mac([6, 0, 0, 0, 0, last]), 0));
        scene.pass(100);
    }
    assert_eq!([1, 2, 3].map(|last| count(&scene, is_of(last))), [1, 1, 1]);
    assert_eq!(count(&scene, is_defence), 1);
}

#[test]
fn made_up_stations_do_not_fill_the_events() {
    let mut scene = holding();
    for last in 0..190 {
        contest(&mut scene, Mac([6, 0, 0, 0, 0, last]), 0);
        scene.pass(100);
    }
    let is_any = |action: &Action| matches!(action, Action::Tell(_, Sight::Conflict { .. }));
    assert_eq!((count(&scene, is_defence), count(&scene, is_any)), (2, 8));
}

#[test]
fn a_stranger_changes_nothing() {
    let mut scene = holding();
    for _ in 0..20 {
        contest(&mut scene, STRANGER, 0);
        scene.pass(100);
    }
    assert_eq!(scene.answers(), [(group(0), Part::Holder, holder(4))]);
    let others = |action: &Action| !is_defence(action) && !is_told(action);
    assert_eq!(count(&scene, others), 0, "{:?}", scene.done);
}

#[test]
fn a_member_that_does_not_know_better_is_told_by_the_claim() {
    let mut scene = holding();
    contest(&mut scene, mac(2), 0);
    let claim = Action::ClaimTo {
        nic: NIC,
        to: mac(2),
        address: vip(0),
        order: holder(4),
    };
    assert_eq!(count(&scene, |action| *action == claim), 1);
}

#[test]
fn what_is_not_held_here_is_not_defended() {
    let mut scene = holding();
    scene.lease(1, 2, 4, &[1, 3]);
    contest(&mut scene, STRANGER, 1);
    contest(&mut scene, STRANGER, 7);
    assert_eq!(count(&scene, is_defence), 0);
}
