//! While the API server is away holders go on, and the standbys' order decides who replaces one that dies.

use super::*;

/// The API server is away, and the holder died.
fn alone(standbys: &[u8]) -> Scene {
    let mut scene = Scene::new();
    scene.lease(0, 2, 4, standbys);
    scene.pass(3000);
    scene.alive.remove(&2);
    scene
}

/// Answers every claim by silence for so long.
fn unreachable(scene: &mut Scene, milliseconds: u64) {
    let end = scene.now + milliseconds;
    while scene.now < end {
        scene.pass(10);
        for (_, number, _) in scene.claims() {
            scene.pass(250);
            scene.claim_answered(number, ClaimAnswer::Unreachable);
        }
    }
}

#[test]
fn the_first_standby_takes_it_by_rank_within_three_seconds() {
    let mut scene = alone(&[1, 3]);
    unreachable(&mut scene, 2500);
    let usurped = Order { epoch: 5, rank: 1 };
    assert_eq!(scene.answers(), [(group(0), Part::Usurper, usurped)]);
}

#[test]
fn the_second_standby_waits_for_the_first_to_answer() {
    let mut scene = alone(&[3, 1]);
    unreachable(&mut scene, 1400);
    assert_eq!(scene.answers(), []);
    // The first takes it, and answers those who ask.
    scene.hear(mac(3), vip(0));
    scene.pass(500);
    assert_eq!(scene.answers(), []);
}

#[test]
fn who_answers_while_it_is_listened_for_keeps_it() {
    let mut scene = alone(&[1, 3]);
    while scene.count(
        0,
        |action| matches!(action, Action::Ask { to: None, address, .. } if *address == vip(0)),
    ) == 0
    {
        unreachable(&mut scene, 10);
    }
    scene.hear(mac(3), vip(0));
    scene.pass(400);
    assert_eq!(scene.answers(), []);
}

#[test]
fn the_lease_is_written_once_the_api_server_is_back() {
    let mut scene = alone(&[1, 3]);
    unreachable(&mut scene, 2500);
    scene.claims();
    scene.pass(1100);
    let claims = scene.claims();
    assert!(matches!(claims[..], [(_, 0, 5), ..]), "{claims:?}");
    scene.lease(0, 1, 5, &[3]);
    scene.claim_answered(0, ClaimAnswer::Won);
    assert_eq!(scene.answers(), [(group(0), Part::Holder, holder(5))]);
}

#[test]
fn a_binding_made_meanwhile_wins() {
    let mut scene = alone(&[1, 3]);
    unreachable(&mut scene, 2500);
    scene.lease(0, 3, 5, &[]);
    scene.yielded(0, 3, holder(5));
    assert_eq!(scene.answers(), []);
}

#[test]
fn who_holds_by_rank_answers_until_whom_the_lease_names_does() {
    let mut scene = alone(&[1, 3]);
    scene.alive.remove(&3);
    unreachable(&mut scene, 2500);
    scene.lease(0, 3, 5, &[]);
    let usurped = Order { epoch: 5, rank: 1 };
    assert_eq!(scene.answers(), [(group(0), Part::Leaver, usurped)]);
    scene.alive.insert(3);
    scene.pass(200);
    assert_eq!(scene.answers(), []);
}

/// By which order this node goes again that yielded to such a claim while it held by rank.
fn after_yielding_to(claim: Order) -> Vec<(ServiceId, Part, Order)> {
    let mut scene = alone(&[3, 1]);
    unreachable(&mut scene, 3500);
    assert_eq!(scene.part(0), Some(Part::Usurper));
    scene.yielded(0, 3, claim);
    assert_eq!(scene.answers(), []);
    // Whom the lease names is back, and dies again.
    scene.alive.insert(2);
    scene.pass(3000);
    scene.alive.remove(&2);
    unreachable(&mut scene, 4000);
    scene.answers()
}

#[test]
fn a_higher_claim_wins_and_the_next_goes_beyond_it() {
    let order = Order { epoch: 6, rank: 2 };
    let again = after_yielding_to(Order { epoch: 5, rank: 1 });
    assert_eq!(again, [(group(0), Part::Usurper, order)]);
}

#[test]
fn a_forged_claim_drives_no_epoch_up() {
    let order = Order { epoch: 5, rank: 2 };
    for epoch in [4_000_000, u32::MAX] {
        let again = after_yielding_to(Order { epoch, rank: 1 });
        assert_eq!(again, [(group(0), Part::Usurper, order)]);
    }
}

#[test]
fn who_can_write_the_lease_no_more_waits_for_its_holder_and_not_for_ever() {
    let mut scene = alone(&[1, 3]);
    unreachable(&mut scene, 2500);
    scene.lease(0, 3, 4, &[2]);
    let usurped = Order { epoch: 5, rank: 1 };
    for (seconds, awaited) in [(9, vec![(group(0), Part::Usurper, usurped)]), (4, vec![])] {
        for _ in 0..seconds {
            scene.pass(1000);
            for _ in scene.claims() {
                scene.claim_answered(0, ClaimAnswer::Lost);
            }
        }
        assert_eq!(scene.answers(), awaited);
    }
}
