//! A holder whose kernel yielded: it stays silent while somebody answers, and comes back by an order that beats the claim.

use super::*;

fn fenced() -> Scene {
    let mut scene = Scene::new();
    scene.lease(0, 1, 4, &[2, 3]);
    scene.pass(100);
    scene.yielded(0, 2, Order { epoch: 5, rank: 1 });
    scene
}

#[test]
fn the_lease_is_read_at_once() {
    let scene = fenced();
    assert!(scene.done.iter().any(|(_, action)| *action == read(0)));
}

#[test]
fn a_lease_that_names_the_claimant_ends_it() {
    let mut scene = fenced();
    scene.read(0, bound(0, 2, 5, &[3]));
    assert_eq!(scene.answers(), []);
}

#[test]
fn while_somebody_answers_nothing_is_taken_back() {
    let mut scene = fenced();
    for _ in 0..50 {
        scene.read(0, bound(0, 1, 4, &[2, 3]));
        scene.pass(100);
        scene.hear(mac(2), vip(0));
    }
    assert_eq!(scene.claims(), []);
}

#[test]
fn who_answers_and_can_write_the_lease_no_more_is_not_waited_for() {
    let mut scene = fenced();
    for _ in 0..20 {
        scene.read(0, bound(0, 1, 4, &[3]));
        scene.pass(100);
        scene.hear(mac(2), vip(0));
    }
    let claims = scene.claims();
    assert!(matches!(claims[..], [(_, 0, 6), ..]), "{claims:?}");
}

#[test]
fn when_nobody_answers_a_confirmed_holder_claims_above_the_claim() {
    let mut scene = fenced();
    scene.pass(50);
    scene.read(0, bound(0, 1, 4, &[2, 3]));
    scene.pass(1000);
    let claims = scene.claims();
    assert!(matches!(claims[..], [(_, 0, 6), ..]), "{claims:?}");
    scene.lease(0, 1, 6, &[2, 3]);
    assert_eq!(scene.answers(), [(group(0), Part::Holder, holder(6))]);
}

#[test]
fn when_nobody_answers_and_the_api_server_neither_it_comes_back_above_the_claim() {
    let mut scene = fenced();
    scene.watch.read_answered(ReadAnswer::Unreachable, at(scene.now));
    scene.pass(1000);
    let [(_, Part::Usurper, order)] = scene.answers()[..] else {
        panic!("silent for good")
    };
    assert!(order.beats(Order { epoch: 5, rank: 1 }), "{order:?}");
}

#[test]
fn an_absurd_claim_is_answered_by_a_confirmed_lease() {
    let mut scene = Scene::new();
    scene.lease(0, 1, 4, &[2, 3]);
    scene.pass(100);
    scene.yielded(
        0,
        2,
        Order {
            epoch: 4_000_000,
            rank: 0,
        },
    );
    scene.pass(50);
    scene.read(0, bound(0, 1, 4, &[2, 3]));
    let read = at(scene.now);
    scene.pass(1000);
    assert_eq!(scene.claims(), []);
    let confirmed = scene.watch.answers().next().and_then(|answer| answer.confirmed);
    assert_eq!(confirmed, Some(read));
}

#[test]
fn a_claim_that_beats_nothing_changes_nothing() {
    let mut scene = Scene::new();
    scene.lease(0, 1, 4, &[2, 3]);
    scene.pass(100);
    scene.yielded(0, 2, holder(4));
    scene.pass(2000);
    assert_eq!(scene.claims(), []);
    assert_eq!(scene.answers(), [(group(0), Part::Holder, holder(4))]);
}

/// A claim that no order beats.
const ABSURD: Order = Order {
    epoch: 4_000_000,
    rank: 0,
};

fn confirmed(scene: &Scene) -> Option<Instant> {
    scene.watch.answers().next().and_then(|answer| answer.confirmed)
}

