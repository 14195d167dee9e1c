//! Rules that no other scenario would miss, were they broken: each was seen to fail with its rule broken on purpose.

use super::*;
use crate::selector::SelectorError;

fn read(text: &BlockText, first_last: FirstLast) -> (Range, Range) {
    let block = text.read(first_last).unwrap();
    (block.range, block.usable)
}

fn range(first: &str, last: &str) -> Range {
    Range::new(ip(first), ip(last)).unwrap()
}

#[test]
fn a_cidr_is_all_of_its_network_wherever_in_it_it_was_written() {
    let all = range("10.0.10.0", "10.0.10.255");
    let written = BlockText::cidr("10.0.10.12/24");
    assert_eq!(read(&written, FirstLast::Allowed), (all, all));
    let both = BlockText {
        cidr: written.cidr,
        ..BlockText::range("10.0.0.1", "10.0.0.2")
    };
    assert_eq!(
        read(&both, FirstLast::Allowed),
        (all, all),
        "start and stop count for nothing beside it"
    );
}

#[test]
fn first_and_last_are_withheld_from_cidrs_of_more_than_two_addresses_only() {
    let withheld = |text: &BlockText| read(text, FirstLast::Withheld).1;
    assert_eq!(
        withheld(&BlockText::cidr("10.0.10.0/30")),
        range("10.0.10.1", "10.0.10.2")
    );
    assert_eq!(
        withheld(&BlockText::cidr("10.0.10.0/31")),
        range("10.0.10.0", "10.0.10.1")
    );
    assert_eq!(
        withheld(&BlockText::cidr("10.0.10.7/32")),
        range("10.0.10.7", "10.0.10.7")
    );
    assert_eq!(
        withheld(&BlockText::cidr("2004::/126")),
        range("2004::1", "2004::2")
    );
    assert_eq!(
        withheld(&BlockText::cidr("2004::/127")),
        range("2004::", "2004::1")
    );
    let written = BlockText::range("10.0.10.0", "10.0.10.9");
    assert_eq!(withheld(&written), range("10.0.10.0", "10.0.10.9"));
}

#[test]
fn a_range_is_of_one_family_and_upwards() {
    for (start, stop) in [
        ("10.0.0.1", "2004::1"),
        ("10.0.0.9", "10.0.0.1"),
        ("2004::9", "2004::1"),
    ] {
        let refused = BlockText::range(start, stop)
            .read(FirstLast::Allowed)
            .unwrap_err();
        assert_eq!(refused, BlockError::NotARange(ip(start), ip(stop)));
    }
    let alone = BlockText {
        stop: Some("10.0.0.1".into()),
        ..BlockText::default()
    };
    assert_eq!(alone.read(FirstLast::Allowed), Err(BlockError::NoStart));
}

#[test]
fn a_reserved_address_given_back_is_nobody_elses() {
    let reserving = PoolSpec {
        reserved: vec![BlockText::read_reserved("10.0.10.0").unwrap()],
        ..pool("p", 1, &cidr("10.0.10.0/31"))
    };
    let mut ipam = running(vec![reserving], vec![requesting("named", "10.0.10.0")]);
    ipam.delete_service(&id("named"), at(1));
    ipam.apply_service(service("any"), at(2));
    assert_eq!(addresses(&ipam, "any"), ["10.0.10.1"]);
}

#[test]
fn a_service_that_names_its_pool_takes_from_no_other() {
    let naming = |name: &str| Service {
        pool: Some("second".into()),
        ..service(name)
    };
    let pools = vec![
        pool("first", 1, &cidr("10.0.1.0/24")),
        pool("second", 2, &cidr("10.0.2.0/32")),
    ];
    let asking = Service {
        requested: vec![Requested::Address(ip("10.0.1.7"))],
        ..naming("asking")
    };
    let ipam = running(pools, vec![naming("a"), naming("b"), asking]);
    assert_eq!(addresses(&ipam, "a"), ["10.0.2.0"]);
    let full = Reason::OutOfAddresses {
        family: Family::V4,
        pools: vec!["second".into()],
        unshared: vec![],
    };
    assert_eq!(only_reason(&ipam, "b"), full);
    let elsewhere = Reason::PoolMissed {
        address: ip("10.0.1.7"),
        pool: "first".into(),
        missed: Missed::NotNamed("second".into()),
    };
    assert_eq!(only_reason(&ipam, "asking"), elsewhere);
}

#[test]
fn a_selector_that_cannot_be_read_serves_nobody_and_says_why() {
    let error = SelectorError::UnknownOperator {
        key: "color".into(),
        operator: "Like".into(),
    };
    let unreadable = PoolSpec {
        selector: Err(error.clone()),
        ..pool("p", 1, &cidr("10.0.10.0/24"))
    };
    let ipam = running(
        vec![unreadable],
        vec![service("web"), requesting("asking", "10.0.10.1")],
    );
    let missed = Missed::UnreadableSelector(error.to_string());
    let no_pool = Reason::NoPool {
        family: Family::V4,
        missed: vec![("p".into(), missed.clone())],
    };
    assert_eq!(only_reason(&ipam, "web"), no_pool);
    let refused = Reason::PoolMissed {
        address: ip("10.0.10.1"),
        pool: "p".into(),
        missed,
    };
    assert_eq!(only_reason(&ipam, "asking"), refused);
}

#[test]
fn of_pools_of_one_age_the_greater_name_yields_and_takes_no_third_down() {
    let pools = [
        ("b", "10.0.10.0/24"),
        ("a", "10.0.10.0/28"),
        ("c", "10.0.10.128/25"),
    ];
    let pools = pools.map(|(name, block)| pool(name, 1, &cidr(block)));
    let ipam = running(pools.to_vec(), vec![]);
    let with = |name: &str| {
        let report = ipam.report(&name.into(), 512).unwrap();
        report.conflict.map(|conflict| conflict.with.to_string())
    };
    assert_eq!(
        [with("a"), with("b"), with("c")],
        [None, Some("a".to_owned()), None]
    );
}

#[test]
fn what_the_status_shows_keeps_its_order() {
    let both = Service {
        families: vec![Family::V4, Family::V6],
        ingress: vec![ip("2004::7"), ip("10.0.10.7")],
        ..service("web")
    };
    let pools = vec![
        pool("v4", 1, &cidr("10.0.10.0/24")),
        pool("v6", 2, &cidr("2004::/120")),
    ];
    let ipam = running(pools, vec![both]);
    assert_eq!(addresses(&ipam, "web"), ["2004::7", "10.0.10.7"]);
}
