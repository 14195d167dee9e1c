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
fn what_is_missed_is_counted_and_an_address_is_silent_until_it_is_heard() {
    let mut scene = Scene::new();
    scene.lease(0, 2, 0, &[1, 3]);
    scene.pass(3000);
    assert_eq!(scene.watch.missed(), Missed::default());
    scene.alive.remove(&2);
    scene.pass(500);
    let missed = scene.watch.missed();
    assert!((3..=5).contains(&missed.probes), "{missed:?}");
    assert_eq!(missed.addresses, 1);
    scene.alive.insert(2);
    scene.pass(500);
    assert_eq!(scene.watch.missed().addresses, 0);
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
fn a_loop_that_is_late_each_time_counts_what_was_missed() {
    let mut scene = Scene::new();
    scene.lease(0, 2, 0, &[1, 3]);
    scene.pass(3000);
    scene.alive.remove(&2);
    let died = scene.now;
    for _ in 0..6 {
        scene.now += 250;
        scene.pass(1);
    }
    let [(when, 0, 1)] = scene.claims()[..] else {
        panic!("no claim")
    };
    assert!(when - died <= 1100, "{}", when - died);
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

/// Node 2 holds three addresses that it answers for, and is given `new` ones that it takes up one every `pace` milliseconds.
fn behind(new: u8, pace: u64) -> Scene {
    let mut scene = Scene::new();
    (0..3).for_each(|number| scene.lease(number, 2, 0, &[1, 3]));
    scene.pass(3000);
    for number in 3..3 + new {
        scene.lease(number, 2, 0, &[1, 3]);
        scene.mute.insert(vip(number));
    }
    for number in 3..3 + new {
        scene.pass(pace);
        scene.mute.remove(&vip(number));
    }
    scene
}

#[test]
fn who_is_behind_with_many_new_addresses_is_not_silent() {
    let mut scene = behind(40, 700);
    scene.pass(5000);
    assert_eq!(scene.claims(), []);
}

#[test]
fn who_was_slow_lately_is_given_more_time_and_not_for_ever() {
    for (new, patience) in [(1, 5_700..8_200), (10, 57_000..65_000), (60, 120_000..128_000)] {
        let mut scene = behind(new, 1900);
        scene.pass(1000);
        scene.mute.insert(vip(99));
        scene.lease(99, 2, 0, &[1, 3]);
        let given = scene.now;
        scene.pass(130_000);
        let [(when, 99, 1)] = scene.claims()[..] else {
            panic!("one claim, of the address that is not taken up")
        };
        let waited = when - given;
        assert!(patience.contains(&waited), "{waited}");
    }
}

#[test]
fn of_many_that_are_not_taken_up_only_a_few_are_claimed() {
    let mut scene = behind(0, 0);
    for number in 3..43 {
        scene.mute.insert(vip(number));
        scene.lease(number, 2, 0, &[1, 3]);
    }
    scene.pass(60_000);
    let claimed: BTreeSet<u8> = scene.claims().into_iter().map(|(_, number, _)| number).collect();
    assert!((1..=4).contains(&claimed.len()), "{claimed:?}");
}

#[test]
fn an_address_that_alone_is_not_taken_up_is_claimed_after_two_seconds() {
    let mut scene = behind(0, 0);
    scene.mute.insert(vip(3));
    scene.lease(3, 2, 0, &[1, 3]);
    let given = scene.now;
    scene.pass(5000);
    let [(when, 3, 1)] = scene.claims()[..] else {
        panic!("one claim, of the address that is not taken up")
    };
    assert!((2_000..3_500).contains(&(when - given)), "{}", when - given);
}

#[test]
fn the_silence_of_a_node_is_not_hidden_by_what_it_had_not_taken_up() {
    let mut scene = behind(60, 0);
    scene.mute.extend((3..63).map(vip));
    scene.pass(1000);
    scene.claims();
    scene.alive.remove(&2);
    let died = scene.now;
    scene.pass(1000);
    let claims = scene.claims();
    assert!(claims.iter().any(|(when, ..)| when - died <= 600), "{claims:?}");
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
