//! Who stands by.

use std::collections::BTreeSet;

use super::run::Run;
use super::*;

fn peers(run: &Run) -> BTreeMap<NodeName, BTreeSet<NodeName>> {
    let mut peers: BTreeMap<NodeName, BTreeSet<NodeName>> = BTreeMap::new();
    for binding in run.cluster.bindings.values() {
        let mine = peers.entry(binding.holder.clone()).or_default();
        mine.extend(binding.order.standbys.iter().cloned());
    }
    peers
}

#[test]
fn two_others_stand_by_and_nothing_is_written_twice() {
    let mut run = Run::new(3, 30);
    for binding in run.cluster.bindings.values() {
        let mut all = BTreeSet::from_iter(binding.order.standbys.clone());
        assert_eq!(all.len(), 2);
        assert!(all.insert(binding.holder.clone()));
    }
    assert_eq!(run.pass(120), 0, "without faults nothing moves");
}

#[test]
fn no_holder_has_more_than_eight_peers_and_each_of_them_stands_by_for_its_share() {
    let run = Run::new(30, 3000);
    for (holder, peers) in peers(&run) {
        assert_eq!(peers.len(), 8, "{holder}");
        let mut share: BTreeMap<&NodeName, usize> = BTreeMap::new();
        let bindings = run.cluster.bindings.values();
        for binding in bindings.filter(|binding| binding.holder == holder) {
            *share.entry(&binding.order.standbys[0]).or_default() += 1;
        }
        // A hundred groups over eight: twelve each, with the scatter of a hash.
        assert!(share.values().all(|count| (4..=25).contains(count)), "{share:?}");
    }
}

#[test]
fn alone_nobody_stands_by() {
    assert_eq!(Run::new(1, 1).order("s0000").standbys, []);
    assert_eq!(Run::new(2, 1).order("s0000").standbys.len(), 1);
}

#[test]
fn a_standby_with_something_against_it_gives_way_to_one_without_and_stays_where_there_is_none() {
    let mut run = Run::new(4, 1);
    let before = run.order("s0000").standbys.clone();
    run.set(before[0].as_str(), NodeTrait::NotReady);
    run.settle();
    let after = run.order("s0000").standbys.clone();
    assert_eq!(after[0], before[1]);
    assert!(!after.contains(&before[0]));
    run.unset(before[0].as_str(), NodeTrait::NotReady);
    assert_eq!(run.settle(), 0, "who stands by stays");
    let mut few = Run::new(3, 1);
    let before = few.order("s0000").standbys.clone();
    few.set(before[1].as_str(), NodeTrait::Unschedulable);
    assert_eq!(few.settle(), 0, "a last resort is better than nobody");
}

#[test]
fn a_node_with_the_policys_interface_down_is_no_standby() {
    let mut run = Run::new(3, 1);
    let first = run.order("s0000").standbys[0].clone();
    beat(
        &mut run.cluster,
        first.as_str(),
        99,
        LinkState::NoCarrier,
        run.now,
    );
    run.settle();
    assert!(!run.order("s0000").standbys.contains(&first));
}

#[test]
fn a_claim_is_adopted_and_its_standbys_are_filled_up_without_the_deposed() {
    let mut run = Run::new(4, 1);
    let deposed = run.holder("s0000");
    let claimant = run.claim("s0000");
    run.settle();
    let binding = run.cluster.bindings[&id("s0000")].clone();
    assert_eq!((&binding.holder, binding.transitions), (&claimant, 1));
    assert_eq!(binding.order.deposed, Some(deposed.clone()));
    assert_eq!(binding.order.standbys.len(), 2);
    assert!(!binding.order.standbys.contains(&deposed));
}

#[test]
fn the_deposed_stands_by_again_only_after_it_was_steady_for_a_while() {
    let mut run = Run::new(2, 1);
    let deposed = run.holder("s0000");
    run.claim("s0000");
    run.settle();
    assert_eq!(run.pass(29), 0);
    assert_eq!(run.order("s0000").standbys, []);
    run.pass(1);
    assert_eq!(run.order("s0000").standbys, [deposed]);
}

#[test]
fn what_falls_silent_goes_to_its_first_standby() {
    let mut run = Run::new(5, 50);
    let silent = NodeName::from("node-3");
    let held = run
        .cluster
        .bindings
        .iter()
        .filter(|(_, one)| one.holder == silent);
    let expected: BTreeMap<_, _> = held
        .map(|(id, one)| (id.clone(), one.order.standbys[0].clone()))
        .collect();
    run.dead.insert(silent);
    run.pass(20);
    for (id, standby) in expected {
        assert_eq!(run.cluster.bindings[&id].holder, standby);
    }
    assert!(run.load().values().all(|count| *count >= 10), "{:?}", run.load());
}

#[test]
fn a_standby_that_is_late_for_a_while_is_replaced_only_where_no_other_stands_by() {
    let mut run = Run::new(5, 1);
    let before = run.order("s0000").standbys.clone();
    run.dead.insert(before[0].clone());
    assert_eq!(run.pass(40), 0, "nothing is written for one that is late");
    run.dead.clear();
    assert_eq!(run.pass(120), 0, "nor when it is back");
    run.dead.extend(before.clone());
    run.pass(20);
    let after = &run.order("s0000").standbys;
    assert!(before.iter().all(|late| !after.contains(late)), "{after:?}");
}

#[test]
fn a_standby_that_stays_silent_is_replaced_in_the_end() {
    let mut run = Run::new(5, 1);
    let before = run.order("s0000").standbys.clone();
    run.dead.insert(before[0].clone());
    run.pass(65);
    let after = &run.order("s0000").standbys;
    assert_eq!((after.len(), &after[0]), (2, &before[1]), "{after:?}");
    assert!(!after.contains(&before[0]));
}

#[test]
fn a_standby_that_lost_addresses_by_force_gives_way() {
    let mut run = Run::new(5, 1);
    let before = run.order("s0000").standbys.clone();
    run.cluster.steadiness.lost(&before[0], run.now);
    run.settle();
    let after = &run.order("s0000").standbys;
    assert_eq!(after[0], before[1], "{after:?}");
    assert!(!after.contains(&before[0]), "{after:?}");
}
