//! The data path on a wire: real frames over a veth pair, each test in namespaces of its own.
#![expect(clippy::expect_used, reason = "a test's own tools may fail loudly")]

mod sandbox;

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use aya::programs::{LinkOrder, TcAttachType, tc::TcAttachOptions};
use lightship_abi::signal::Signal;
use lightship_datapath::{
    Datapath, MacAddress, Options, Outcome, maps,
    plan::{Action, Member},
};
use sandbox::{
    BPFFS, Station,
    agent::{CLIENT, HOLD, NEVER, SOON, VIP, ask, desired, near, open, programs_on, reconcile, vip},
    enter, ip, mac_of,
    other_owner::{classifier, load_neighbour, seen_by},
    request,
};

fn count(datapath: &Datapath, outcome: Outcome) -> u64 {
    datapath.counters().expect("counters")[&outcome]
}

#[test]
fn a_request_is_answered_counted_and_dumped() {
    enter();
    let station = Station::on("far");
    let mut datapath = open();
    assert_eq!(ask(&station, VIP, NEVER), None, "nothing is attached");
    reconcile(&mut datapath, &desired(&[VIP]));
    for sent in 1..=3 {
        let reply = ask(&station, VIP, SOON).expect("an answer");
        let (near, far) = (mac_of("near"), mac_of("far"));
        let head = [
            &far[..],
            &near,
            &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
            &near,
            &VIP.octets(),
            &far,
            &CLIENT,
        ];
        assert_eq!(reply, [&head.concat()[..], &[0; 18]].concat());
        assert_eq!(
            maps::dump_v4(Path::new(BPFFS)).expect("a dump"),
            BTreeMap::from([(vip(), sent)])
        );
        assert_eq!(count(&datapath, Outcome::Answered), sent);
    }
    assert_eq!(
        ask(&station, Ipv4Addr::new(10, 0, 10, 1), NEVER),
        None,
        "not ours"
    );
    assert_eq!(count(&datapath, Outcome::PassedNoEntry), 1);
    reconcile(&mut datapath, &desired(&[]));
    assert_eq!(ask(&station, VIP, NEVER), None, "withdrawn");
}

#[test]
fn bpftool_prints_what_the_guides_show() {
    enter();
    let station = Station::on("far");
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    ask(&station, VIP, SOON).expect("an answer");
    let dump = std::process::Command::new("bpftool")
        .args([
            "map",
            "dump",
            "pinned",
            &format!("{BPFFS}/tc/globals/cilium_l2_responder_v4"),
        ])
        .output()
        .expect("bpftool is installed");
    let dump: String = String::from_utf8_lossy(&dump.stdout).split_whitespace().collect();
    let expected = format!(
        r#"[{{"key":{{"ip4":655370,"ifindex":{}}},"value":{{"responses_sent":1}}}}]"#,
        near()
    );
    assert_eq!(dump, expected);
}

#[test]
fn what_is_new_is_announced_once_from_a_device_without_an_address() {
    enter();
    let station = Station::on("far");
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    let announced = station.receive(SOON, |_| true).expect("an announcement");
    let near = mac_of("near");
    let head = [
        &[0xff; 6][..],
        &near,
        &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
        &near,
        &VIP.octets(),
        &[0; 6],
        &VIP.octets(),
    ];
    let claim = Signal::Claim(HOLD.order).to_bytes();
    assert_eq!(announced, [&head.concat()[..], &claim, &[0; 2]].concat());
    assert_eq!(reconcile(&mut datapath, &desired(&[VIP])), []);
    assert_eq!(station.receive(NEVER, |_| true), None, "once");
}

#[test]
fn an_entry_added_again_keeps_its_counter() {
    enter();
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    ask(&Station::on("far"), VIP, SOON).expect("an answer");
    assert!(datapath.execute(&[Action::AddEntry(vip(), HOLD)]).is_empty());
    assert_eq!(
        datapath.observe().expect("an observation").entries[&vip()].responses_sent,
        1
    );
}

#[test]
fn a_silent_agent_silences_the_responder() {
    enter();
    let station = Station::on("far");
    let max_liveness = Duration::from_millis(200);
    let mut datapath = Datapath::open(&Options {
        max_liveness,
        ..Options::default()
    })
    .expect("a data path");
    reconcile(&mut datapath, &desired(&[VIP]));
    thread::sleep(max_liveness * 2);
    assert_eq!(ask(&station, VIP, NEVER), None);
    assert_eq!(count(&datapath, Outcome::Gated), 1);
    datapath.beat().expect("a beat");
    assert!(ask(&station, VIP, SOON).is_some(), "alive again");
}

