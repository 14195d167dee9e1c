//! What others put into a status: adopted, left, or repaired.

use super::*;
use crate::names::PoolName;

fn put_by(owner: IngressOwner, name: &str, address: &str) -> Service {
    Service {
        ingress: vec![ip(address)],
        ingress_owner: owner,
        ..service(name)
    }
}

fn foreign(addresses: &[&str], pool: Option<&str>) -> Verdict {
    Verdict::Foreign {
        addresses: addresses.iter().map(|text| ip(text)).collect(),
        pool: pool.map(PoolName::from),
    }
}

fn ten() -> Vec<PoolSpec> {
    vec![pool("p", 1, &cidr("10.0.10.0/30"))]
}

#[test]
fn an_address_outside_our_pools_is_left_and_reported() {
    let ipam = running(ten(), vec![put_by(IngressOwner::Another, "web", "192.0.2.1")]);
    let allocation = ipam.allocation(&id("web")).unwrap();
    let left = Allocation {
        given: vec![],
        released: vec![],
        verdict: Some(foreign(&["192.0.2.1"], Some("p"))),
    };
    assert_eq!(allocation, left);
}

#[test]
fn a_name_alone_is_left_too() {
    let named = Service {
        ingress_owner: IngressOwner::Another,
        ..service("web")
    };
    let ipam = running(ten(), vec![named]);
    assert_eq!(verdict(&ipam, "web"), foreign(&[], Some("p")));
    assert_eq!(addresses(&ipam, "web"), [] as [&str; 0]);
}

#[test]
fn an_address_of_our_pool_is_adopted_and_given_to_nobody_else() {
    let ipam = running(
        ten(),
        vec![put_by(IngressOwner::Another, "web", "10.0.10.0"), service("new")],
    );
    assert_eq!(
        (addresses(&ipam, "web"), verdict(&ipam, "web")),
        (vec!["10.0.10.0".into()], Verdict::Satisfied)
    );
    assert_eq!(addresses(&ipam, "new"), ["10.0.10.1"]);
}

#[test]
fn an_address_that_a_service_of_another_class_shows_is_given_to_nobody() {
    let other = Service {
        handling: Handling::ForeignClass("example.com/other".into()),
        ..put_by(IngressOwner::Another, "other", "10.0.10.0")
    };
    let ipam = running(ten(), vec![other, service("new")]);
    assert_eq!(addresses(&ipam, "new"), ["10.0.10.1"]);
    let released = ipam.allocation(&id("other")).unwrap().released;
    assert_eq!(released, []);
}

#[test]
fn what_cilium_gave_is_inherited_unless_cilium_serves_the_service() {
    let ours = put_by(IngressOwner::Cilium, "ours", "10.0.10.1");
    let bgp = Service {
        handling: Handling::ForeignClass("io.cilium/bgp-control-plane".into()),
        ..put_by(IngressOwner::Cilium, "bgp", "10.0.10.2")
    };
    let internal = Service {
        handling: Handling::NotLoadBalancer,
        ..put_by(IngressOwner::Cilium, "internal", "10.0.10.3")
    };
    let ipam = running(ten(), vec![ours, bgp, internal]);
    assert_eq!(addresses(&ipam, "ours"), ["10.0.10.1"]);
    assert_eq!(ipam.allocation(&id("bgp")).unwrap().released, []);
    let lost = Released {
        address: ip("10.0.10.3"),
        cause: Cause::NotHandled,
    };
    assert_eq!(ipam.allocation(&id("internal")).unwrap().released, [lost]);
}

#[test]
fn a_service_that_ceased_to_be_ours_while_the_operator_was_down_is_cleaned_up() {
    let gone = Service {
        handling: Handling::ForeignClass("example.com/other".into()),
        ..put_by(IngressOwner::Us, "web", "10.0.10.0")
    };
    let ipam = running(ten(), vec![gone, service("new")]);
    let lost = Released {
        address: ip("10.0.10.0"),
        cause: Cause::NotHandled,
    };
    assert_eq!(ipam.allocation(&id("web")).unwrap().released, [lost]);
    assert_eq!(addresses(&ipam, "new"), ["10.0.10.0"]);
}

#[test]
fn who_was_satisfied_longer_keeps_a_doubled_address() {
    let since = |name: &str, created: i64, since: i64| Service {
        created: Timestamp(created),
        satisfied_since: Some(Timestamp(since)),
        ..put_by(IngressOwner::Us, name, "10.0.10.0")
    };
    let ipam = running(ten(), vec![since("older", 1, 9), since("younger", 2, 5)]);
    assert_eq!(addresses(&ipam, "younger"), ["10.0.10.0"]);
    assert_eq!(addresses(&ipam, "older"), ["10.0.10.1"]);
}

#[test]
fn who_would_lose_it_anyway_does_not_take_it_from_another() {
    let sixes = Service {
        families: vec![Family::V6],
        satisfied_since: Some(Timestamp(1)),
        ..put_by(IngressOwner::Us, "a", "10.0.10.2")
    };
    let ipam = running(ten(), vec![sixes, put_by(IngressOwner::Us, "b", "10.0.10.2")]);
    assert_eq!(addresses(&ipam, "b"), ["10.0.10.2"]);
}

