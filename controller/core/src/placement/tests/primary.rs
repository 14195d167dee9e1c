//! Which lease of a group is the authority.

use super::run::Run;
use super::*;

/// Three services that share an address; the middle one was there first.
fn group() -> Run {
    let mut run = Run::new(3, 0);
    run.cluster.services.insert(id("m"), service("10.0.0.1"));
    run.settle();
    for name in ["a", "z"] {
        run.cluster.services.insert(id(name), service("10.0.0.1"));
    }
    run.settle();
    run
}

fn primaries(run: &Run) -> Vec<(String, String)> {
    let bindings = run.cluster.bindings.iter();
    bindings
        .map(|(id, one)| (id.name.clone(), one.order.primary.name.clone()))
        .collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(one, two)| ((*one).to_owned(), (*two).to_owned()))
        .collect()
}

#[test]
fn the_primary_stays_who_it_is() {
    let run = group();
    assert_eq!(primaries(&run), pairs(&[("a", "m"), ("m", "m"), ("z", "m")]));
}

#[test]
fn only_the_primarys_lease_says_who_holds_and_the_others_follow() {
    let mut run = group();
    let deposed = run.holder("m");
    let claimant = run.claim("m");
    run.placements.decide(&run.cluster, Scope::Everything, run.now);
    assert_eq!(run.placed("m").moved, None);
    for name in ["a", "z"] {
        let placed = run.placed(name);
        let follows = MoveCause::Follows(id("m"));
        assert_eq!(placed.moved, Some((Some(deposed.clone()), follows)));
        assert_eq!(placed.holder, claimant);
        assert_eq!(
            (&placed.order.former, &placed.order.deposed),
            (&None, &Some(deposed.clone()))
        );
    }
    // A copy that somebody else writes decides nothing.
    run.settle();
    run.cluster.bindings.get_mut(&id("a")).unwrap().holder = deposed;
    run.settle();
    assert_eq!(run.holder("a"), claimant);
}

#[test]
fn when_the_primarys_service_goes_another_takes_its_place_and_the_holder_stays() {
    let mut run = group();
    let holder = run.holder("m");
    // The copies lag behind when it happens.
    run.cluster.bindings.get_mut(&id("a")).unwrap().holder = "node-9".into();
    run.cluster.services.remove(&id("m"));
    run.placements.decide(&run.cluster, Scope::Everything, run.now);
    let placed = |name| {
        (
            run.placed(name).holder.clone(),
            run.placed(name).order.primary.name.clone(),
        )
    };
    assert_eq!(placed("a"), (holder.clone(), "a".to_owned()));
    assert_eq!(placed("z"), (holder, "a".to_owned()));
}

#[test]
fn groups_that_split_and_merge_keep_their_holders_as_far_as_can_be() {
    let mut run = group();
    let holder = run.holder("m");
    for name in ["a", "z"] {
        run.cluster.services.insert(id(name), service("10.0.0.2"));
    }
    run.settle();
    assert_eq!(primaries(&run), pairs(&[("a", "a"), ("m", "m"), ("z", "a")]));
    assert_eq!(
        (run.holder("a"), run.holder("m")),
        (holder.clone(), holder.clone())
    );
    run.cluster.services.insert(id("m"), service("10.0.0.2"));
    run.settle();
    assert_eq!(primaries(&run), pairs(&[("a", "a"), ("m", "a"), ("z", "a")]));
    assert_eq!(run.holder("m"), holder);
}

#[test]
fn an_address_stays_where_it_is_when_a_service_comes_to_share_it() {
    let mut run = group();
    run.cluster.services.insert(id("a"), service("10.0.0.2"));
    run.settle();
    assert_eq!(primaries(&run), pairs(&[("a", "a"), ("m", "m"), ("z", "m")]));
    let claimant = run.claim("m");
    run.cluster.services.insert(id("a"), service("10.0.0.1"));
    run.settle();
    assert_eq!(primaries(&run), pairs(&[("a", "m"), ("m", "m"), ("z", "m")]));
    for name in ["a", "m", "z"] {
        assert_eq!(run.holder(name), claimant);
    }
}

#[test]
fn a_newcomer_leads_nobody_while_the_primary_goes() {
    let mut run = group();
    run.cluster.services.insert(id("a"), service("10.0.0.2"));
    run.settle();
    run.cluster.services.remove(&id("m"));
    run.cluster.services.insert(id("a"), service("10.0.0.1"));
    run.placements.decide(&run.cluster, Scope::Everything, run.now);
    for name in ["a", "z"] {
        assert_eq!(run.placed(name).order.primary, id("z"));
    }
}
