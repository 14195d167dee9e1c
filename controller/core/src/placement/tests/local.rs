//! `externalTrafficPolicy: Local`.

use super::run::Run;
use super::*;

fn ready(run: &mut Run, name: &str, nodes: &[&str]) {
    let service = run.cluster.services.get_mut(&id(name)).unwrap();
    service.endpoints = Endpoints::On(nodes.iter().map(|node| NodeName::from(*node)).collect());
}

#[test]
fn only_nodes_with_a_ready_endpoint_hold_and_stand_by() {
    let mut run = Run::new(4, 1);
    let holder = run.holder("s0000");
    let others = ["node-1", "node-2", "node-3", "node-4"];
    let others: Vec<_> = others
        .into_iter()
        .filter(|name| *name != holder.as_str())
        .collect();
    ready(&mut run, "s0000", &others[..2]);
    run.placements.decide(&run.cluster, Scope::Everything, run.now);
    let placed = run.placed("s0000").clone();
    assert_eq!(placed.moved, Some((Some(holder), MoveCause::NoLocalEndpoint)));
    run.settle();
    let mut all = run.order("s0000").standbys.clone();
    all.push(run.holder("s0000"));
    all.sort();
    assert_eq!(
        all,
        others[..2]
            .iter()
            .map(|name| NodeName::from(*name))
            .collect::<Vec<_>>()
    );
}

#[test]
fn without_any_ready_endpoint_the_holder_stays_and_says_so() {
    let mut run = Run::new(3, 1);
    let holder = run.holder("s0000");
    ready(&mut run, "s0000", &[]);
    assert_eq!(run.settle(), 0);
    let placed = run.placed("s0000");
    assert_eq!(
        (&placed.holder, &placed.caveats),
        (&holder, &[Caveat::NoReadyEndpoint].into())
    );
}

#[test]
fn who_has_no_holder_waits_for_an_endpoint_and_each_node_says_why() {
    let mut run = Run::new(2, 0);
    run.cluster.services.insert(id("s"), service("10.0.0.1"));
    ready(&mut run, "s", &[]);
    run.settle();
    let refused = || vec![("policy1".into(), Refusal::NoLocalEndpoint)];
    let expected = BTreeMap::from([("node-1".into(), refused()), ("node-2".into(), refused())]);
    assert_eq!(run.placements.get(&id("s")), Some(&Outcome::NoNode(expected)));
    ready(&mut run, "s", &["node-2"]);
    run.settle();
    assert_eq!(run.holder("s").as_str(), "node-2");
}

#[test]
fn services_that_share_go_where_most_of_them_have_endpoints() {
    let mut run = Run::new(3, 0);
    for (name, nodes) in [("a", ["node-1", "node-2"]), ("b", ["node-2", "node-3"])] {
        run.cluster.services.insert(id(name), service("10.0.0.1"));
        ready(&mut run, name, &nodes);
    }
    run.cluster.services.insert(id("c"), service("10.0.0.1"));
    run.settle();
    for name in ["a", "b", "c"] {
        assert_eq!(run.holder(name).as_str(), "node-2");
    }
}
