//! Nodes that fell.

use super::run::Run;
use super::*;

#[test]
fn a_node_that_comes_back_gets_nothing_new_until_it_was_steady() {
    let mut run = Run::new(2, 4);
    run.dead.insert("node-1".into());
    run.pass(20);
    run.dead.clear();
    run.pass(1);
    let next = id("another");
    for _ in 0..29 {
        run.cluster.services.insert(next.clone(), service("10.9.9.9"));
        run.pass(1);
        assert_eq!(run.cluster.bindings[&next].holder.as_str(), "node-2");
        run.cluster.services.remove(&next);
        run.settle();
    }
    run.pass(1);
    run.cluster.services.insert(next.clone(), service("10.9.9.9"));
    run.settle();
    assert_eq!(run.cluster.bindings[&next].holder.as_str(), "node-1");
}

#[test]
fn what_it_still_holds_it_keeps() {
    let mut run = Run::new(2, 10);
    let names: Vec<_> = run
        .cluster
        .bindings
        .iter()
        .filter(|(_, one)| one.holder.as_str() == "node-1")
        .map(|(id, _)| id.name.clone())
        .collect();
    run.claim(&names[0]);
    run.settle();
    assert_eq!(run.holder(&names[0]).as_str(), "node-2");
    for name in &names[1..] {
        assert_eq!(run.holder(name).as_str(), "node-1");
    }
}

#[test]
fn a_node_held_down_is_better_than_none() {
    let mut run = Run::new(2, 1);
    let deposed = run.holder("s0000");
    let claimant = run.claim("s0000");
    run.settle();
    run.dead.insert(claimant);
    run.pass(20);
    assert_eq!(run.holder("s0000"), deposed);
}
