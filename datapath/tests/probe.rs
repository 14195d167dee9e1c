//! The wire watch's sockets on a wire: what they ask, what they hear, and what they are deaf to.
#![expect(clippy::expect_used, reason = "a test's own tools may fail loudly")]

mod sandbox;

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv6Addr},
    thread,
    time::{Duration, Instant},
};

use lightship_datapath::{
    InterfaceIndex, MacAddress, Outcome,
    probe::{Drained, Heard, Probes, Question, To},
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sandbox::{
    Station,
    agent::{SOON, VIP, VIP6, desired_of, entry, open, reconcile},
    enter, index_of, ip, mac_of, output, request,
};

fn far() -> InterfaceIndex {
    InterfaceIndex(index_of("far"))
}

fn listening() -> Probes {
    let mut probes = Probes::open().expect("sockets");
    probes.watch(&BTreeSet::from([far()])).expect("a listener");
    probes
}

fn question(to: To, address: impl Into<IpAddr>) -> Question {
    Question {
        interface: far(),
        source: MacAddress(mac_of("far")),
        to,
        address: address.into(),
    }
}

/// What is heard until `count` answers have come, waiting as a runtime does.
fn hear(probes: &mut Probes, count: usize, within: Duration) -> Vec<Heard> {
    let (bound, mut heard) = (Instant::now() + within, Vec::new());
    while heard.len() < count && Instant::now() < bound {
        let mut waiting = [PollFd::new(std::os::fd::AsFd::as_fd(&*probes), PollFlags::POLLIN)];
        poll(&mut waiting, PollTimeout::from(50_u8)).expect("a poll");
        let drained = probes.drain();
        assert_eq!(drained.lost, 0);
        heard.extend(drained.heard);
    }
    heard
}

fn link_local() {
    let bound = Instant::now() + SOON * 3;
    ip("-6 addr add fe80::2/64 dev far nodad");
    while !output("ip -6 -o addr show dev far").contains("fe80::2/64") {
        assert!(Instant::now() < bound, "a link-local address");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_probe_is_answered_with_its_number_and_counted_apart() {
    enter();
    link_local();
    let mut datapath = open();
    reconcile(&mut datapath, &desired_of(&[VIP.into(), VIP6.into()]));
    let (mut probes, near) = (listening(), MacAddress(mac_of("near")));
    for (to, number) in [(To::Everybody, 7), (To::Station(near), u32::MAX)] {
        probes.probe(&question(to, VIP), number).expect("sent");
        let heard = hear(&mut probes, 1, SOON);
        let [answer] = heard[..] else { panic!("{heard:?}") };
        assert_eq!((answer.from, answer.address), (near, VIP.into()));
        assert_eq!((answer.interface, answer.number), (far(), Some(number)));
        probes.probe(&question(to, VIP6), number).expect("sent");
        let heard = hear(&mut probes, 1, SOON);
        let [answer] = heard[..] else { panic!("{heard:?}") };
        assert_eq!(
            (answer.from, answer.address, answer.number),
            (near, VIP6.into(), None)
        );
    }
    assert_eq!(datapath.counters().expect("counters")[&Outcome::AnsweredProbe], 4);
    assert_eq!(datapath.counters().expect("counters")[&Outcome::Answered], 0);
    for address in [IpAddr::from(VIP), VIP6.into()] {
        let kept = datapath.observe().expect("an observation").entries[&entry(address)];
        assert_eq!(kept.responses_sent, 0, "{address}");
    }
}

#[test]
fn a_kernel_is_a_witness() {
    enter();
    link_local();
    ip("addr add 10.0.10.5/24 dev near");
    ip("-6 addr add fe80::1/64 dev near nodad");
    let (mut probes, near) = (listening(), MacAddress(mac_of("near")));
    for address in [
        IpAddr::from([10, 0, 10, 5]),
        "fe80::1".parse::<Ipv6Addr>().expect("an address").into(),
    ] {
        for to in [To::Everybody, To::Station(near)] {
            probes.ask(&question(to, address)).expect("sent");
            let bound = Instant::now() + SOON;
            let answers =
                |heard: Vec<Heard>| heard.iter().any(|one| (one.from, one.address) == (near, address));
            while !answers(hear(&mut probes, 1, SOON)) {
                assert!(Instant::now() < bound, "{address} {to:?}");
            }
        }
    }
    assert!(!output("ip neigh show dev near").contains("0.0.0.0"), "no trace");
}

#[test]
fn it_is_deaf_to_all_but_answers_to_this_host() {
    enter();
    let (mut probes, station) = (listening(), Station::on("near"));
    let (near, here) = (mac_of("near"), mac_of("far"));
    let ask = request(near, [10, 0, 10, 5], VIP.octets());
    station.send(&ask);
    let mut reply = ask;
    reply[21] = 2;
    station.send(&reply);
    let mut elsewhere = reply.clone();
    elsewhere[..6].copy_from_slice(&[2, 9, 9, 9, 9, 9]);
    station.send(&elsewhere);
    // To this host, but no answers: a request, and another message of ICMP.
    let mut asked = reply.clone();
    asked[..6].copy_from_slice(&here);
    asked[21] = 1;
    station.send(&asked);
    let mut message = [0; 86];
    message[..6].copy_from_slice(&here);
    message[12..15].copy_from_slice(&[0x86, 0xdd, 0x60]);
    (message[20], message[54]) = (58, 135);
    station.send(&message);
    let mut waiting = [PollFd::new(std::os::fd::AsFd::as_fd(&probes), PollFlags::POLLIN)];
    let woken = poll(&mut waiting, PollTimeout::from(150_u8)).expect("a poll");
    assert_eq!(
        woken, 0,
        "asked, to all, to another, another message: it is not even woken"
    );
    assert_eq!(probes.drain(), Drained::default());
    reply[..6].copy_from_slice(&here);
    station.send(&reply);
    let heard = hear(&mut probes, 1, SOON);
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].from, heard[0].number), (MacAddress(near), None));
}

