//! One address for several services: who may, who may not, and what is said.

use std::collections::BTreeSet;

use super::*;

fn shares(name: &str, port: i32, protocol: Protocol) -> Service {
    Service {
        sharing: Some(Sharing {
            key: SharingKey::new("dns").unwrap(),
            namespaces: Namespaces::Own,
            ports: BTreeSet::from([Port {
                number: port,
                protocol,
            }]),
            traffic: Traffic::Cluster,
        }),
        ..service(name)
    }
}

fn with(mut service: Service, change: impl FnOnce(&mut Sharing)) -> Service {
    change(service.sharing.as_mut().unwrap());
    service
}

fn local(app: &str, different: DifferentPods) -> Traffic {
    let pods = if app.is_empty() {
        Labels::new()
    } else {
        [("app".to_owned(), app.to_owned())].into()
    };
    Traffic::Local { pods, different }
}

fn two(one: Service, other: Service) -> Ipam {
    running(vec![pool("p", 1, &cidr("10.0.10.0/24"))], vec![one, other])
}

/// What the second asked for the first's address is told.
fn clash(one: Service, other: Service) -> Option<Clash> {
    let name = other.id.clone();
    let asking = Service {
        requested: vec![Requested::Address(ip("10.0.10.0"))],
        created: Timestamp(1),
        ..other
    };
    match two(one, asking).allocation(&name).unwrap().verdict.unwrap() {
        Verdict::Satisfied => None,
        Verdict::Unsatisfied(reasons) => match reasons.as_slice() {
            [Reason::CannotShare { clash, .. }] => Some(clash.clone()),
            other => panic!("{other:?}"),
        },
        other @ (Verdict::Foreign { .. } | Verdict::Deferred) => panic!("{other:?}"),
    }
}

#[test]
fn the_same_port_on_tcp_and_udp_shares_one_address() {
    let ipam = two(shares("tcp", 53, Protocol::Tcp), shares("udp", 53, Protocol::Udp));
    assert_eq!(addresses(&ipam, "tcp"), ["10.0.10.0"]);
    assert_eq!(addresses(&ipam, "udp"), ["10.0.10.0"]);
    let report = ipam.report(&"p".into(), 512).unwrap();
    assert_eq!(report.counts.used, 1, "a shared address counts once");
    assert_eq!(
        report.allocations,
        [(ip("10.0.10.0"), vec![id("tcp"), id("udp")])]
    );
}

#[test]
fn who_cannot_share_gets_an_address_of_its_own() {
    let ipam = two(shares("a", 53, Protocol::Tcp), shares("b", 53, Protocol::Tcp));
    assert_eq!(
        (addresses(&ipam, "a"), addresses(&ipam, "b")),
        (vec!["10.0.10.0".into()], vec!["10.0.10.1".into()])
    );
}

#[test]
fn every_rule_of_sharing_is_told_by_name() {
    let tcp = || shares("a", 53, Protocol::Tcp);
    let udp = || shares("b", 53, Protocol::Udp);
    let port = Port {
        number: 53,
        protocol: Protocol::Tcp,
    };
    assert_eq!(clash(tcp(), udp()), None);
    assert_eq!(
        clash(tcp(), shares("b", 53, Protocol::Tcp)),
        Some(Clash::Port(port))
    );
    let other_key = with(udp(), |sharing| sharing.key = SharingKey::new("web").unwrap());
    assert_eq!(clash(tcp(), other_key), Some(Clash::Key));
    assert_eq!(clash(service("a"), udp()), Some(Clash::Key));
    let refused = DifferentPods::Refused;
    let is_local = |service, app, different| with(service, |sharing| sharing.traffic = local(app, different));
    assert_eq!(
        clash(tcp(), is_local(udp(), "x", refused)),
        Some(Clash::TrafficPolicy)
    );
    let same = clash(is_local(tcp(), "x", refused), is_local(udp(), "x", refused));
    assert_eq!(same, None);
    let different = clash(
        is_local(tcp(), "x", refused),
        is_local(udp(), "y", DifferentPods::Permitted),
    );
    assert_eq!(different, Some(Clash::DifferentPods));
    let permitted = DifferentPods::Permitted;
    assert_eq!(
        clash(is_local(tcp(), "x", permitted), is_local(udp(), "y", permitted)),
        None
    );
    let none = clash(is_local(tcp(), "x", permitted), is_local(udp(), "", permitted));
    assert_eq!(none, Some(Clash::NoPods));
}

#[test]
fn namespaces_share_only_when_each_lists_the_other() {
    let elsewhere = |listed: Option<&str>| {
        let mut service = with(shares("b", 53, Protocol::Udp), |sharing| {
            sharing.namespaces = Namespaces::read(listed);
        });
        service.id = ServiceId::new("other", "b");
        service
    };
    let here = |listed: Option<&str>| {
        with(shares("a", 53, Protocol::Tcp), |sharing| {
            sharing.namespaces = Namespaces::read(listed);
        })
    };
    assert_eq!(
        clash(here(Some("other")), elsewhere(None)),
        Some(Clash::Namespace)
    );
    assert_eq!(clash(here(None), elsewhere(Some("*"))), Some(Clash::Namespace));
    assert_eq!(clash(here(Some("x, other")), elsewhere(Some("default"))), None);
    assert_eq!(clash(here(Some("*")), elsewhere(Some("*"))), None);
}

