//! Who waits, and who is woken.

use super::*;

fn aged(name: &str, created: i64) -> Service {
    Service {
        created: Timestamp(created),
        ..service(name)
    }
}

#[test]
fn a_freed_address_wakes_the_oldest_and_nobody_else() {
    let mut services = vec![aged("holder", 0)];
    services.extend((1..100).map(|age| aged(&format!("w{age:02}"), age)));
    let mut ipam = running(vec![pool("p", 1, &cidr("10.0.10.0/32"))], services);
    assert_eq!(ipam.pending(), [(Kind::OutOfAddresses, 99)].into());
    ipam.take_changed();
    ipam.delete_service(&id("holder"), at(1));
    assert_eq!(changed(&mut ipam), [id("w01")]);
    assert_eq!(ipam.pending(), [(Kind::OutOfAddresses, 98)].into());
}

#[test]
fn who_asks_for_the_address_and_who_takes_any_are_served_by_age() {
    let mut ipam = running(
        vec![pool("p", 1, &cidr("10.0.10.0/32"))],
        vec![
            aged("holder", 0),
            Service {
                created: Timestamp(2),
                ..requesting("named", "10.0.10.0")
            },
            aged("any", 1),
        ],
    );
    ipam.delete_service(&id("holder"), at(1));
    assert_eq!(addresses(&ipam, "any"), ["10.0.10.0"]);
    ipam.delete_service(&id("any"), at(2));
    assert_eq!(addresses(&ipam, "named"), ["10.0.10.0"]);
}

#[test]
fn an_address_goes_past_those_its_pool_does_not_serve() {
    let blue = PoolSpec {
        selector: Ok(Selector::everything().with_label("color", "blue")),
        ..pool("blue", 1, &cidr("10.0.10.0/32"))
    };
    let painted = |name: &str, created| Service {
        labels: [("color".to_owned(), "blue".to_owned())].into(),
        ..aged(name, created)
    };
    let mut ipam = running(
        vec![blue, pool("any", 2, &cidr("10.0.11.0/32"))],
        vec![painted("a", 0), aged("b", 1), aged("c", 2), painted("d", 3)],
    );
    ipam.take_changed();
    ipam.delete_service(&id("a"), at(1));
    assert_eq!(changed(&mut ipam), [id("d")]);
    assert_eq!(addresses(&ipam, "d"), ["10.0.10.0"]);
}

#[test]
fn a_pool_that_serves_none_of_them_wakes_nobody() {
    let waiting: Vec<_> = (0..50).map(|age| aged(&format!("w{age}"), age)).collect();
    let mut ipam = running(vec![pool("full", 1, &cidr("10.0.10.0/32"))], waiting);
    ipam.take_changed();
    let red = PoolSpec {
        selector: Ok(Selector::everything().with_label("color", "red")),
        ..pool("red", 2, &cidr("10.0.11.0/24"))
    };
    ipam.apply_pool(red, at(1));
    assert_eq!(changed(&mut ipam).len(), 0);
    assert_eq!(ipam.take_changed_pools(), ["full".into(), "red".into()].into());
}

#[test]
fn the_same_event_again_changes_nothing() {
    let pools = || pool("p", 1, &cidr("10.0.10.0/24"));
    let mut ipam = running(vec![pools()], vec![aged("a", 0)]);
    ipam.take_changed();
    ipam.take_changed_pools();
    ipam.apply_service(aged("a", 0), at(1));
    ipam.apply_pool(pools(), at(1));
    assert_eq!(
        (ipam.take_changed(), ipam.take_changed_pools()),
        ([].into(), [].into())
    );
}

#[test]
fn all_of_ipv6_and_a_single_address_are_pools_like_any() {
    let sixes = |name: &str| Service {
        families: vec![Family::V6],
        ..service(name)
    };
    let mut ipam = running(vec![pool("all", 1, &cidr("::/0"))], vec![sixes("a")]);
    assert_eq!(addresses(&ipam, "a"), ["::"]);
    let counts = ipam.report(&"all".into(), 512).unwrap().counts;
    assert_eq!(counts.available, u128::MAX);
    ipam.apply_pool(pool("all", 1, &cidr("2004::5/128")), at(1));
    ipam.apply_service(sixes("b"), at(1));
    ipam.advance(at(6));
    assert_eq!(addresses(&ipam, "b"), ["2004::5"]);
    assert!(matches!(only_reason(&ipam, "a"), Reason::OutOfAddresses { .. }));
}