#[test]
fn an_absurd_claim_that_comes_again_is_answered_by_a_later_read() {
    let mut scene = Scene::new();
    scene.lease(0, 1, 4, &[2, 3]);
    scene.pass(100);
    for _ in 0..3 {
        scene.yielded(0, 2, ABSURD);
        scene.pass(50);
        scene.read(0, bound(0, 1, 4, &[2, 3]));
        scene.pass(1000);
    }
    scene.yielded(0, 2, ABSURD);
    let last = at(scene.now);
    scene.done.clear();
    scene.pass(2000);
    let reads = scene.done.iter().filter(|(_, action)| *action == read(0));
    assert!(
        (1..=2).contains(&reads.count()),
        "read again, and not at every turn"
    );
    scene.read(0, bound(0, 1, 4, &[2, 3]));
    scene.pass(10);
    assert!(confirmed(&scene) > Some(last));
}

#[test]
fn a_claim_among_absurd_ones_that_an_order_can_beat_is_beaten_before_the_holder_is_back() {
    for (first, second) in [
        (Order { epoch: 5, rank: 1 }, ABSURD),
        (ABSURD, Order { epoch: 5, rank: 1 }),
    ] {
        let mut scene = Scene::new();
        scene.lease(0, 1, 4, &[2, 3]);
        scene.pass(100);
        scene.yielded(0, 2, first);
        scene.yielded(0, 2, second);
        scene.pass(50);
        scene.read(0, bound(0, 1, 4, &[2, 3]));
        scene.pass(1000);
        assert_eq!(confirmed(&scene), None, "{first:?}, {second:?}");
        let claims = scene.claims();
        assert!(matches!(claims[..], [(_, 0, 6), ..]), "{claims:?}");
        scene.lease(0, 1, 6, &[2, 3]);
        scene.claim_answered(0, ClaimAnswer::Won);
        scene.pass(1000);
        assert!(confirmed(&scene).is_some(), "{first:?}, {second:?}");
        assert_eq!(scene.claims(), [], "{first:?}, {second:?}");
    }
}

#[test]
fn an_absurd_claim_while_the_api_server_is_away_is_answered_when_it_is_back() {
    let mut scene = Scene::new();
    scene.lease(0, 1, 4, &[2, 3]);
    scene.pass(100);
    scene.yielded(0, 2, ABSURD);
    let now = at(scene.now);
    scene.watch.read_answered(ReadAnswer::Unreachable, now);
    scene.done.clear();
    scene.pass(5000);
    let reads = scene.done.iter().filter(|(_, action)| *action == read(0));
    assert!(reads.count() >= 4);
    scene.read(0, bound(0, 1, 4, &[2, 3]));
    let read = at(scene.now);
    scene.pass(10);
    assert_eq!(confirmed(&scene), Some(read));
}

#[test]
fn what_a_read_confirms_is_carried_out_and_once() {
    let mut scene = Scene::new();
    scene.lease(0, 1, 4, &[2, 3]);
    scene.pass(100);
    scene.yielded(0, 2, ABSURD);
    scene.pass(1);
    scene.read(0, bound(0, 1, 4, &[2, 3]));
    let before = scene.watch.revision();
    scene.pass(2000);
    let after = scene.watch.revision();
    assert!(confirmed(&scene).is_some() && after != before);
    scene.pass(5000);
    assert_eq!(scene.watch.revision(), after, "nothing is new");
}

#[test]
fn while_somebody_answers_by_an_absurd_claim_nothing_is_taken_back() {
    let mut scene = Scene::new();
    scene.lease(0, 1, 4, &[2, 3]);
    scene.pass(100);
    scene.yielded(0, 2, ABSURD);
    for _ in 0..50 {
        scene.read(0, bound(0, 1, 4, &[2, 3]));
        scene.pass(100);
        scene.hear(mac(2), vip(0));
        assert_eq!(confirmed(&scene), None);
    }
}
