//! A deposed node is asked until it is sure that it knows, and told whenever it answers.

use super::*;

fn deposed() -> Scene {
    let mut scene = Scene::new();
    scene.lease(0, 2, 4, &[1, 3]);
    scene.pass(3000);
    scene.alive.remove(&2);
    scene.pass(360);
    assert_eq!(scene.claims().len(), 1);
    scene.lease(0, 1, 5, &[3]);
    scene.claim_answered(0, ClaimAnswer::Won);
    scene.done.clear();
    scene
}

fn told(scene: &Scene) -> usize {
    let claim = Action::ClaimTo {
        nic: NIC,
        to: mac(2),
        address: vip(0),
        order: holder(5),
    };
    scene.done.iter().filter(|(_, action)| *action == claim).count()
}

#[test]
fn it_is_told_whenever_it_answers() {
    let mut scene = deposed();
    scene.pass(20_000);
    assert_eq!(told(&scene), 0);
    scene.alive.insert(2);
    scene.pass(110);
    assert!(told(&scene) >= 1);
}

#[test]
fn silence_alone_does_not_end_it() {
    let mut scene = deposed();
    scene.pass(60_000);
    let since = scene.now;
    scene.pass(1000);
    assert!(scene.count(since, is_probe) >= 9);
}

#[test]
fn it_ends_when_the_node_lives_and_does_not_answer_for_it() {
    let mut scene = deposed();
    scene.alive.insert(2);
    scene.mute.insert(vip(0));
    // What was never answered has two seconds before its silence counts.
    scene.pass(3000);
    let since = scene.now;
    scene.pass(1000);
    assert_eq!(scene.count(since, is_probe), 0);
}
