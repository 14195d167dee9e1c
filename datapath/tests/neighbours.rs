//! Neighbour discovery on a wire: real frames, the kernel's own neighbours, and a switch that snoops.
#![expect(clippy::expect_used, reason = "a test's own tools may fail loudly")]

#[path = "../abi/tests/model/mod.rs"]
mod model;
mod sandbox;

use std::{
    net::{IpAddr, Ipv6Addr, UdpSocket},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use lightship_abi::signal::Signal;
use lightship_datapath::{Datapath, Group, Options, Outcome, Ping, maps, plan::Action};
use model::{Icmp4, Icmp6, Mac, advertisement, solicitation, solicited_node, stations};
use sandbox::{
    BPFFS, Station, add_switch,
    agent::{HOLD, NEVER, SOON, VIP, VIP6, desired_of, entry, near, open, reconcile},
    enter, ip, joined_groups, mac_of, output,
};

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const CLIENT6: Ipv6Addr = Ipv6Addr::new(0x2004, 0, 0, 0, 0, 0, 0, 0x99);

fn advertised(frame: &[u8]) -> bool {
    frame.get(54) == Some(&136)
}

/// The advertisement that answers `asked`, read by the book.
fn ask(station: &Station, asked: &Icmp6) -> Option<Icmp6> {
    station.send(&asked.frame());
    station.receive(SOON, advertised).map(|frame| Icmp6::read(&frame))
}

/// Waits for what the kernel does in its own time.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let bound = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < bound, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// What `ndisc6` resolves an address to; nothing if nobody answers.
fn resolve(address: Ipv6Addr, device: &str) -> String {
    output(&format!("ndisc6 -q -n -1 -r 2 -w 500 {address} {device}"))
        .trim()
        .to_lowercase()
}

fn written(mac: Mac) -> String {
    lightship_datapath::MacAddress(mac).to_string()
}

#[test]
fn every_kind_of_solicitation_is_answered() {
    enter();
    let station = Station::ipv6_on("far");
    let mut datapath = open();
    reconcile(&mut datapath, &desired_of(&[VIP6.into()]));
    station.receive(SOON, advertised).expect("the announcement");
    let (near, far) = (mac_of("near"), mac_of("far"));
    let own = [&[1, 1][..], &far].concat();
    let nonce = [14, 1, 1, 2, 3, 4, 5, 6];
    let question = |options: &[u8]| solicitation(far, CLIENT6, VIP6, options);
    let to_station = Icmp6 {
        to: near,
        destination: VIP6,
        ..question(&own)
    };
    let answer = advertisement((far, near), (VIP6, CLIENT6), 0x60, VIP6);
    for asked in [
        question(&own),
        question(&[]),
        question(&[&nonce[..], &own].concat()),
        to_station,
    ] {
        assert_eq!(ask(&station, &asked), Some(answer.clone()), "{asked:?}");
    }
    let probe = solicitation(far, Ipv6Addr::UNSPECIFIED, VIP6, &nonce);
    let to_all = advertisement((stations(ALL_NODES), near), (VIP6, ALL_NODES), 0x20, VIP6);
    assert_eq!(ask(&station, &probe), Some(to_all));
    assert_eq!(
        maps::dump_v6(Path::new(BPFFS)).expect("a dump"),
        [(entry(VIP6), 5)].into()
    );
    let other = solicitation(far, CLIENT6, "2004::7".parse().expect("an address"), &own);
    station.send(&other.frame());
    assert_eq!(station.receive(NEVER, advertised), None, "not ours");
}

#[test]
fn a_solicitation_that_is_not_in_one_piece_is_answered() {
    enter();
    ip("link set near mtu 9000");
    ip("link set far mtu 9000");
    let (station, receiver) = (Station::ipv6_on("far"), Station::ipv6_on("far"));
    let mut datapath = open();
    reconcile(&mut datapath, &desired_of(&[VIP6.into()]));
    receiver.receive(SOON, advertised).expect("the announcement");
    let (near, far) = (mac_of("near"), mac_of("far"));
    let asked = Icmp6 {
        padding: vec![0xa5; 5000],
        ..solicitation(far, CLIENT6, VIP6, &[])
    };
    station.send_split(&asked.frame());
    let reply = receiver.receive(SOON, advertised).expect("an answer");
    let expected = advertisement((far, near), (VIP6, CLIENT6), 0x60, VIP6);
    assert_eq!(reply, expected.frame());
}

#[test]
fn ndisc6_is_answered_through_a_switch_that_snoops() {
    enter();
    add_switch();
    let group = solicited_node(VIP6).to_string();
    let mut datapath = open();
    let wanted = desired_of(&[VIP6.into()]);
    reconcile(&mut datapath, &wanted);
    eventually("the switch hears the report", || {
        output("bridge mdb show").contains(&group)
    });
    let mac = written(mac_of("near"));
    eventually("the address is found", || resolve(VIP6, "client") == mac);
    drop(datapath);
    assert_eq!(resolve(VIP6, "client"), mac, "without an agent");
    let mut datapath = open();
    assert_eq!(
        reconcile(&mut datapath, &wanted),
        [],
        "the next agent finds it joined"
    );
    assert_eq!(resolve(VIP6, "client"), mac, "with the next agent");

    ip(&format!("-6 addr del {group}/128 dev near"));
    eventually("the switch hears that nobody listens", || {
        !output("bridge mdb show").contains(&group)
    });
    eventually("the switch does snoop: without the group nobody is asked", || {
        resolve(VIP6, "client").is_empty()
    });
    let joined = Group::of(&entry(VIP6)).map(Action::JoinGroup);
    assert_eq!(
        Some(reconcile(&mut datapath, &wanted)),
        joined.map(|join| vec![join])
    );
    eventually("it is found again", || resolve(VIP6, "client") == mac);
}

#[test]
fn a_group_is_left_with_its_last_address_and_joined_again_after_a_device_was_down() {
    enter();
    let (one, other) = (
        "2004::1:abcd".parse().expect("v6"),
        "2004:0:0:1::1:abcd".parse().expect("v6"),
    );
    let groups = || joined_groups().join(" ");
    let mut datapath = open();
    reconcile(
        &mut datapath,
        &desired_of(&[IpAddr::V6(one), IpAddr::V6(other), VIP.into()]),
    );
    assert_eq!(groups(), "ff02::1:ff01:abcd");
    let again = Group::of(&entry(one)).map(Action::JoinGroup).expect("a group");
    assert!(datapath.execute(&[again]).is_empty(), "joined already is fine");
    reconcile(&mut datapath, &desired_of(&[IpAddr::V6(other)]));
    assert_eq!(groups(), "ff02::1:ff01:abcd", "another address needs it");
    ip("link set near down");
    ip("link set near up");
    assert_eq!(groups(), "", "the kernel drops addresses with the device");
    reconcile(&mut datapath, &desired_of(&[IpAddr::V6(other)]));
    assert!(
        output("ip -6 maddr show dev near").contains("ff02::1:ff01:abcd"),
        "a member again"
    );
    assert_eq!(reconcile(&mut datapath, &desired_of(&[IpAddr::V6(other)])), []);
    reconcile(&mut datapath, &desired_of(&[VIP6.into()]));
    assert_eq!(groups(), solicited_node(VIP6).to_string());
    reconcile(&mut datapath, &desired_of(&[]));
    assert_eq!(groups(), "");
    assert!(!output("ip -6 maddr show dev near").contains(&solicited_node(VIP6).to_string()));
}

#[test]
fn the_address_stays_foreign_to_the_kernel() {
    enter();
    let mut datapath = open();
    reconcile(&mut datapath, &desired_of(&[VIP6.into()]));
    assert!(!output("ip -6 addr show").contains(&VIP6.to_string()));
    assert!(!output("ip -6 route show table local").contains(&VIP6.to_string()));
    ip("-6 addr add 2004::5/64 dev near nodad");
    let route = output("ip -6 route get 2004::99");
    assert!(
        route.contains("src 2004::5"),
        "the group's address is no source: {route}"
    );
}

#[test]
fn what_is_new_is_announced_from_the_link_local_address_or_from_itself() {
    enter();
    let station = Station::ipv6_on("far");
    let own = || {
        let shown = output("ip -6 -o addr show dev near scope link -tentative");
        let address = shown.split_whitespace().find_map(|word| word.strip_suffix("/64"));
        address.and_then(|address| address.parse::<Ipv6Addr>().ok())
    };
    eventually("a link-local address", || own().is_some());
    let mut datapath = open();
    let announced = |source| {
        let mut told = advertisement(
            (stations(ALL_NODES), mac_of("near")),
            (source, ALL_NODES),
            0x20,
            VIP6,
        );
        told.body.extend([253, 3]);
        told.body.extend(Signal::Claim(HOLD.order).to_bytes());
        told.body.extend([0; 6]);
        told
    };
    for source in [own().expect("an address"), VIP6] {
        reconcile(&mut datapath, &desired_of(&[VIP6.into()]));
        let frame = station.receive(SOON, advertised).expect("an announcement");
        assert_eq!(frame, announced(source).frame());
        reconcile(&mut datapath, &desired_of(&[]));
        ip("-6 addr flush dev near");
    }
}

#[test]
fn the_kernels_own_neighbours_believe_it() {
    enter();
    add_switch();
    let mut datapath = open();
    reconcile(&mut datapath, &desired_of(&[VIP6.into(), VIP.into()]));
    ip(&format!("-6 addr add {CLIENT6}/64 dev client nodad"));
    ip("addr add 10.0.9.1/16 dev client");
    let resolved = |address: IpAddr, mac: &str| {
        let socket =
            UdpSocket::bind(if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" }).expect("a socket");
        socket.send_to(b"who are you", (address, 9)).expect("sent");
        let told = output(&format!("ip neigh show {address} dev client"));
        told.contains(mac) && told.contains("REACHABLE")
    };
    let mac = written(mac_of("near"));
    for address in [IpAddr::from(VIP6), VIP.into()] {
        eventually("a neighbour is reachable", || resolved(address, &mac));
    }
    ip(&format!("-6 addr add {VIP6}/64 dev client"));
    eventually("another kernel finds the duplicate", || {
        output("ip -6 addr show dev client").contains("dadfailed")
    });
}

#[test]
fn pings_are_answered_where_they_are_wanted() {
    enter();
    let (near, far) = (mac_of("near"), mac_of("far"));
    let (over_v4, over_v6) = (Station::ipv4_on("far"), Station::ipv6_on("far"));
    let asked_v4 = Icmp4 {
        to: near,
        from: far,
        service: 0,
        identification: 5,
        fragment: 0,
        lifetime: 64,
        source: [10, 0, 10, 99].into(),
        destination: VIP,
        kind: 8,
        code: 0,
        body: b"a1b2 some data, an odd number".to_vec(),
        padding: vec![],
    };
    let asked_v6 = Icmp6 {
        to: near,
        from: far,
        class_and_flow: 0,
        hop_limit: 64,
        source: CLIENT6,
        destination: VIP6,
        kind: 128,
        code: 0,
        body: b"a1b2 some data, an odd number".to_vec(),
        padding: vec![],
    };
    let ask = |datapath: &mut Datapath, within| {
        reconcile(datapath, &desired_of(&[VIP6.into(), VIP.into()]));
        over_v4.send(&asked_v4.frame());
        over_v6.send(&asked_v6.frame());
        let v4 = over_v4.receive(within, |frame| frame.get(34) == Some(&0));
        let v6 = over_v6.receive(within, |frame| frame.get(54) == Some(&129));
        (
            v4.map(|frame| Icmp4::read(&frame)),
            v6.map(|frame| Icmp6::read(&frame)),
        )
    };
    let mut datapath = open();
    let (v4, v6) = ask(&mut datapath, SOON);
    let expected = Icmp4 {
        to: far,
        from: near,
        source: VIP,
        destination: [10, 0, 10, 99].into(),
        kind: 0,
        ..asked_v4.clone()
    };
    assert_eq!(v4, Some(expected));
    let expected = Icmp6 {
        to: far,
        from: near,
        source: VIP6,
        destination: CLIENT6,
        kind: 129,
        ..asked_v6.clone()
    };
    assert_eq!(v6, Some(expected));
    assert_eq!(datapath.counters().expect("counters")[&Outcome::AnsweredEcho], 2);
    let silent = Options {
        ping: Ping::Passed,
        ..Options::default()
    };
    let mut datapath = Datapath::open(&silent).expect("a data path");
    assert_eq!(ask(&mut datapath, NEVER), (None, None));
}

#[test]
fn bpftool_prints_the_address_and_the_interface() {
    enter();
    let mut datapath = open();
    reconcile(&mut datapath, &desired_of(&[VIP6.into()]));
    let dump: String = output(&format!(
        "bpftool map dump pinned {BPFFS}/tc/globals/cilium_l2_responder_v6"
    ))
    .split_whitespace()
    .collect();
    let octets = VIP6.octets().map(|octet| octet.to_string()).join(",");
    let expected = format!(
        r#"[{{"key":{{"ip6":{{"addr":[{octets}]}},"ifindex":{},"pad":0}},"value":{{"responses_sent":0}}}}]"#,
        near()
    );
    assert_eq!(dump, expected);
}
