//! An interface that comes back is not answered on before the leases were read, or the segment was asked.

use super::*;

fn back() -> Scene {
    let mut scene = Scene::new();
    scene.lease(0, 1, 4, &[2, 3]);
    scene.pass(100);
    scene
        .watch
        .observe_nics(nics(LinkState::NoCarrier), at(scene.now));
    scene.pass(1000);
    let actions = scene.watch.observe_nics(nics(LinkState::Up), at(scene.now));
    assert_eq!(actions, [read(0)]);
    scene
}

#[test]
fn the_first_sight_is_no_return() {
    assert!(Scene::new().watch.is_sure_of(NIC));
}

#[test]
fn a_read_makes_it_sure() {
    let mut scene = back();
    assert!(!scene.watch.is_sure_of(NIC));
    scene.read(0, bound(0, 1, 4, &[2, 3]));
    assert!(scene.watch.is_sure_of(NIC));
}

#[test]
fn a_read_from_before_its_return_proves_nothing() {
    let mut scene = back();
    let (before, now) = (at(scene.now - 500), at(scene.now));
    let same = Some(bound(0, 1, 4, &[2, 3]));
    scene.watch.observe_group(&group(0), same, Some(before), now);
    scene.watch.read_answered(ReadAnswer::Done, now);
    assert!(!scene.watch.is_sure_of(NIC));
}

#[test]
fn every_lease_has_to_be_read() {
    let mut scene = back();
    scene.lease(1, 1, 4, &[2, 3]);
    scene.read(0, bound(0, 1, 4, &[2, 3]));
    assert!(
        !scene.watch.is_sure_of(NIC),
        "one that came meanwhile was not read"
    );
    scene.done.clear();
    scene.pass(1500);
    assert_eq!(
        scene.done.iter().map(|(_, one)| one).collect::<Vec<_>>(),
        [&read(1)]
    );
    scene.read(1, bound(1, 1, 4, &[2, 3]));
    assert!(scene.watch.is_sure_of(NIC));
}

#[test]
fn a_lease_that_goes_while_it_is_waited_for_leaves_nothing_to_read() {
    let mut scene = back();
    scene.lease(1, 1, 4, &[2, 3]);
    scene.read(0, bound(0, 1, 4, &[2, 3]));
    scene.watch.observe_group(&group(1), None, None, at(scene.now));
    scene.done.clear();
    scene.pass(1500);
    assert!(scene.watch.is_sure_of(NIC));
    assert_eq!(scene.done, [], "an empty read is answered by nobody");
}

#[test]
fn a_lease_that_is_gone_is_not_waited_for() {
    let mut scene = back();
    scene.watch.observe_group(&group(0), None, None, at(scene.now));
    scene.watch.read_answered(ReadAnswer::Done, at(scene.now));
    assert!(scene.watch.is_sure_of(NIC));
}

#[test]
fn without_the_api_server_the_segment_is_asked() {
    let mut scene = back();
    let now = at(scene.now);
    scene.watch.read_answered(ReadAnswer::Unreachable, now);
    scene.pass(250);
    assert!(!scene.watch.is_sure_of(NIC));
    scene.pass(150);
    assert!(scene.watch.is_sure_of(NIC));
}

#[test]
fn somebody_who_answers_keeps_it_unsure() {
    let mut scene = back();
    let now = at(scene.now);
    scene.watch.read_answered(ReadAnswer::Unreachable, now);
    for _ in 0..20 {
        scene.pass(100);
        scene.hear(mac(2), vip(0));
    }
    assert!(!scene.watch.is_sure_of(NIC));
}

#[test]
fn who_comes_back_hands_nothing_over_there() {
    let away = |moved_before_its_return: bool| {
        let mut scene = Scene::new();
        scene.lease(0, 1, 4, &[2, 3]);
        scene.pass(100);
        let down = nics(LinkState::NoCarrier);
        scene.watch.observe_nics(down, at(scene.now));
        let moved = GroupView {
            former: Some(name(1)),
            ..bound(0, 2, 5, &[1, 3])
        };
        if moved_before_its_return {
            scene
                .watch
                .observe_group(&group(0), Some(moved.clone()), None, at(scene.now));
        }
        scene.pass(50);
        scene.watch.observe_nics(nics(LinkState::Up), at(scene.now));
        scene.read(0, moved);
        scene.watch.answers().count()
    };
    assert_eq!(away(true), 0, "the move was known before the return");
    assert_eq!(away(false), 0, "the move is read after the return");
}
