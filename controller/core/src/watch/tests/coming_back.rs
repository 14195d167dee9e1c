//! A holder whose node was away: what its lease says may be old.

use super::*;

/// Node 1 as it begins, with nothing in its kernel and a lease that names it.
fn back() -> Scene {
    let mut scene = Scene::new();
    scene.watch.adopt(BTreeMap::new());
    scene.lease(0, 1, 4, &[2, 3]);
    scene.watch.begun();
    scene
}

#[test]
fn it_asks_before_it_answers() {
    let mut scene = back();
    scene.pass(250);
    assert_eq!(scene.answers(), []);
    let asked =
        |action: &Action| matches!(action, Action::Ask { to: None, address, .. } if *address == vip(0));
    assert_eq!(scene.count(0, asked), 3);
    let before = scene.watch.revision();
    scene.pass(100);
    assert_eq!(scene.answers(), [(group(0), Part::Holder, holder(4))]);
    assert_ne!(scene.watch.revision(), before, "the kernel is to hear of it");
}

#[test]
fn while_a_member_answers_it_does_not_and_for_ten_seconds_at_most() {
    let mut scene = back();
    for _ in 0..39 {
        scene.pass(250);
        scene.hear(mac(2), vip(0));
        assert_eq!(scene.answers(), []);
    }
    scene.pass(1100);
    assert_eq!(scene.part(0), Some(Part::Holder));
}

#[test]
fn it_answers_soon_after_the_member_fell_silent() {
    let mut scene = back();
    scene.pass(50);
    scene.hear(mac(2), vip(0));
    scene.pass(1000);
    assert_eq!(scene.answers(), []);
    scene.pass(350);
    assert_eq!(scene.part(0), Some(Part::Holder));
}

#[test]
fn a_strangers_answer_keeps_nobody_from_it() {
    let mut scene = back();
    for _ in 0..35 {
        scene.pass(10);
        scene.hear(Mac([2, 9, 9, 9, 9, 9]), vip(0));
    }
    assert_eq!(scene.part(0), Some(Part::Holder));
}

#[test]
fn the_lease_that_goes_to_who_answers_settles_it() {
    let mut scene = back();
    scene.pass(50);
    scene.hear(mac(2), vip(0));
    scene.lease(0, 2, 5, &[3]);
    scene.pass(5000);
    assert_eq!(scene.answers(), []);
}

#[test]
fn what_is_given_to_it_later_or_was_in_its_kernel_it_answers_at_once() {
    let mut scene = back();
    scene.lease(1, 1, 0, &[2]);
    assert_eq!(scene.part(1), Some(Part::Holder));
    let mut scene = Scene::new();
    scene.watch.adopt([(vip(0), holder(4))].into());
    scene.lease(0, 1, 4, &[2, 3]);
    assert_eq!(scene.part(0), Some(Part::Holder));
}

#[test]
fn what_is_decided_anew_it_answers_at_once() {
    let mut scene = back();
    scene.lease(0, 1, 5, &[2, 3]);
    assert_eq!(scene.answers(), [(group(0), Part::Holder, holder(5))]);
}
