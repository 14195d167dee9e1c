//! Compare-and-swap: what is written, who is next, and what an answer means.

use super::*;
use crate::finding::{Arbiter, Sight};

fn suspecting(standbys: &[u8]) -> Scene {
    let mut scene = Scene::new();
    scene.lease(0, 2, 4, standbys);
    scene.pass(3000);
    scene.alive.remove(&2);
    scene.pass(360);
    scene
}

#[test]
fn a_claim_starts_the_next_epoch_if_the_lease_is_as_it_was() {
    let mut scene = suspecting(&[1, 3]);
    let claim = Action::Claim {
        primary: group(0),
        holder: name(2),
        seen: 4,
        epoch: 5,
    };
    assert_eq!(scene.done.pop().unwrap().1, claim);
    assert_eq!(scene.answers(), [], "not before it is won");
}

#[test]
fn the_second_standby_leaves_the_first_its_time() {
    let mut scene = suspecting(&[3, 1]);
    assert_eq!(scene.claims(), []);
    scene.pass(250);
    assert_eq!(scene.claims().len(), 1);
}

#[test]
fn who_stands_behind_another_begins_where_that_one_comes_to_last() {
    let claimed = |standbys: &[u8], wait: u64| {
        let mut scene = Scene::new();
        for number in 0..3 {
            scene.lease(number, 2, 4, standbys);
        }
        scene.pass(3000);
        scene.alive.remove(&2);
        scene.pass(360 + wait);
        let claims = scene.claims().into_iter();
        claims.map(|(_, number, _)| number).collect::<Vec<_>>()
    };
    assert_eq!(claimed(&[1, 3], 0), [0, 1, 2]);
    assert_eq!(claimed(&[3, 1], 250), [2, 1, 0]);
}

#[test]
fn who_won_answers_tells_and_chases() {
    let mut scene = suspecting(&[1, 3]);
    scene.claims();
    scene.lease(0, 1, 5, &[3]);
    scene.claim_answered(0, ClaimAnswer::Won);
    assert_eq!(scene.answers(), [(group(0), Part::Holder, holder(5))]);
    let Some((_, Action::Tell(_, Sight::Claimed { from, arbiter, .. }))) = scene.done.pop() else {
        panic!("not told")
    };
    assert_eq!((from, arbiter), (name(2), Arbiter::Lease));
    let since = scene.now;
    scene.pass(1000);
    assert!(scene.count(since, is_probe) >= 9, "the deposed node is asked");
}

#[test]
fn who_is_put_off_rests_and_does_not_go_by_rank() {
    let mut scene = suspecting(&[1, 3]);
    scene.claims();
    // It waited in line for longer than a standby tries.
    scene.pass(2000);
    scene.claim_answered(0, ClaimAnswer::Postponed);
    scene.pass(1140);
    assert_eq!((scene.claims(), scene.answers()), (vec![], vec![]));
    scene.pass(20);
    assert_eq!(scene.claims().len(), 1);
}

#[test]
fn who_is_put_off_for_long_goes_by_rank() {
    let mut scene = suspecting(&[1, 3]);
    for tries in 0..8 {
        assert_eq!(scene.claims().len(), 1, "after {tries} tries");
        scene.claim_answered(0, ClaimAnswer::Postponed);
        scene.pass(1160);
        assert_eq!(scene.answers(), [], "after {tries} tries");
    }
    assert_eq!(scene.claims().len(), 1);
    scene.pass(1000);
    scene.claim_answered(0, ClaimAnswer::Postponed);
    scene.pass(310);
    let order = Order { epoch: 5, rank: 1 };
    assert_eq!(scene.answers(), [(group(0), Part::Usurper, order)]);
}

#[test]
fn who_lost_rests() {
    let mut scene = suspecting(&[1, 3]);
    scene.claims();
    scene.claim_answered(0, ClaimAnswer::Lost);
    scene.pass(1140);
    assert_eq!(scene.claims(), []);
    scene.pass(20);
    assert_eq!(scene.claims().len(), 1, "the lease still names the silent holder");
}

#[test]
fn who_is_put_off_leaves_an_address_to_who_took_it_by_rank_meanwhile() {
    let mut scene = suspecting(&[3, 1]);
    scene.pass(250);
    scene.claims();
    scene.claim_answered(0, ClaimAnswer::Postponed);
    for _ in 0..5 {
        scene.pass(1050);
        assert!(scene.count(scene.now - 60, is_question) > 0, "nobody is asked");
        scene.hear(mac(3), vip(0));
    }
    assert_eq!(scene.claims(), []);
    // It dies as well.
    scene.pass(1200);
    assert_eq!(scene.claims().len(), 1);
}

fn is_question(action: &Action) -> bool {
    matches!(action, Action::Ask { to: None, address, .. } if *address == vip(0))
}

#[test]
fn a_holder_that_is_heard_again_is_not_claimed_from() {
    let mut scene = suspecting(&[3, 1]);
    scene.alive.insert(2);
    scene.pass(2000);
    assert_eq!(scene.claims(), []);
}

#[test]
fn a_lease_that_moved_on_ends_the_suspicion() {
    let mut scene = suspecting(&[3, 1]);
    scene.lease(0, 3, 5, &[1]);
    scene.pass(3000);
    assert_eq!(scene.claims(), []);
}