#[test]
fn an_address_of_ours_written_over_by_a_doubled_one_comes_back() {
    let mut ipam = running(ten(), vec![service("a"), service("b")]);
    let satisfied = |name: &str, owner, address: &str| Service {
        satisfied_since: Some(Timestamp(1)),
        ..put_by(owner, name, address)
    };
    ipam.apply_service(satisfied("a", IngressOwner::Us, "10.0.10.0"), at(1));
    ipam.apply_service(satisfied("b", IngressOwner::Us, "10.0.10.1"), at(1));
    ipam.apply_service(satisfied("b", IngressOwner::Another, "10.0.10.0"), at(2));
    let lost = Released {
        address: ip("10.0.10.0"),
        cause: Cause::HeldBy(id("a")),
    };
    let repaired = ipam.allocation(&id("b")).unwrap();
    assert_eq!(
        (repaired.released, addresses(&ipam, "b")),
        (vec![lost], vec!["10.0.10.1".into()])
    );
    assert_eq!(addresses(&ipam, "a"), ["10.0.10.0"]);
}

#[test]
fn a_cleared_status_gets_its_address_back() {
    let mut ipam = running(ten(), vec![service("web")]);
    ipam.apply_service(put_by(IngressOwner::Us, "web", "10.0.10.0"), at(1));
    ipam.apply_service(service("web"), at(2));
    assert_eq!(addresses(&ipam, "web"), ["10.0.10.0"]);
}

#[test]
fn a_late_write_does_not_bring_a_second_address() {
    let mut ipam = running(ten(), vec![service("web")]);
    ipam.apply_service(put_by(IngressOwner::Us, "web", "10.0.10.3"), at(1));
    assert_eq!(addresses(&ipam, "web"), ["10.0.10.0"]);
    let released = ipam.allocation(&id("web")).unwrap().released;
    assert_eq!(released[0].cause, Cause::NotRequested);
}

#[test]
fn a_pool_that_comes_to_cover_a_foreign_address_gives_it_to_nobody() {
    let showing = put_by(IngressOwner::Another, "web", "10.0.10.0");
    let mut ipam = running(vec![], vec![showing, service("new")]);
    assert_eq!(verdict(&ipam, "web"), foreign(&["10.0.10.0"], None));
    ipam.apply_pool(pool("p", 1, &cidr("10.0.10.0/30")), at(1));
    assert_eq!(
        (addresses(&ipam, "web"), addresses(&ipam, "new")),
        (vec!["10.0.10.0".into()], vec!["10.0.10.1".into()])
    );
}

#[test]
fn who_alone_shows_an_address_that_others_gave_has_it() {
    let ours = put_by(IngressOwner::Us, "ours", "10.0.10.0");
    let mut ipam = running(ten(), vec![ours]);
    ipam.apply_service(put_by(IngressOwner::Another, "theirs", "10.0.10.0"), at(1));
    assert_eq!(addresses(&ipam, "ours"), ["10.0.10.0"], "while ours shows it too");
    assert_eq!(addresses(&ipam, "theirs"), [] as [&str; 0]);
    // A late write of ours arrives: the status shows another address than the one decided since.
    ipam.apply_service(put_by(IngressOwner::Us, "ours", "10.0.10.8"), at(2));
    assert_eq!(addresses(&ipam, "theirs"), ["10.0.10.0"]);
    assert_ne!(addresses(&ipam, "ours"), ["10.0.10.0"]);
}

#[test]
fn a_freed_address_goes_to_who_shows_it_before_anybody_else_tries_it() {
    let painted = |color: &str, service: Service| Service {
        labels: [("color".to_owned(), color.to_owned())].into(),
        ..service
    };
    let theirs = put_by(IngressOwner::Another, "theirs", "10.0.10.8");
    let leaving = painted("blue", put_by(IngressOwner::Us, "leaving", "10.0.10.8"));
    // It asks for IPv4 now, and keeps its IPv6 address until it has one.
    let waiting = painted("red", put_by(IngressOwner::Us, "a-waiting", "2004::1"));
    let mut ipam = running(
        vec![pool("six", 1, &cidr("2004::/120"))],
        vec![theirs, leaving, waiting],
    );
    let red = PoolSpec {
        selector: Ok(Selector::everything().with_label("color", "red")),
        ..pool("red", 2, &cidr("10.0.10.8/32"))
    };
    ipam.apply_pool(red, at(1));
    assert_eq!(addresses(&ipam, "theirs"), ["10.0.10.8"]);
    assert_eq!(addresses(&ipam, "leaving"), [] as [&str; 0]);
    assert_eq!(addresses(&ipam, "a-waiting"), ["2004::1"]);
}

#[test]
fn an_address_that_two_show_is_not_lost_to_the_one_that_does_not_keep_it() {
    let blue = Service {
        labels: [("color".to_owned(), "blue".to_owned())].into(),
        satisfied_since: Some(Timestamp(1)),
        ..put_by(IngressOwner::Us, "leaving", "10.0.10.0")
    };
    // It asks for what it cannot have, and keeps what it has meanwhile.
    let asking = Service {
        requested: vec![Requested::Address(ip("192.0.2.1"))],
        ..put_by(IngressOwner::Us, "staying", "10.0.10.0")
    };
    let not_blue = PoolSpec {
        selector: Selector::everything().with_expression("color", "NotIn", &["blue".to_owned()]),
        ..pool("p", 1, &cidr("10.0.10.0/30"))
    };
    let ipam = running(vec![not_blue], vec![blue, asking]);
    assert_eq!(addresses(&ipam, "staying"), ["10.0.10.0"]);
    assert_eq!(addresses(&ipam, "leaving"), [] as [&str; 0]);
}