#[test]
fn we_come_first_and_what_we_pass_reaches_the_next() {
    enter();
    let station = Station::on("far");
    let mut neighbour = load_neighbour();
    classifier(&mut neighbour)
        .attach("near", TcAttachType::Ingress)
        .expect("attached");
    let theirs = programs_on("near");
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    let order = programs_on("near");
    assert_eq!(order.len(), 2);
    assert_eq!(order[1..], theirs, "they were there before us, and run after us");
    drop(datapath);
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    let after = programs_on("near");
    assert_eq!(
        (after.len(), &after[1..]),
        (2, &theirs[..]),
        "a new program keeps its place"
    );
    assert_ne!(after[0], order[0], "and is a new one");

    ask(&station, VIP, SOON).expect("an answer");
    assert_eq!(
        seen_by(&neighbour, Outcome::PassedNoEntry),
        0,
        "what we answer ends with us"
    );
    assert_eq!(ask(&station, Ipv4Addr::new(10, 0, 10, 1), NEVER), None);
    assert_eq!(
        seen_by(&neighbour, Outcome::PassedNoEntry),
        1,
        "what we pass goes on"
    );
}

#[test]
fn who_comes_before_us_passes_on_to_us() {
    enter();
    let station = Station::on("far");
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    let ours = programs_on("near");
    let mut neighbour = load_neighbour();
    classifier(&mut neighbour)
        .attach_with_options(
            "near",
            TcAttachType::Ingress,
            TcAttachOptions::TcxOrder(LinkOrder::first()),
        )
        .expect("attached");
    assert_eq!(programs_on("near")[1..], ours);
    ask(&station, VIP, SOON).expect("an answer");
    assert_eq!(
        seen_by(&neighbour, Outcome::PassedNoEntry),
        1,
        "it went by them first"
    );
}

#[test]
fn a_tagged_frame_is_left_to_its_vlan() {
    enter();
    let station = Station::on("far");
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    let plain = request(mac_of("far"), CLIENT, VIP.octets());
    let tagged = [&plain[..12], &[0x81, 0, 0, 5], &plain[12..]].concat();
    station.send(&tagged);
    assert_eq!(station.receive(NEVER, |frame| frame.get(21) == Some(&2)), None);
    assert_eq!(count(&datapath, Outcome::PassedTagged), 1);
}

#[test]
fn a_frame_that_has_a_priority_and_no_vlan_is_answered_without_a_tag() {
    enter();
    let station = Station::on("far");
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    while station.receive(NEVER, |_| true).is_some() {}
    let plain = request(mac_of("far"), CLIENT, VIP.octets());
    let tagged = [&plain[..12], &[0x81, 0, 0xe0, 0], &plain[12..]].concat();
    let said = dumped("far", "in", || {
        let reply = station.ask(&tagged, SOON).expect("an answer");
        assert_eq!(reply[22..28], mac_of("near"));
    });
    assert!(
        said.contains("is-at") && !said.contains("vlan"),
        "tcpdump shows tags as vlan: {said}"
    );
    assert_eq!(count(&datapath, Outcome::PassedTagged), 0);
}

/// What tcpdump prints of the next frame on an interface.
fn dumped(interface: &str, direction: &str, meanwhile: impl FnOnce()) -> String {
    let mut dump = Command::new("timeout")
        .args([
            "10",
            "tcpdump",
            "-i",
            interface,
            "-Q",
            direction,
            "-n",
            "-e",
            "-l",
            "--immediate-mode",
            "-c",
            "1",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tcpdump is installed");
    let mut told = BufReader::new(dump.stderr.take().expect("its other output")).lines();
    assert!(
        told.any(|line| line.expect("text").starts_with("listening on")),
        "it listens"
    );
    meanwhile();
    let said = dump.wait_with_output().expect("an output").stdout;
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn a_frame_that_is_not_in_one_piece_is_answered() {
    enter();
    ip("link set near mtu 9000");
    ip("link set far mtu 9000");
    let (station, receiver) = (Station::on("far"), Station::on("far"));
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    let frame = [request(mac_of("far"), CLIENT, VIP.octets()), vec![0xa5; 5000]].concat();
    station.send_split(&frame);
    let reply = receiver
        .receive(SOON, |frame| frame.get(21) == Some(&2))
        .expect("an answer");
    assert_eq!(reply[22..28], mac_of("near"));
    assert!(reply[42..] == frame[42..], "padding is kept");
}

#[test]
fn a_new_hardware_address_is_answered_without_a_reload() {
    enter();
    let station = Station::on("far");
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    let (before, mac) = (programs_on("near"), mac_of("near"));
    ip("link set near address 02:00:00:00:00:77");
    let actions = reconcile(&mut datapath, &desired(&[VIP]));
    let (before_it, now) = (MacAddress(mac), MacAddress([2, 0, 0, 0, 0, 0x77]));
    assert_eq!(
        actions,
        [
            Action::SetMember(now, Member::Own),
            Action::SetMac(near(), now),
            Action::ForgetMember(before_it)
        ]
    );
    let reply = ask(&station, VIP, SOON).expect("an answer");
    assert_eq!(reply[22..28], [2, 0, 0, 0, 0, 0x77]);
    assert_eq!(programs_on("near"), before);
}
