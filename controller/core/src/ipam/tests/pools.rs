//! Edits of pools: what stays, what goes, and what is counted.

use super::*;

fn ends(first_last: FirstLast) -> PoolSpec {
    let block = BlockText::cidr("10.0.10.0/30").read(first_last).unwrap();
    PoolSpec {
        blocks: vec![block],
        ..pool("p", 1, &[])
    }
}

fn counted(ipam: &Ipam) -> (u128, u128, u128) {
    let counts = ipam.report(&"p".into(), 512).unwrap().counts;
    (counts.total, counts.available, counts.used)
}

#[test]
fn first_and_last_come_and_go_while_in_use() {
    let mut ipam = running(vec![ends(FirstLast::Allowed)], vec![service("a"), service("b")]);
    assert_eq!(
        (addresses(&ipam, "a"), counted(&ipam)),
        (vec!["10.0.10.0".into()], (4, 2, 2))
    );
    ipam.apply_pool(ends(FirstLast::Withheld), at(1));
    assert_eq!(
        (addresses(&ipam, "a"), counted(&ipam)),
        (vec!["10.0.10.0".into()], (4, 1, 3))
    );
    ipam.apply_pool(ends(FirstLast::Allowed), at(2));
    assert_eq!(
        (addresses(&ipam, "a"), counted(&ipam)),
        (vec!["10.0.10.0".into()], (4, 2, 2))
    );
    ipam.apply_service(service("c"), at(3));
    assert_eq!(
        addresses(&ipam, "c"),
        ["10.0.10.2"],
        "what is in use is given to nobody else"
    );
    ipam.apply_pool(ends(FirstLast::Withheld), at(4));
    ipam.delete_service(&id("a"), at(5));
    assert_eq!(counted(&ipam), (4, 0, 4));
    ipam.apply_service(service("d"), at(6));
    assert!(matches!(only_reason(&ipam, "d"), Reason::OutOfAddresses { .. }));
    ipam.apply_pool(ends(FirstLast::Allowed), at(7));
    assert_eq!(addresses(&ipam, "d"), ["10.0.10.0"], "served in the same event");
}

#[test]
fn another_notation_widening_and_shrinking_elsewhere_keep_every_address() {
    let mut ipam = running(
        vec![pool("p", 1, &cidr("10.0.10.0/24"))],
        vec![service("a"), requesting("b", "10.0.10.200")],
    );
    let edits = [
        vec![BlockText::range("10.0.10.0", "10.0.10.255")],
        vec![BlockText::cidr("10.0.0.0/16")],
        vec![
            BlockText::range("10.0.10.200", "10.0.10.200"),
            BlockText::cidr("10.0.10.0/31"),
        ],
    ];
    for (time, blocks) in (1..).zip(edits) {
        ipam.apply_pool(pool("p", 1, &blocks), at(time));
        assert_eq!(addresses(&ipam, "a"), ["10.0.10.0"]);
        assert_eq!(addresses(&ipam, "b"), ["10.0.10.200"]);
    }
    assert_eq!(counted(&ipam), (3, 1, 2));
}

#[test]
fn a_pool_that_overlaps_itself_gives_nothing_and_counts_no_address_twice() {
    let blocks = [BlockText::cidr("10.0.10.0/31"), BlockText::cidr("10.0.10.0/30")];
    let ipam = running(vec![pool("p", 1, &blocks)], vec![service("a")]);
    let conflict = ipam.report(&"p".into(), 512).unwrap().conflict.unwrap();
    assert_eq!(
        conflict.to_string(),
        "10.0.10.0 - 10.0.10.3 overlaps 10.0.10.0 - 10.0.10.1 of pool p"
    );
    assert_eq!(counted(&ipam), (4, 4, 0));
    assert!(matches!(only_reason(&ipam, "a"), Reason::NoPool { .. }));
}

#[test]
fn a_conflicting_pool_of_higher_priority_takes_nothing_from_the_services_of_the_other() {
    let blue = |name: &str| Service {
        labels: [("color".to_owned(), "blue".to_owned())].into(),
        ..service(name)
    };
    let mut ipam = running(vec![pool("p", 1, &cidr("10.0.10.0/24"))], vec![blue("a")]);
    let later = PoolSpec {
        priority: 9,
        selector: Ok(Selector::everything().with_label("color", "red")),
        ..pool("later", 2, &cidr("10.0.10.0/28"))
    };
    ipam.apply_pool(later, at(1));
    assert_eq!(addresses(&ipam, "a"), ["10.0.10.0"]);
    assert_eq!(ipam.allocation(&id("a")).unwrap().given[0].pool, Some("p".into()));
}

#[test]
fn conflicts_are_found_before_anybody_is_served() {
    let mut ipam = running(
        vec![
            pool("first", 1, &cidr("10.0.10.0/32")),
            pool("p", 2, &cidr("10.0.11.0/32")),
        ],
        vec![service("a"), service("b"), service("c")],
    );
    ipam.apply_pool(pool("p", 2, &cidr("10.0.10.0/31")), at(1));
    assert!(ipam.report(&"p".into(), 512).unwrap().conflict.is_some());
    assert_eq!(
        addresses(&ipam, "c"),
        [] as [&str; 0],
        "the edited pool yields, whole"
    );
}

#[test]
fn the_first_block_is_full_before_the_second_and_a_freed_address_is_used_again() {
    let blocks: Vec<_> = (0..2_000)
        .map(|block| BlockText::range(&format!("10.{}.{}.7", 1 + block / 250, block % 250), ""))
        .map(|text| BlockText { stop: None, ..text })
        .collect();
    let services = (0..2_000).map(|number| Service {
        created: Timestamp(number),
        ..service(&format!("s{number}"))
    });
    let mut ipam = running(vec![pool("p", 1, &blocks)], services.collect());
    assert_eq!(addresses(&ipam, "s0"), ["10.1.0.7"]);
    assert_eq!(addresses(&ipam, "s1999"), ["10.8.249.7"]);
    ipam.delete_service(&id("s700"), at(1));
    ipam.apply_service(service("new"), at(2));
    assert_eq!(addresses(&ipam, "new"), ["10.3.200.7"]);
}
