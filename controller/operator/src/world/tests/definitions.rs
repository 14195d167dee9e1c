//! While the definition of pools is somebody else's, nothing is given, nothing is taken away, and no pool is written.

use lightship_crd::condition;
use lightship_crd::event::{DEFINITION_REPLACED, DEFINITION_RESTORED};
use lightship_crd::standing::Replaced;

use super::*;

fn replaced() -> Standing {
    Standing::Replaced(Replaced {
        name: "ciliumloadbalancerippools.cilium.io".to_owned(),
        lacks: BTreeSet::from(["spec.reserved".to_owned()]),
        schema_version: Some("1.31.5".to_owned()),
    })
}

fn stands(world: &mut World, standing: Standing, now: Instant) {
    world.observe(Change::Definition(Definition::Pools, standing), now);
}

fn sees_pool(world: &mut World, pool: CiliumLoadBalancerIPPool, now: Instant) {
    world.observe(Change::Pool(Seen::Applied(Box::new(pool))), now);
}

fn request(server: &Server, name: &str) -> String {
    server.condition(name, condition::service::REQUEST_SATISFIED)
}

/// A server whose one service has the one address that is not kept back, and its leader.
fn served() -> (Server, World) {
    let mut server = Server::default();
    let mut first = pool("p", "10.0.10.0/30");
    first.spec.reserved = serde_json::from_value(json!(["10.0.10.1", "10.0.10.2"])).unwrap();
    server.put_pool(&first);
    server.put(&plain("old"));
    let mut world = leader(&server, at(0));
    settle(&mut world, &mut server, at(0));
    assert_eq!(server.shows("old"), ["10.0.10.0"]);
    (server, world)
}

#[test]
fn who_comes_meanwhile_is_told_why_it_waits_and_served_once_ours_is_back() {
    let (mut server, mut world) = served();
    let mut hidden = server.pools().remove(0);
    stands(&mut world, replaced(), at(1000));
    hidden.spec.reserved.clear();
    sees_pool(&mut world, hidden, at(1001));
    server.put(&plain("new"));
    see(&mut world, &server, "new", at(1002));
    settle(&mut world, &mut server, at(1002));
    assert_eq!(server.shows("new"), [] as [&str; 0]);
    let said = request(&server, "new");
    assert!(
        said.starts_with("False definition_replaced no address is given at the moment: ciliumloadbalancerippools.cilium.io lacks \
                          spec.reserved (its schema is Cilium's, 1.31.5)")
            && said.ends_with("lightship crd | kubectl apply --server-side --force-conflicts -f -"),
        "{said}"
    );
    assert!(
        request(&server, "old").starts_with("True satisfied"),
        "{}",
        request(&server, "old")
    );
    let tally = world.tally();
    assert_eq!((tally.replaced, tally.waiting), (1, [(Kind::Frozen, 1)].into()));
    let told: Vec<_> = world
        .take_tales(at(1000))
        .into_iter()
        .flat_map(|(notes, _)| notes)
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].reason, DEFINITION_REPLACED);

    let pools = Change::Pool(Seen::Listed(server.pools()));
    world.observe(pools, at(9000));
    stands(&mut world, Standing::Ours, at(9000));
    settle(&mut world, &mut server, at(9000));
    assert_eq!(server.shows("new"), ["10.0.10.3"]);
    assert_eq!(
        (server.shows("old"), world.tally().replaced),
        (vec!["10.0.10.0".to_owned()], 0)
    );
}

#[test]
fn nothing_is_taken_away_and_no_pool_is_written_until_ours_is_back() {
    let (mut server, mut world) = served();
    stands(&mut world, replaced(), at(1000));
    let mut elsewhere = pool("p", "10.0.20.0/30");
    elsewhere.metadata.resource_version = Some("900".to_owned());
    sees_pool(&mut world, elsewhere.clone(), at(1001));
    let mut other = plain("old");
    other.spec.as_mut().unwrap().type_ = Some("ClusterIP".to_owned());
    server.put(&other);
    see(&mut world, &server, "old", at(1002));
    // Long after the grace of a pool that vanished.
    for now in [1002, 30_000] {
        world.advance(at(now));
        assert!(world.next_deadline(at(now)).is_none_or(|next| next > at(now)));
        let pools: Vec<_> = world.decide(at(now), ALL);
        let written = pools
            .iter()
            .filter(|write| !matches!(write.target, Target::Members));
        assert_eq!(written.count(), 0, "{pools:?}");
    }
    stands(&mut world, Standing::Ours, at(31_000));
    server.put_pool(&elsewhere);
    settle(&mut world, &mut server, at(31_000));
    assert_eq!(server.shows("old"), [] as [&str; 0]);
    let counted = server.pool_condition("p", condition::pool::IPS_TOTAL);
    assert!(counted.ends_with(" 4"), "{counted}");
}

#[test]
fn what_was_hidden_from_a_leader_that_began_meanwhile_shows_again_at_the_same_version() {
    let (mut server, mut before) = served();
    settle(&mut before, &mut server, at(2000));
    let whole = server.pools();
    let mut hidden = whole.clone();
    hidden[0].status.as_mut().unwrap().allocations.clear();
    server.pools_are(hidden);
    let mut world = begins_under_anothers(&server);
    world.observe(Change::Pool(Seen::Listed(whole)), at(9000));
    stands(&mut world, Standing::Ours, at(9000));
    let mut writes = world.decide(at(9000), ALL);
    writes.retain(|write| write.target != Target::Members);
    assert!(writes.is_empty(), "it says already what it should: {writes:?}");
}

