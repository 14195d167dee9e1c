//! Planned moves: drain, cordon, and what comes after them.

use super::run::Run;
use super::*;

#[test]
fn a_drained_node_hands_over_everything_and_stands_by_for_nothing() {
    let mut run = Run::new(3, 9);
    run.set("node-1", NodeTrait::Drained);
    run.settle();
    for binding in run.cluster.bindings.values() {
        assert_ne!(binding.holder.as_str(), "node-1");
        assert!(!binding.order.standbys.contains(&"node-1".into()));
    }
    run.unset("node-1", NodeTrait::Drained);
    run.settle();
    let all = run.cluster.bindings.values();
    let standing_by = all.filter(|one| one.order.standbys.contains(&"node-1".into()));
    assert_eq!(standing_by.count(), 9, "it was missing everywhere");
}

#[test]
fn the_only_node_keeps_what_it_has_and_says_so() {
    let mut run = Run::new(1, 1);
    run.set("node-1", NodeTrait::Drained);
    run.settle();
    let placed = run.placed("s0000");
    assert_eq!(placed.holder.as_str(), "node-1");
    assert_eq!(placed.caveats, [Caveat::OnlyNode(NodeTrait::Drained)].into());
}

#[test]
fn a_drained_node_that_lives_is_better_than_one_that_is_silent() {
    let mut run = Run::new(3, 1);
    let holder = run.holder("s0000");
    let names = ["node-1", "node-2", "node-3"].map(NodeName::from);
    run.set(holder.as_str(), NodeTrait::Drained);
    run.dead.extend(names.into_iter().filter(|name| *name != holder));
    run.pass(40);
    assert_eq!(run.holder("s0000"), holder);
}

#[test]
fn who_hands_over_goes_on_until_relieved_and_stands_by_first() {
    let mut run = Run::new(4, 1);
    let cordoned = run.holder("s0000");
    run.set(cordoned.as_str(), NodeTrait::Unschedulable);
    run.placements.decide(&run.cluster, Scope::Everything, run.now);
    let placed = run.placed("s0000").clone();
    let cause = MoveCause::Objected([NodeTrait::Unschedulable].into());
    assert_eq!(placed.moved, Some((Some(cordoned.clone()), cause)));
    assert_eq!(placed.order.former, Some(cordoned.clone()));
    assert_eq!(placed.order.standbys[0], cordoned);
    assert_eq!(run.settle(), 1, "one write, and it stays so");
    assert_eq!(run.pass(50), 0);
    assert_eq!(run.order("s0000").standbys[0], cordoned);
}

#[test]
fn a_drained_holder_goes_on_until_relieved_but_does_not_stand_by() {
    let mut run = Run::new(4, 1);
    let drained = run.holder("s0000");
    run.set(drained.as_str(), NodeTrait::Drained);
    run.placements.decide(&run.cluster, Scope::Everything, run.now);
    let placed = run.placed("s0000");
    assert_eq!(placed.moved, Some((Some(drained.clone()), MoveCause::Drained)));
    assert_eq!(placed.order.former, Some(drained.clone()));
    assert!(!placed.order.standbys.contains(&drained));
}

#[test]
fn a_node_whose_policy_is_gone_does_not_stand_by() {
    let mut run = Run::new(3, 1);
    let holder = run.holder("s0000");
    let labels = Labels::from([("control-plane".into(), String::new())]);
    run.cluster.nodes.get_mut(&holder).unwrap().labels = labels;
    run.settle();
    let order = run.order("s0000");
    assert_eq!(order.former, Some(holder.clone()));
    assert!(!order.standbys.contains(&holder));
}

#[test]
fn many_moves_are_paced() {
    let mut run = Run::new(2, 300);
    run.set("node-1", NodeTrait::Drained);
    let still_there = |run: &Run| run.load().get(&"node-1".into()).copied().unwrap_or(0);
    let mut left = vec![];
    run.settle();
    left.push(still_there(&run));
    for _ in 0..3 {
        assert_eq!(
            run.placements.next_deadline(),
            (still_there(&run) > 0).then(|| run.now + Duration::from_secs(1))
        );
        run.pass(1);
        left.push(still_there(&run));
    }
    assert_eq!(left, [100, 50, 0, 0]);
}

#[test]
fn a_second_look_before_the_lease_is_written_chooses_the_same() {
    let mut run = Run::new(5, 20);
    run.set("node-1", NodeTrait::Drained);
    run.placements.decide(&run.cluster, Scope::Everything, run.now);
    let first: BTreeMap<_, _> = run
        .placements
        .iter()
        .map(|(id, one)| (id.clone(), one.clone()))
        .collect();
    run.set("node-2", NodeTrait::Drained);
    run.unset("node-2", NodeTrait::Drained);
    let changed = run.placements.decide(&run.cluster, Scope::Everything, run.now);
    assert_eq!(changed, [].into());
    assert_eq!(first.len(), 20);
}
