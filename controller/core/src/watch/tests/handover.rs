//! A binding that the operator moved: the old holder answers until the new one does.

use super::*;
use crate::finding::Sight;

fn moved(former: Option<u8>) -> Scene {
    let mut scene = Scene::new();
    scene.lease(0, 1, 4, &[3]);
    scene.pass(100);
    scene.alive.remove(&2);
    let view = GroupView {
        former: former.map(name),
        ..bound(0, 2, 5, &[1, 3])
    };
    scene.see(0, view);
    scene
}

#[test]
fn who_was_moved_away_from_answers_by_the_old_order() {
    let scene = moved(Some(1));
    assert_eq!(scene.answers(), [(group(0), Part::Leaver, holder(4))]);
}

#[test]
fn who_was_deposed_falls_silent() {
    assert_eq!(moved(None).answers(), []);
}

#[test]
fn it_leaves_once_the_new_holder_answers_its_probe() {
    let mut scene = moved(Some(1));
    scene.pass(500);
    assert_eq!(scene.part(0), Some(Part::Leaver));
    scene.alive.insert(2);
    scene.pass(150);
    assert_eq!(scene.answers(), []);
}

#[test]
fn it_leaves_on_the_claim() {
    let mut scene = moved(Some(1));
    scene.yielded(0, 2, holder(5));
    assert_eq!(scene.answers(), []);
}

#[test]
fn it_says_that_the_new_holder_does_not_answer_and_goes_on() {
    let mut scene = moved(Some(1));
    scene.pass(6000);
    let told =
        |action: &Action| matches!(action, Action::Tell(_, Sight::Lingers { to, .. }) if *to == name(2));
    assert_eq!(scene.done.iter().filter(|(_, action)| told(action)).count(), 1);
    assert_eq!(scene.part(0), Some(Part::Leaver));
}

#[test]
fn another_move_does_not_make_it_forget() {
    let mut scene = moved(Some(1));
    let view = GroupView {
        former: Some(name(1)),
        ..bound(0, 2, 5, &[3])
    };
    scene.see(0, view);
    assert_eq!(scene.answers(), [(group(0), Part::Leaver, holder(4))]);
}

#[test]
fn an_agent_that_starts_in_between_goes_on() {
    let mut scene = Scene::new();
    scene.watch.adopt([(vip(0), holder(4))].into());
    let view = GroupView {
        former: Some(name(1)),
        ..bound(0, 2, 5, &[1, 3])
    };
    scene.see(0, view);
    assert_eq!(scene.answers(), [(group(0), Part::Leaver, holder(4))]);
}