#[test]
fn a_request_without_a_key_is_told_that_the_address_is_taken() {
    let ipam = two(shares("a", 53, Protocol::Tcp), requesting("b", "10.0.10.0"));
    let taken = Reason::Taken {
        address: ip("10.0.10.0"),
        by: id("a"),
    };
    assert_eq!(only_reason(&ipam, "b"), taken);
}

#[test]
fn joining_obeys_the_pool() {
    let blue = |admission| PoolSpec {
        selector: Ok(Selector::everything().with_label("color", "blue")),
        admission,
        ..pool("p", 1, &cidr("10.0.10.0/24"))
    };
    let painted = |service: Service| Service {
        labels: [("color".to_owned(), "blue".to_owned())].into(),
        ..service
    };
    let first = painted(shares("a", 53, Protocol::Tcp));
    let mut ipam = running(vec![blue(Admission::Open)], vec![first]);
    ipam.apply_service(shares("b", 53, Protocol::Udp), at(1));
    assert!(matches!(only_reason(&ipam, "b"), Reason::NoPool { .. }));
    ipam.apply_pool(blue(Admission::Disabled), at(2));
    ipam.apply_service(painted(shares("b", 53, Protocol::Udp)), at(3));
    assert!(matches!(only_reason(&ipam, "b"), Reason::NoPool { .. }));
    ipam.apply_pool(blue(Admission::Open), at(4));
    assert_eq!(addresses(&ipam, "b"), ["10.0.10.0"]);
}

#[test]
fn a_reserved_address_is_joined_only_by_name() {
    let reserving = PoolSpec {
        reserved: vec![BlockText::read_reserved("10.0.10.9").unwrap()],
        ..pool("p", 1, &cidr("10.0.10.0/24"))
    };
    let named = Service {
        requested: vec![Requested::Address(ip("10.0.10.9"))],
        ..shares("a", 53, Protocol::Tcp)
    };
    let ipam = running(vec![reserving], vec![named, shares("b", 53, Protocol::Udp)]);
    assert_eq!(
        (addresses(&ipam, "a"), addresses(&ipam, "b")),
        (vec!["10.0.10.9".into()], vec!["10.0.10.0".into()])
    );
}

#[test]
fn the_member_that_changes_moves_and_the_others_stay() {
    let mut ipam = two(shares("a", 53, Protocol::Tcp), shares("b", 53, Protocol::Udp));
    let changed = |mut service: Service| {
        service.ingress = vec![ip("10.0.10.0")];
        service
    };
    ipam.apply_service(changed(shares("a", 53, Protocol::Udp)), at(1));
    assert_eq!(
        (addresses(&ipam, "a"), addresses(&ipam, "b")),
        (vec!["10.0.10.1".into()], vec!["10.0.10.0".into()])
    );
    let port = Port {
        number: 53,
        protocol: Protocol::Udp,
    };
    let lost = Released {
        address: ip("10.0.10.0"),
        cause: Cause::CannotShare(id("b"), Clash::Port(port)),
    };
    assert_eq!(ipam.allocation(&id("a")).unwrap().released, [lost]);
}

#[test]
fn a_sole_owner_is_found_by_its_new_key_at_once() {
    let web = |service: Service| with(service, |sharing| sharing.key = SharingKey::new("web").unwrap());
    let mut ipam = running(
        vec![pool("p", 1, &cidr("10.0.10.0/24"))],
        vec![shares("a", 53, Protocol::Tcp)],
    );
    ipam.apply_service(web(shares("a", 53, Protocol::Tcp)), at(1));
    ipam.apply_service(web(shares("b", 80, Protocol::Tcp)), at(2));
    ipam.apply_service(shares("old", 80, Protocol::Tcp), at(3));
    assert_eq!(addresses(&ipam, "b"), ["10.0.10.0"]);
    assert_eq!(addresses(&ipam, "old"), ["10.0.10.1"]);
}

#[test]
fn on_a_full_pool_a_waiter_joins_as_soon_as_somebody_lets_it() {
    let mut ipam = running(
        vec![pool("p", 1, &cidr("10.0.10.0/32"))],
        vec![shares("a", 53, Protocol::Tcp), shares("b", 53, Protocol::Tcp)],
    );
    let port = Port {
        number: 53,
        protocol: Protocol::Tcp,
    };
    let full = Reason::OutOfAddresses {
        family: Family::V4,
        pools: vec!["p".into()],
        unshared: vec![(ip("10.0.10.0"), id("a"), Clash::Port(port))],
    };
    assert_eq!(only_reason(&ipam, "b"), full);
    assert_eq!(
        full.to_string(),
        "no IPv4 address: no free address in pool p; 10.0.10.0 cannot be shared with service default/a: both use \
         port 53/TCP; add a block or release a service"
    );
    ipam.apply_service(shares("a", 54, Protocol::Tcp), at(1));
    assert_eq!(addresses(&ipam, "b"), ["10.0.10.0"]);
    ipam.delete_service(&id("a"), at(2));
    assert_eq!(addresses(&ipam, "b"), ["10.0.10.0"], "the last member keeps it");
}

#[test]
fn sharing_survives_a_restart() {
    let shown = |service: Service| Service {
        ingress: vec![ip("10.0.10.7")],
        ..service
    };
    let ipam = two(
        shown(shares("b", 53, Protocol::Udp)),
        shown(shares("a", 53, Protocol::Tcp)),
    );
    assert_eq!(
        (addresses(&ipam, "a"), addresses(&ipam, "b")),
        (vec!["10.0.10.7".into()], vec!["10.0.10.7".into()])
    );
}
