//! Looking on: what becomes of the frames about an address, on a wire.
#![expect(clippy::expect_used, reason = "a test's own tools may fail loudly")]

#[path = "../abi/tests/model/mod.rs"]
mod model;
mod sandbox;

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use aya::maps::{Map, MapData, RingBuf};
use lightship_abi::{arp, names::TRACED};
use lightship_datapath::{
    MacAddress, Order, Outcome, Signal,
    trace::{FrameKind, Sighting, Trace, TraceError},
};
use model::{Icmp4, solicitation};
use sandbox::{
    BPFFS, Station,
    agent::{CLIENT, NEVER, SOON, VIP, VIP6, ask, desired, desired_of, near, open, reconcile},
    enter, mac_of, monotonic_ns, request,
};

const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 10, 1);

fn begin(address: impl Into<IpAddr>) -> Trace {
    Trace::begin(Path::new(BPFFS), address.into()).expect("a trace")
}

/// Takes frames until that many were seen, or for a while.
fn see(trace: &mut Trace, frames: usize) -> Vec<Sighting> {
    let bound = Instant::now() + SOON;
    let mut seen = trace.drain();
    while seen.len() < frames && Instant::now() < bound {
        thread::sleep(Duration::from_millis(5));
        seen.extend(trace.drain());
    }
    seen
}

/// Every record in the ring, whoever it was for.
fn records() -> usize {
    let data = MapData::from_pin(Path::new(BPFFS).join("lightship").join(TRACED)).expect("a pin");
    let mut ring = RingBuf::try_from(Map::from_map_data(data).expect("a map")).expect("a ring");
    let mut records = 0;
    while ring.next().is_some() {
        records += 1;
    }
    records
}

#[test]
fn every_frame_about_the_address_is_shown_with_what_became_of_it_and_no_other() {
    enter();
    let station = Station::on("far");
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP, OTHER]));
    let mut trace = begin(VIP);
    let (far, near_mac) = (mac_of("far"), mac_of("near"));
    let began = monotonic_ns();
    ask(&station, VIP, SOON).expect("an answer");
    ask(&station, OTHER, SOON).expect("an answer that is not shown");
    let mut elsewhere = request(far, CLIENT, VIP.octets());
    elsewhere[..6].copy_from_slice(&[2, 9, 9, 9, 9, 9]);
    station.send(&elsewhere);
    let order = Order { epoch: 9, rank: 0 };
    let rival = arp::gratuitous(MacAddress(far), VIP.octets(), order, MacAddress::BROADCAST);
    station.send(&rival);
    let ping = Icmp4 {
        to: near_mac,
        from: far,
        service: 0,
        identification: 5,
        fragment: 0,
        lifetime: 64,
        source: CLIENT.into(),
        destination: VIP,
        kind: 8,
        code: 0,
        body: vec![0; 60],
        padding: vec![],
    };
    Station::ipv4_on("far").send(&ping.frame());
    let seen = see(&mut trace, 4);
    let told: Vec<_> = seen
        .iter()
        .map(|one| {
            (
                one.frame.kind,
                one.frame.to.0,
                one.frame.sender,
                one.frame.signal,
                one.outcome,
            )
        })
        .collect();
    let client = Some(IpAddr::from(CLIENT));
    assert_eq!(
        told,
        [
            (
                FrameKind::ArpRequest,
                [0xff; 6],
                client,
                None,
                Some(Outcome::Answered)
            ),
            (
                FrameKind::ArpRequest,
                [2, 9, 9, 9, 9, 9],
                client,
                None,
                Some(Outcome::PassedForeignDestination)
            ),
            (
                FrameKind::GratuitousArp,
                [0xff; 6],
                Some(VIP.into()),
                Some(Signal::Claim(order)),
                Some(Outcome::PassedConflict)
            ),
            (
                FrameKind::Ping,
                near_mac,
                client,
                None,
                Some(Outcome::AnsweredEcho)
            ),
        ],
        "as they came in, not as they were answered"
    );
    for one in &seen {
        assert_eq!((one.frame.from.0, one.interface), (far, near()));
        assert!((began..=monotonic_ns()).contains(&one.time_ns));
    }
    assert_eq!(seen[0].frame.length, 60);
    drop(trace);
    ask(&station, VIP, SOON).expect("an answer");
    assert_eq!(records(), 0, "nobody looks any more");
}

