//! What a service asks for and what it gets.

use super::*;
use crate::selector::Selector;

#[test]
fn the_first_service_on_a_pool_gets_its_lowest_address() {
    let mut ipam = running(
        vec![pool("first-pool", 1, &cidr("10.0.10.0/24"))],
        vec![service("web")],
    );
    assert_eq!(addresses(&ipam, "web"), ["10.0.10.0"]);
    assert_eq!(verdict(&ipam, "web"), Verdict::Satisfied);
    let counts = ipam.report(&"first-pool".into(), 512).unwrap().counts;
    assert_eq!(
        counts,
        Counts {
            total: 256,
            available: 255,
            used: 1
        }
    );
    assert_eq!(changed(&mut ipam), [id("web")]);
}

#[test]
fn a_service_waits_for_a_pool_and_says_what_is_missing() {
    let mut ipam = running(vec![], vec![service("web")]);
    assert_eq!(
        only_reason(&ipam, "web"),
        Reason::NoPool {
            family: Family::V4,
            missed: vec![]
        }
    );
    let selective = PoolSpec {
        selector: Ok(Selector::everything().with_label("color", "blue")),
        ..pool("blue", 1, &cidr("10.0.10.0/24"))
    };
    ipam.apply_pool(selective, at(1));
    let missed = vec![("blue".into(), Missed::Selector("color=blue".into()))];
    assert_eq!(
        only_reason(&ipam, "web"),
        Reason::NoPool {
            family: Family::V4,
            missed
        }
    );
    let labelled = Service {
        labels: [("color".to_owned(), "blue".to_owned())].into(),
        ..service("web")
    };
    ipam.apply_service(labelled, at(2));
    assert_eq!(addresses(&ipam, "web"), ["10.0.10.0"]);
}

#[test]
fn dual_stack_takes_one_of_each_and_keeps_what_it_can_have() {
    let both = Service {
        families: vec![Family::V4, Family::V6],
        ..service("web")
    };
    let mut ipam = running(vec![pool("v6", 1, &cidr("2004::0/112"))], vec![both]);
    assert_eq!(addresses(&ipam, "web"), ["2004::"]);
    assert!(matches!(
        only_reason(&ipam, "web"),
        Reason::NoPool {
            family: Family::V4,
            ..
        }
    ));
    ipam.apply_pool(pool("v4", 2, &cidr("10.0.10.0/24")), at(1));
    assert_eq!(addresses(&ipam, "web"), ["10.0.10.0", "2004::"]);
}

#[test]
fn blocks_in_the_order_written_and_pools_by_priority_then_age() {
    let blocks = [
        BlockText::range("10.0.3.5", "10.0.3.5"),
        BlockText::cidr("10.0.1.0/32"),
    ];
    let old = pool("old", 1, &blocks);
    let favoured = PoolSpec {
        priority: 5,
        ..pool("favoured", 9, &cidr("10.9.0.0/32"))
    };
    let services = ["a", "b", "c", "d"].map(service).to_vec();
    let ipam = running(vec![old, favoured], services);
    let given: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|name| addresses(&ipam, name)[0].clone())
        .collect();
    assert_eq!(given, ["10.9.0.0", "10.0.3.5", "10.0.1.0"]);
    assert!(matches!(only_reason(&ipam, "d"), Reason::OutOfAddresses { .. }));
}

#[test]
fn a_requested_address_is_had_or_explained() {
    let mut ipam = running(
        vec![pool("p", 1, &cidr("10.0.10.0/24"))],
        vec![
            requesting("first", "10.0.10.7"),
            requesting("second", "10.0.10.7"),
            requesting("far", "10.1.0.1"),
        ],
    );
    assert_eq!(addresses(&ipam, "first"), ["10.0.10.7"]);
    let taken = Reason::Taken {
        address: ip("10.0.10.7"),
        by: id("first"),
    };
    assert_eq!(only_reason(&ipam, "second"), taken);
    assert_eq!(only_reason(&ipam, "far"), Reason::NotInAnyPool(ip("10.1.0.1")));
    ipam.delete_service(&id("first"), at(1));
    assert_eq!(
        addresses(&ipam, "second"),
        ["10.0.10.7"],
        "a freed address serves who waits for it"
    );
}

#[test]
fn a_request_that_cannot_be_met_costs_nothing_that_is_held() {
    let mut ipam = running(
        vec![pool("p", 1, &cidr("10.0.10.0/24"))],
        vec![service("web"), service("other")],
    );
    let shown = |requested| Service {
        ingress: vec![ip("10.0.10.1")],
        requested,
        ..service("web")
    };
    assert_eq!(addresses(&ipam, "web"), ["10.0.10.1"]);
    ipam.apply_service(shown(vec![Requested::Address(ip("10.0.10.0"))]), at(1));
    assert_eq!(addresses(&ipam, "web"), ["10.0.10.1"]);
    assert!(matches!(only_reason(&ipam, "web"), Reason::Taken { .. }));
    ipam.apply_service(shown(vec![Requested::Unreadable("10.0.10".into())]), at(2));
    assert_eq!(only_reason(&ipam, "web"), Reason::Unreadable("10.0.10".into()));
    ipam.apply_service(shown(vec![Requested::Address(ip("10.0.10.9"))]), at(3));
    assert_eq!(addresses(&ipam, "web"), ["10.0.10.9"]);
    let released = ipam.allocation(&id("web")).unwrap().released;
    assert_eq!(
        released,
        [Released {
            address: ip("10.0.10.1"),
            cause: Cause::NotRequested
        }]
    );
}

#[test]
fn reserved_addresses_go_only_to_who_names_them() {
    let reserving = PoolSpec {
        reserved: vec![BlockText::read_reserved("10.0.10.0-10.0.10.2").unwrap()],
        ..pool("p", 1, &cidr("10.0.10.0/29"))
    };
    let ipam = running(
        vec![reserving],
        vec![service("any"), requesting("named", "10.0.10.1")],
    );
    assert_eq!(addresses(&ipam, "any"), ["10.0.10.3"]);
    assert_eq!(addresses(&ipam, "named"), ["10.0.10.1"]);
    let counts = ipam.report(&"p".into(), 512).unwrap().counts;
    assert_eq!(
        counts,
        Counts {
            total: 6,
            available: 4,
            used: 2
        }
    );
}

#[test]
fn withheld_ends_are_never_given_and_count_as_used() {
    let text = BlockText::cidr("10.0.10.0/30");
    let withholding = PoolSpec {
        blocks: vec![text.read(FirstLast::Withheld).unwrap()],
        ..pool("p", 1, &[])
    };
    let ipam = running(
        vec![withholding],
        vec![service("a"), requesting("first", "10.0.10.0")],
    );
    assert_eq!(addresses(&ipam, "a"), ["10.0.10.1"]);
    assert!(matches!(only_reason(&ipam, "first"), Reason::Withheld { .. }));
    let counts = ipam.report(&"p".into(), 512).unwrap().counts;
    assert_eq!(
        counts,
        Counts {
            total: 4,
            available: 1,
            used: 3
        }
    );
}
