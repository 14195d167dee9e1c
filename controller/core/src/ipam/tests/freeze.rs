//! A time in which nothing is decided.

use super::*;

fn why() -> Reason {
    Reason::Frozen("the pools are hidden".to_owned())
}

fn frozen(pools: Vec<PoolSpec>, services: Vec<Service>) -> Ipam {
    let mut ipam = running(pools, services);
    ipam.freeze("the pools are hidden".to_owned());
    ipam
}

#[test]
fn nothing_is_given_before_it_is_started_again() {
    let mut ipam = frozen(vec![pool("p", 1, &cidr("10.0.10.0/24"))], vec![service("old")]);
    ipam.apply_service(service("new"), at(1));
    ipam.apply_pool(pool("other", 2, &cidr("10.0.20.0/24")), at(2));
    ipam.delete_service(&id("old"), at(3));
    assert_eq!(addresses(&ipam, "new"), [] as [&str; 0]);
    assert_eq!(only_reason(&ipam, "new"), why());
    assert_eq!(ipam.pending(), [(Kind::Frozen, 1)].into());
    ipam.start(at(4));
    assert_eq!(addresses(&ipam, "new"), ["10.0.10.0"]);
    assert_eq!(ipam.pending(), [].into());
}

#[test]
fn what_is_set_free_is_nobodys_before_it_is_started_again() {
    let younger = Service {
        created: Timestamp(1),
        ..service("waits")
    };
    let mut ipam = frozen(
        vec![pool("p", 1, &cidr("10.0.10.0/32"))],
        vec![service("has"), younger],
    );
    ipam.delete_service(&id("has"), at(1));
    assert_eq!(addresses(&ipam, "waits"), [] as [&str; 0]);
    ipam.start(at(2));
    assert_eq!(addresses(&ipam, "waits"), ["10.0.10.0"]);
}

#[test]
fn nothing_is_taken_away_whatever_becomes_of_pools_and_services() {
    let mut ipam = frozen(
        vec![pool("p", 1, &cidr("10.0.10.0/24"))],
        vec![service("a"), service("b")],
    );
    ipam.delete_pool(&"p".into(), at(1));
    let another = Handling::ForeignClass("x/y".to_owned());
    ipam.apply_service(
        Service {
            handling: another,
            ..service("b")
        },
        at(2),
    );
    assert_eq!(ipam.next_deadline(), None);
    ipam.advance(at(60));
    assert_eq!(
        (addresses(&ipam, "a"), addresses(&ipam, "b")),
        (vec!["10.0.10.0".into()], vec!["10.0.10.1".into()])
    );
    assert_eq!(verdict(&ipam, "a"), Verdict::Satisfied);
    // Only then does the grace of the pool that vanished begin.
    ipam.start(at(61));
    assert_eq!(addresses(&ipam, "a"), ["10.0.10.0"]);
    assert_eq!(addresses(&ipam, "b"), [] as [&str; 0]);
    assert_eq!(ipam.next_deadline(), Some(at(66)));
}

#[test]
fn a_grace_that_had_begun_waits_too() {
    let mut ipam = running(vec![pool("p", 1, &cidr("10.0.10.0/24"))], vec![service("a")]);
    ipam.delete_pool(&"p".into(), at(1));
    ipam.freeze("the pools are hidden".to_owned());
    assert_eq!(ipam.next_deadline(), None);
    ipam.advance(at(60));
    assert_eq!(addresses(&ipam, "a"), ["10.0.10.0"]);
    ipam.apply_pool(pool("p", 1, &cidr("10.0.10.0/24")), at(61));
    ipam.start(at(62));
    assert_eq!(
        (addresses(&ipam, "a"), ipam.next_deadline()),
        (vec!["10.0.10.0".into()], None)
    );
}

#[test]
fn who_lacks_something_waits_and_who_has_all_of_it_does_not() {
    let mut ipam = frozen(vec![pool("p", 1, &cidr("10.0.10.0/24"))], vec![service("has")]);
    let both = vec![Family::V4, Family::V6];
    ipam.apply_service(
        Service {
            families: both,
            ..service("has")
        },
        at(1),
    );
    assert_eq!(only_reason(&ipam, "has"), why());
    ipam.apply_service(requesting("has", "10.0.10.77"), at(2));
    assert_eq!(only_reason(&ipam, "has"), why());
    ipam.apply_service(requesting("has", "10.0.10.0"), at(3));
    assert_eq!(verdict(&ipam, "has"), Verdict::Satisfied);
}

#[test]
fn of_what_was_never_decided_nothing_is_said() {
    let mut ipam = Ipam::default();
    ipam.freeze("the pools are hidden".to_owned());
    let shows = |name: &str, address: &str| Service {
        ingress: vec![ip(address)],
        ..service(name)
    };
    ipam.apply_service(shows("ours", "10.0.10.9"), at(0));
    let theirs = Service {
        ingress_owner: IngressOwner::Another,
        ..shows("theirs", "10.0.10.10")
    };
    ipam.apply_service(theirs, at(0));
    ipam.apply_service(service("bare"), at(0));
    assert_eq!(
        (verdict(&ipam, "ours"), verdict(&ipam, "theirs")),
        (Verdict::Deferred, Verdict::Deferred)
    );
    assert_eq!(only_reason(&ipam, "bare"), why());
}

#[test]
fn of_two_that_may_not_share_any_more_it_stays_with_the_older_and_with_who_keeps_it() {
    let sharing = |name: &str, created: i64, port: i32| {
        let key = SharingKey::new("k").unwrap();
        let sharing = Sharing {
            key,
            namespaces: Namespaces::Own,
            ports: [Port {
                number: port,
                protocol: Protocol::Tcp,
            }]
            .into(),
            traffic: Traffic::Cluster,
        };
        Service {
            created: Timestamp(created),
            sharing: Some(sharing),
            ..service(name)
        }
    };
    let mut ipam = frozen(
        vec![pool("p", 1, &cidr("10.0.10.0/24"))],
        vec![sharing("older", 1, 80), sharing("younger", 2, 81)],
    );
    let (mut left, mut shows) = (ipam.clone(), ipam.clone());
    ipam.apply_service(sharing("younger", 2, 80), at(1));
    ipam.start(at(2));
    assert_eq!(
        (addresses(&ipam, "older"), addresses(&ipam, "younger")),
        (vec!["10.0.10.0".into()], vec!["10.0.10.1".into()])
    );

    let none = Service {
        handling: Handling::NotLoadBalancer,
        sharing: None,
        ..sharing("younger", 2, 81)
    };
    left.apply_service(none, at(1));
    left.apply_pool(pool("p", 1, &cidr("10.0.20.0/24")), at(1));
    left.start(at(2));
    // Nobody else has it, so it has its grace.
    assert_eq!(addresses(&left, "older"), ["10.0.10.0"]);

    shows.take_changed();
    let another = Service {
        ingress: vec![ip("10.0.10.9")],
        ..sharing("younger", 2, 80)
    };
    shows.apply_service(another, at(1));
    shows.start(at(2));
    assert_eq!(addresses(&shows, "younger"), ["10.0.10.9"]);
    let changed = shows.take_changed();
    assert!(
        changed.iter().any(|one| *one.name() == id("younger")),
        "{changed:?}"
    );
}