#[test]
fn an_interface_that_is_gone_makes_no_other_deaf() {
    enter();
    ip("link add gone type veth peer name gone2");
    ip("link add late type veth peer name late2");
    let (gone, late) = (InterfaceIndex(index_of("gone")), InterfaceIndex(index_of("late")));
    assert!(gone < late);
    ip("link set late up");
    ip("link set late2 up");
    ip("link del gone");
    let mut probes = Probes::open().expect("sockets");
    let failed = probes
        .watch(&BTreeSet::from([gone, late]))
        .expect_err("it is gone");
    assert!(failed.to_string().contains(&gone.to_string()), "{failed}");
    let mut reply = request(mac_of("late2"), [10, 0, 10, 5], VIP.octets());
    reply[21] = 2;
    reply[..6].copy_from_slice(&mac_of("late"));
    Station::on("late2").send(&reply);
    assert_eq!(hear(&mut probes, 1, SOON).len(), 1);
}

#[test]
fn what_finds_no_room_is_told() {
    enter();
    let (mut probes, station) = (listening(), Station::on("near"));
    let mut reply = request(mac_of("near"), [10, 0, 10, 5], VIP.octets());
    reply[21] = 2;
    reply[..6].copy_from_slice(&mac_of("far"));
    for _ in 0..3000 {
        station.send(&reply);
    }
    let drained = probes.drain();
    assert!(drained.lost > 0, "{} heard", drained.heard.len());
    assert_eq!(probes.drain(), Drained::default(), "once");
    probes.watch(&BTreeSet::new()).expect("nothing to do");
    station.send(&reply);
    assert_eq!(
        hear(&mut probes, 1, Duration::from_millis(100)),
        [],
        "no longer watched"
    );
}