/// A leader whose first news is that the definition is not ours, and that has listed everything since.
fn begins_under_anothers(server: &Server) -> World {
    let form = LeaseForm {
        namespace: "kube-system".to_owned(),
        timings: LeaseTimings::default(),
    };
    let mut world = World::new(form, DefaultClass::LbIpam);
    stands(&mut world, replaced(), at(0));
    list_all(&mut world, server, at(0));
    world.observe(Change::Gateway(Seen::Listed(vec![])), at(0));
    world
}

#[test]
fn a_leader_that_begins_meanwhile_leaves_what_services_say() {
    let (mut server, _) = served();
    server.put(&plain("new"));
    let mut world = begins_under_anothers(&server);
    assert!(world.is_complete());
    settle(&mut world, &mut server, at(0));
    assert!(
        request(&server, "old").starts_with("True satisfied"),
        "{}",
        request(&server, "old")
    );
    assert!(
        request(&server, "new").starts_with("False definition_replaced"),
        "{}",
        request(&server, "new")
    );
    assert_eq!(server.shows("old"), ["10.0.10.0"]);

    stands(&mut world, Standing::Ours, at(1000));
    settle(&mut world, &mut server, at(1000));
    assert_eq!(
        (server.shows("old"), server.shows("new")),
        (vec!["10.0.10.0".to_owned()], vec!["10.0.10.3".to_owned()])
    );
}

/// A server all of whose addresses are given, and one service waits.
fn full() -> (Server, World) {
    let (mut server, mut world) = served();
    for name in ["second", "waits"] {
        server.put(&plain(name));
        see(&mut world, &server, name, at(10));
        settle(&mut world, &mut server, at(10));
    }
    (server, world)
}

#[test]
fn who_waited_before_is_told_anew_why_when_it_begins_and_when_it_ends() {
    let (mut server, mut world) = full();
    let before = request(&server, "waits");
    stands(&mut world, replaced(), at(1000));
    settle(&mut world, &mut server, at(1000));
    let meanwhile = request(&server, "waits");
    assert!(meanwhile.starts_with("False definition_replaced"), "{meanwhile}");
    stands(&mut world, Standing::Ours, at(2000));
    settle(&mut world, &mut server, at(2000));
    assert_eq!(request(&server, "waits"), before);
}

#[test]
fn each_of_both_changes_is_told_once() {
    let (_, mut world) = served();
    for standing in [replaced(), replaced(), Standing::Ours, Standing::Ours] {
        stands(&mut world, standing, at(1000));
    }
    let tales = world.take_tales(at(1000)).into_iter();
    let told: Vec<_> = tales
        .flat_map(|(notes, _)| notes)
        .map(|note| note.reason)
        .collect();
    assert_eq!(told, [DEFINITION_REPLACED, DEFINITION_RESTORED]);
}

#[test]
fn a_leader_that_begins_as_ours_comes_back_gives_nothing_before_it_has_listed_everything() {
    let (mut server, _) = served();
    server.put(&plain("new"));
    let mut world = World::new(
        LeaseForm {
            namespace: "kube-system".to_owned(),
            timings: LeaseTimings::default(),
        },
        DefaultClass::LbIpam,
    );
    stands(&mut world, replaced(), at(0));
    world.observe(Change::Pool(Seen::Listed(server.pools())), at(0));
    stands(&mut world, Standing::Ours, at(0));
    list_all(&mut world, &server, at(0));
    world.observe(Change::Gateway(Seen::Listed(vec![])), at(0));
    settle(&mut world, &mut server, at(0));
    assert_eq!(
        (server.shows("old"), server.shows("new")),
        (vec!["10.0.10.0".to_owned()], vec!["10.0.10.3".to_owned()])
    );
}

#[test]
fn under_anothers_definition_of_policies_addresses_are_given_and_no_policy_is_written() {
    let (mut server, mut world) = served();
    let of_policies = |standing| Change::Definition(Definition::Policies, standing);
    world.observe(of_policies(replaced()), at(1000));
    let policy = Box::new(super::scene::policy());
    world.observe(Change::Policy(Seen::Applied(policy)), at(1001));
    server.put(&plain("new"));
    see(&mut world, &server, "new", at(1002));
    let policies = |writes: &[Write]| {
        let is_policy = |write: &&Write| matches!(write.target, Target::Policy(_));
        writes.iter().filter(is_policy).count()
    };
    let writes = world.decide(at(5000), ALL);
    assert_eq!(policies(&writes), 0, "{writes:?}");
    for write in writes {
        if let (Target::Service(_), Ok(answer)) = (&write.target, server.carry_out(&write)) {
            world.written(write.target, answer, at(5000));
        }
    }
    assert_eq!(server.shows("new"), ["10.0.10.3"]);
    assert_eq!(policies(&world.decide(at(9000), ALL)), 0);
    world.observe(of_policies(Standing::Ours), at(10_000));
    let writes = world.decide(at(15_000), ALL);
    assert_eq!(policies(&writes), 1, "{writes:?}");
}