#[test]
fn solicitations_are_shown_too() {
    enter();
    let station = Station::ipv6_on("far");
    let mut datapath = open();
    reconcile(&mut datapath, &desired_of(&[VIP.into(), VIP6.into()]));
    let mut trace = begin(VIP6);
    let far = mac_of("far");
    let client = "2004::99".parse().expect("an address");
    let nobody = "::".parse().expect("an address");
    for source in [client, nobody] {
        station.send(&solicitation(far, source, VIP6, &[]).frame());
    }
    let mut damaged = solicitation(far, client, VIP6, &[]).frame();
    damaged[56] ^= 1;
    station.send(&damaged);
    let told: Vec<_> = see(&mut trace, 3)
        .iter()
        .map(|one| (one.frame.kind, one.frame.from.0, one.frame.sender, one.outcome))
        .collect();
    assert_eq!(
        told,
        [
            (
                FrameKind::Solicitation,
                far,
                Some(client.into()),
                Some(Outcome::Answered)
            ),
            (FrameKind::DuplicateProbe, far, None, Some(Outcome::Answered)),
            (
                FrameKind::Solicitation,
                far,
                Some(client.into()),
                Some(Outcome::PassedChecksum)
            ),
        ]
    );
}

#[test]
fn the_filter_of_a_process_that_was_killed_ends_by_itself() {
    enter();
    let station = Station::on("far");
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    // Nothing of it runs from here on, as after a kill.
    std::mem::forget(begin(VIP));
    ask(&station, VIP, SOON).expect("an answer");
    assert_eq!(records(), 1);
    let bound = Instant::now() + Duration::from_secs(20);
    loop {
        ask(&station, VIP, SOON).expect("an answer");
        if records() == 0 {
            break;
        }
        assert!(Instant::now() < bound, "it goes on for ever");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_an_earlier_trace_left_is_not_shown() {
    enter();
    let station = Station::on("far");
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    let earlier = begin(VIP);
    ask(&station, VIP, SOON).expect("an answer");
    drop(earlier);
    assert_eq!(begin(VIP).drain(), []);
}

#[test]
fn a_trace_goes_on_while_it_is_renewed_and_counts_what_found_no_room() {
    enter();
    let station = Station::on("far");
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    let mut trace = begin(VIP);
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        assert_eq!(trace.renew().expect("renewed"), 0);
        thread::sleep(Duration::from_millis(200));
    }
    ask(&station, VIP, SOON).expect("an answer");
    assert_eq!(
        see(&mut trace, 1).len(),
        1,
        "longer than a filter lives by itself"
    );
    let frame = request(mac_of("far"), CLIENT, VIP.octets());
    for sent in 0..800 {
        assert!(
            station.ask(&frame, SOON).is_some(),
            "{sent}: the answer does not suffer"
        );
    }
    let (lost, shown) = (trace.renew().expect("renewed"), trace.drain().len());
    assert!(lost > 0 && shown > 0, "{lost} lost, {shown} shown");
    assert_eq!(lost + shown as u64, 800);
}

#[test]
fn what_is_in_the_way_is_said_with_its_remedy() {
    enter();
    let refused = |address: Ipv4Addr| Trace::begin(Path::new(BPFFS), address.into()).expect_err("refused");
    let said = refused(VIP).to_string();
    assert!(said.contains("no agent has run on this node"), "{said}");
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    let said = refused(OTHER).to_string();
    assert!(
        said.contains("does not answer for it") && said.contains("lightship holders"),
        "{said}"
    );
    let trace = begin(VIP);
    assert!(matches!(refused(VIP), TraceError::Busy));
    drop(trace);
    drop(begin(VIP));
    let done = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--clear-groups", "--inh-caps=-all"])
        .arg(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "as_somebody_without_rights",
            "--ignored",
            "--nocapture",
        ])
        .output()
        .expect("setpriv is installed");
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(ask(&Station::on("far"), OTHER, NEVER), None);
}

#[test]
#[ignore = "what_is_in_the_way_is_said_with_its_remedy runs it, in its namespaces and as nobody"]
fn as_somebody_without_rights() {
    let said = Trace::begin(Path::new(BPFFS), VIP.into())
        .expect_err("refused")
        .to_string();
    assert!(said.ends_with("run as root"), "{said}");
}
