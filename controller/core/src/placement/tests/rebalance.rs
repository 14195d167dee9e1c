//! Evening out load.

use super::run::Run;
use super::*;

fn gentle(nodes: usize, services: usize) -> Run {
    let mut run = Run::new(nodes, services);
    run.placements = Placements::new(Rebalancing::Gentle);
    run.settle();
    run
}

#[test]
fn a_node_that_joins_gets_its_share_few_at_a_time_and_then_nothing_moves() {
    let mut run = gentle(3, 90);
    run.join("node-4");
    run.settle();
    let share = |run: &Run| run.load().get(&"node-4".into()).copied().unwrap_or(0);
    let mut shares = vec![];
    for _ in 0..6 {
        run.pass(10);
        shares.push(share(&run));
    }
    assert_eq!(shares, [5, 10, 15, 20, 20, 20]);
    assert_eq!(run.pass(600), 0, "it ends");
    run.now = run.now + Duration::from_secs(10);
    assert_eq!(run.placements.take_due(&run.cluster, run.now), [].into());
    assert_eq!(
        run.placements.next_deadline(),
        None,
        "nothing is looked for any more"
    );
    assert!(
        run.load().values().all(|count| (20..=25).contains(count)),
        "{:?}",
        run.load()
    );
}

#[test]
fn what_is_moved_says_why_and_its_holder_goes_on_until_relieved() {
    let mut run = gentle(1, 9);
    run.join("node-2");
    run.settle();
    run.now = run.now + Duration::from_secs(10);
    let due = run.placements.take_due(&run.cluster, run.now);
    let moving = run.placements.decide(&run.cluster, Scope::Services(due), run.now);
    assert!(!moving.is_empty());
    for id in moving {
        let placed = run.placed(&id.name);
        let from = NodeName::from("node-1");
        assert_eq!(placed.moved, Some((Some(from.clone()), MoveCause::Rebalanced)));
        assert_eq!(
            (&placed.order.former, &placed.order.standbys),
            (&Some(from.clone()), &vec![from])
        );
    }
    assert_eq!(
        run.placements.decide(&run.cluster, Scope::Everything, run.now),
        [].into(),
        "a second look changes nothing"
    );
}

#[test]
fn what_is_nearly_even_stays() {
    let mut run = gentle(3, 31);
    for name in ["s0000", "s0003"] {
        run.cluster.services.remove(&id(name));
    }
    run.settle();
    assert_eq!(run.pass(120), 0);
}

#[test]
fn a_node_that_came_back_waits_for_the_end_of_its_hold_down() {
    let mut run = gentle(2, 20);
    run.dead.insert("node-1".into());
    run.pass(20);
    run.dead.clear();
    run.pass(30);
    assert_eq!(run.load().get(&"node-1".into()), None);
    run.pass(120);
    assert!(run.load()[&"node-1".into()] >= 8, "{:?}", run.load());
}

#[test]
fn it_can_be_turned_off() {
    let mut run = Run::new(1, 20);
    run.join("node-2");
    run.settle();
    run.pass(120);
    assert_eq!(run.load().get(&"node-2".into()), None);
}
