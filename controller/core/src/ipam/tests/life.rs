//! The life of pools, services and the operator: what keeps an address and what takes it away.

use super::*;
use crate::selector::Selector;

fn showing(name: &str, address: &str) -> Service {
    Service {
        ingress: vec![ip(address)],
        ..service(name)
    }
}

#[test]
fn a_restart_changes_nothing_not_even_in_disabled_or_conflicting_pools() {
    let disabled = PoolSpec {
        admission: Admission::Disabled,
        ..pool("off", 1, &cidr("10.0.10.0/24"))
    };
    let conflicting = pool("late", 2, &cidr("10.0.10.128/25"));
    let ipam = running(
        vec![disabled, conflicting],
        vec![
            showing("a", "10.0.10.9"),
            showing("b", "10.0.10.200"),
            service("new"),
        ],
    );
    assert_eq!(addresses(&ipam, "a"), ["10.0.10.9"]);
    assert_eq!(addresses(&ipam, "b"), ["10.0.10.200"]);
    assert_eq!(
        only_reason(&ipam, "new"),
        Reason::NoPool {
            family: Family::V4,
            missed: vec![
                ("off".into(), Missed::Disabled),
                ("late".into(), Missed::Conflicting)
            ],
        }
    );
}

#[test]
fn a_duplicate_made_by_somebody_else_is_repaired_for_the_older_service() {
    let old = Service {
        created: Timestamp(1),
        ..showing("z-old", "10.0.10.5")
    };
    let young = Service {
        created: Timestamp(2),
        ..showing("a-young", "10.0.10.5")
    };
    let ipam = running(vec![pool("p", 1, &cidr("10.0.10.0/24"))], vec![young, old]);
    assert_eq!(addresses(&ipam, "z-old"), ["10.0.10.5"]);
    assert_eq!(addresses(&ipam, "a-young"), ["10.0.10.0"]);
    let released = ipam.allocation(&id("a-young")).unwrap().released;
    assert_eq!(
        released,
        [Released {
            address: ip("10.0.10.5"),
            cause: Cause::HeldBy(id("z-old"))
        }]
    );
}

#[test]
fn a_pool_recreated_within_the_grace_takes_nothing_away() {
    let mut ipam = running(
        vec![pool("p", 1, &cidr("10.0.10.0/24"))],
        vec![showing("web", "10.0.10.77")],
    );
    ipam.delete_pool(&"p".into(), at(10));
    assert_eq!(addresses(&ipam, "web"), ["10.0.10.77"]);
    assert_eq!(ipam.next_deadline(), Some(at(15)));
    ipam.apply_pool(pool("p", 2, &cidr("10.0.0.0/16")), at(12));
    ipam.advance(at(20));
    assert_eq!(addresses(&ipam, "web"), ["10.0.10.77"]);
    ipam.delete_pool(&"p".into(), at(30));
    ipam.advance(at(35));
    assert_eq!(addresses(&ipam, "web"), [] as [&str; 0]);
    let released = ipam.allocation(&id("web")).unwrap().released;
    assert_eq!(
        released,
        [Released {
            address: ip("10.0.10.77"),
            cause: Cause::NoPool
        }]
    );
    assert_eq!(ipam.next_deadline(), None);
}

#[test]
fn when_a_pool_serves_a_service_no_more_another_does() {
    let mut ipam = running(
        vec![
            pool("a", 1, &cidr("10.0.1.0/24")),
            pool("b", 2, &cidr("10.0.2.0/24")),
        ],
        vec![showing("web", "10.0.1.0")],
    );
    let blue = Selector::everything().with_label("color", "blue");
    ipam.apply_pool(
        PoolSpec {
            selector: Ok(blue),
            ..pool("a", 1, &cidr("10.0.1.0/24"))
        },
        at(1),
    );
    assert_eq!(addresses(&ipam, "web"), ["10.0.2.0"]);
    let cause = Cause::PoolMissed("a".into(), Missed::Selector("color=blue".into()));
    let released = ipam.allocation(&id("web")).unwrap().released;
    assert_eq!(
        released,
        [Released {
            address: ip("10.0.1.0"),
            cause
        }]
    );
}

#[test]
fn the_later_pool_yields_and_returns_when_the_overlap_is_gone() {
    let (first, second) = (
        pool("z", 1, &cidr("10.0.10.0/25")),
        pool("a", 2, &cidr("10.0.10.0/24")),
    );
    let mut ipam = running(vec![second, first], vec![]);
    assert_eq!(ipam.report(&"z".into(), 512).unwrap().conflict, None);
    let conflict = ipam.report(&"a".into(), 512).unwrap().conflict.unwrap();
    assert_eq!(
        conflict.to_string(),
        "10.0.10.0 - 10.0.10.255 overlaps 10.0.10.0 - 10.0.10.127 of pool z"
    );
    ipam.apply_service(service("web"), at(1));
    assert_eq!(
        ipam.allocation(&id("web")).unwrap().given[0].pool,
        Some("z".into())
    );
    ipam.delete_pool(&"z".into(), at(2));
    assert_eq!(ipam.report(&"a".into(), 512).unwrap().conflict, None);
    assert_eq!(
        addresses(&ipam, "web"),
        ["10.0.10.0"],
        "the loser keeps what it covers"
    );
    let counts = ipam.report(&"a".into(), 512).unwrap().counts;
    assert_eq!(
        counts,
        Counts {
            total: 256,
            available: 255,
            used: 1
        }
    );
}

#[test]
fn a_service_that_is_no_longer_ours_gives_back_what_we_gave() {
    let mut ipam = running(
        vec![pool("p", 1, &cidr("10.0.10.0/32"))],
        vec![service("web"), service("x")],
    );
    let gone = Service {
        handling: Handling::NotLoadBalancer,
        ..showing("web", "10.0.10.0")
    };
    ipam.apply_service(gone, at(1));
    let allocation = ipam.allocation(&id("web")).unwrap();
    assert_eq!(allocation.given, []);
    assert_eq!(
        allocation.released,
        [Released {
            address: ip("10.0.10.0"),
            cause: Cause::NotHandled
        }]
    );
    assert_eq!(allocation.verdict, None);
    assert_eq!(addresses(&ipam, "x"), ["10.0.10.0"]);
}

#[test]
fn while_starting_nothing_is_given() {
    let mut ipam = Ipam::default();
    ipam.apply_pool(pool("p", 1, &cidr("10.0.10.0/24")), at(0));
    ipam.apply_service(service("new"), at(0));
    assert_eq!(addresses(&ipam, "new"), [] as [&str; 0]);
    ipam.apply_service(showing("old", "10.0.10.0"), at(0));
    ipam.start(at(1));
    assert_eq!(addresses(&ipam, "old"), ["10.0.10.0"]);
    assert_eq!(addresses(&ipam, "new"), ["10.0.10.1"]);
}
