//! Nobody claims because he himself is cut off.

use super::*;

fn standing_by() -> Scene {
    let mut scene = Scene::new();
    scene.lease(0, 2, 0, &[1, 3]);
    scene.pass(3000);
    scene
}

#[test]
fn without_a_witness_nothing_is_claimed() {
    let mut scene = standing_by();
    scene.alive.clear();
    scene.gateway = false;
    scene.pass(20_000);
    assert_eq!(scene.claims(), []);
}

#[test]
fn another_member_bears_witness() {
    let mut scene = standing_by();
    scene.gateway = false;
    scene.alive.remove(&2);
    scene.pass(400);
    assert_eq!(scene.claims().len(), 1);
}

#[test]
fn the_gateway_bears_witness() {
    let mut scene = standing_by();
    scene.alive.clear();
    scene.pass(400);
    assert_eq!(scene.claims().len(), 1);
}

#[test]
fn a_witness_from_before_the_silence_is_none() {
    let mut scene = standing_by();
    scene.hear(GATEWAY, own(254));
    scene.alive.clear();
    scene.gateway = false;
    scene.pass(5000);
    assert_eq!(scene.claims(), []);
}

#[test]
fn after_the_witness_one_more_probe_has_to_be_missed() {
    let mut scene = standing_by();
    scene.alive.clear();
    scene.gateway = false;
    scene.pass(2000);
    // This node's link heals: the gateway is heard first, then the holder answers.
    scene.hear(GATEWAY, own(254));
    scene.alive = [2, 3].into();
    scene.pass(1000);
    assert_eq!(scene.claims(), []);
}

#[test]
fn the_suspect_is_no_witness_against_itself() {
    let mut scene = standing_by();
    scene.alive.clear();
    scene.gateway = false;
    for _ in 0..20 {
        scene.pass(100);
        scene.hear(mac(2), own(2));
    }
    assert_eq!(scene.claims(), []);
}

#[test]
fn a_witness_that_is_heard_all_the_time_hides_no_silence() {
    for phase in (0..100).step_by(10) {
        let mut scene = Scene::new();
        scene.lease(0, 2, 0, &[1, 3]);
        scene.pass(phase);
        scene.lease(1, 3, 0, &[1, 2]);
        scene.pass(3000);
        scene.alive.remove(&2);
        scene.pass(352);
        assert_eq!(scene.claims().len(), 1, "{phase}");
    }
}

#[test]
fn a_witness_that_falls_silent_too_counts_no_more() {
    let mut scene = Scene::new();
    scene.lease(0, 2, 0, &[3, 1]);
    scene.pass(3000);
    scene.alive.remove(&2);
    scene.pass(300);
    // The node's own link dies too, before it is its turn.
    scene.alive.clear();
    scene.gateway = false;
    scene.claims();
    scene.pass(100);
    scene.watch.void();
    scene.pass(10_000);
    assert_eq!(scene.claims(), []);
}
