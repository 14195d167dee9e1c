//! Who is asked, how often, and what counts as a silence.

use super::*;

#[test]
fn a_standby_asks_the_holder_ten_times_a_second_whatever_the_number_of_groups() {
    let mut scene = Scene::new();
    for number in 0..20 {
        scene.lease(number, 2, 0, &[1, 3]);
    }
    scene.pass(10_000);
    let asked = scene.count(0, is_probe);
    // Once a second until it was heard.
    assert!((90..=101).contains(&asked), "{asked}");
    let addresses: BTreeSet<IpAddr> = scene
        .sent
        .iter()
        .filter_map(|(_, action)| match action {
            Action::Probe { address, .. } => Some(*address),
            _ => None,
        })
        .collect();
    assert_eq!(addresses.len(), 20, "round robin");
    assert_eq!(scene.claims(), []);
}

#[test]
fn who_does_not_stand_by_asks_nobody() {
    let mut scene = Scene::new();
    scene.lease(0, 2, 0, &[3]);
    scene.pass(2000);
    assert_eq!(scene.count(0, is_probe), 0);
}

#[test]
fn a_station_that_was_never_heard_is_asked_seldom_and_never_suspected() {
    let mut scene = Scene::new();
    scene.alive.remove(&2);
    scene.lease(0, 2, 0, &[1, 3]);
    scene.pass(20_000);
    assert!(scene.count(0, is_probe) <= 21);
    assert_eq!(scene.claims(), [], "it may be on another segment");
}

#[test]
fn three_misses_are_a_claim_after_at_most_350_milliseconds() {
    let mut scene = Scene::new();
    scene.lease(0, 2, 0, &[1, 3]);
    scene.pass(3000);
    scene.alive.remove(&2);
    let died = scene.now;
    scene.pass(400);
    let [(when, 0, 1)] = scene.claims()[..] else {
        panic!("no claim")
    };
    assert!((250..=352).contains(&(when - died)), "{}", when - died);
}

#[test]
fn misses_that_a_late_loop_counts_do_not_count() {
    let mut scene = Scene::new();
    scene.lease(0, 2, 0, &[1, 3]);
    scene.pass(3000);
    // The loop stands still for ten seconds; the holder answered all the time, but nothing was asked.
    scene.now += 10_000;
    scene.pass(5000);
    assert_eq!(scene.claims(), []);
}

#[test]
fn one_address_alone_is_taken_when_its_siblings_answer() {
    let mut scene = Scene::new();
    for number in 0..3 {
        scene.lease(number, 2, 0, &[1, 3]);
    }
    scene.pass(3000);
    scene.mute.insert(vip(1));
    scene.pass(1500);
    let claims = scene.claims();
    assert!(matches!(claims[..], [(_, 1, 1), ..]), "{claims:?}");
    assert!(claims.iter().all(|(_, number, _)| *number == 1));
}

#[test]
fn misses_of_a_station_that_was_away_are_not_held_against_its_addresses() {
    let mut scene = Scene::new();
    for number in 0..3 {
        scene.lease(number, 2, 0, &[1, 3]);
    }
    scene.pass(3000);
    // This node's own link is dead for a while: nobody is heard, no witness either.
    let all = std::mem::take(&mut scene.alive);
    scene.gateway = false;
    scene.pass(4000);
    scene.alive = all;
    scene.gateway = true;
    scene.pass(3000);
    assert_eq!(scene.claims(), []);
}

#[test]
fn a_holder_that_was_not_heard_since_it_holds_is_not_claimed_from() {
    let mut scene = Scene::new();
    scene.lease(0, 2, 0, &[1, 3]);
    scene.pass(3000);
    scene.alive.remove(&2);
    // It gets another group in the very moment in which it can be heard no more.
    scene.lease(1, 2, 1, &[1]);
    scene.pass(800);
    let claimed: Vec<u8> = scene.claims().into_iter().map(|(_, number, _)| number).collect();
    assert_eq!(claimed, [0]);
}

#[test]
fn a_loop_that_stood_still_does_not_make_up_for_what_it_missed() {
    let mut scene = Scene::new();
    scene.lease(0, 2, 0, &[1, 3]);
    scene.pass(3000);
    scene.now += 10_000;
    let since = scene.now;
    scene.pass(1000);
    assert!(scene.count(since, is_probe) <= 11);
}
