//! What outlives an agent and what does not: restarts, interfaces that go, actions that fail.
#![expect(clippy::expect_used, reason = "a test's own tools may fail loudly")]

mod sandbox;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    thread,
    time::Duration,
};

use aya::programs::links::{FdLink, PinnedLink};
use lightship_datapath::{
    Datapath, Entry, InterfaceIndex, MacAddress, cleanup, maps,
    plan::{Action, Attachment, Desired, View},
};
use sandbox::{
    BPFFS, Station,
    agent::{
        CLIENT, HOLD, SOON, VIP, VIP6, ask, desired, desired_of, near, open, programs_on, reconcile, vip,
    },
    enter, ip, joined_groups, mac_of, pinned,
    prober::asked_throughout,
    request,
};

fn link_id() -> u32 {
    let pin = format!("{BPFFS}/lightship/ingress_{}", near());
    FdLink::from(PinnedLink::from_pin(pin).expect("a pinned link"))
        .info()
        .expect("its information")
        .id()
}

#[test]
fn a_restart_is_not_seen_on_the_wire() {
    enter();
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    let link = link_id();
    let (asked, datapath) = asked_throughout(&[VIP], || {
        for _ in 0..10 {
            drop(datapath);
            thread::sleep(Duration::from_millis(20));
            datapath = open();
            assert_eq!(
                reconcile(&mut datapath, &desired(&[VIP])),
                [],
                "all of it was adopted"
            );
            thread::sleep(Duration::from_millis(20));
        }
        datapath
    });
    assert!(asked > 100, "only {asked} requests");
    assert_eq!(link_id(), link, "the link outlives its maker");
    assert_eq!(
        datapath.observe().expect("an observation").entries[&vip()].responses_sent,
        asked
    );
    assert_eq!(programs_on("near").len(), 1);
}

#[test]
fn however_many_entries_there_are_each_is_seen_once() {
    enter();
    let mut datapath = open();
    let all: BTreeSet<IpAddr> = (0..9000)
        .map(|number| Ipv4Addr::from_bits(0x0A40_0000 + number).into())
        .collect();
    reconcile(&mut datapath, &desired_of(&Vec::from_iter(all.clone())));
    let observed = datapath.observe().expect("an observation");
    let seen = observed.entries.iter();
    let seen = seen.filter(|(_, kept)| kept.fence.hold.is_some() && kept.fence.tombstone.is_none());
    let seen: Vec<IpAddr> = seen.map(|(entry, _)| entry.address).collect();
    assert!(seen.iter().eq(&all), "{} of {}", seen.len(), all.len());
    assert!(observed.strays.is_empty(), "{:?}", observed.strays);
}

#[test]
fn a_fresh_agent_with_a_partial_view_removes_nothing() {
    enter();
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    drop(datapath);
    let mut datapath = open();
    let unsure = Desired {
        view: View::Partial,
        ..desired(&[])
    };
    assert_eq!(reconcile(&mut datapath, &unsure), []);
    assert!(ask(&Station::on("far"), VIP, SOON).is_some());
}

#[test]
fn three_capabilities_are_enough() {
    enter();
    let kept = "-all,+bpf,+net_admin,+net_raw";
    let done = std::process::Command::new("setpriv")
        .args(["--bounding-set", kept, "--inh-caps", kept])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "as_an_agent_with_three_capabilities", "--ignored"])
        .output()
        .expect("setpriv is installed");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "three_capabilities_are_enough runs it, in its namespaces and without other capabilities"]
fn as_an_agent_with_three_capabilities() {
    let status = fs::read_to_string("/proc/thread-self/status").expect("a status");
    assert!(status.contains("CapEff:\t0000008000003000"), "{status}");
    for _ in 0..2 {
        let mut datapath = open();
        reconcile(&mut datapath, &desired_of(&[VIP.into(), VIP6.into()]));
        assert!(ask(&Station::on("far"), VIP, SOON).is_some());
        assert_eq!(
            reconcile(&mut datapath, &desired_of(&[VIP.into(), VIP6.into()])),
            []
        );
    }
    assert_eq!(maps::list(Path::new(BPFFS)).expect("a list").len(), 18);
    let mut datapath = open();
    reconcile(
        &mut datapath,
        &Desired {
            interfaces: BTreeMap::new(),
            ..desired(&[])
        },
    );
    cleanup(Path::new(BPFFS)).expect("a cleanup");
}

#[test]
fn an_agent_may_move_the_data_path_between_threads() {
    fn assert_send<T: Send>() {}
    assert_send::<Datapath>();
}

#[test]
fn an_interface_that_is_gone_leaves_no_pin() {
    enter();
    let mut datapath = open();
    let wanted = desired(&[VIP]);
    reconcile(&mut datapath, &wanted);
    let gone = near();
    ip("link del near");
    assert_eq!(
        datapath.observe().expect("an observation").attached,
        [(gone, Attachment::Dead)].into()
    );
    let nothing = Desired {
        interfaces: BTreeMap::new(),
        entries: wanted.entries.clone(),
        members: wanted.members.clone(),
        view: View::Complete,
    };
    reconcile(&mut datapath, &nothing);
    let left = datapath.observe().expect("an observation");
    assert!(
        left.attached.is_empty() && left.interfaces.is_empty() && left.entries.is_empty(),
        "{left:?}"
    );

    ip("link add near type veth peer name far");
    reconcile(&mut datapath, &desired(&[]));
    let gone = near();
    drop(datapath);
    ip("link del near");
    assert!(
        !open()
            .observe()
            .expect("an observation")
            .attached
            .contains_key(&gone),
        "dropped when opened"
    );
}

/// Takes the interface away and makes another of the same index.
fn near_made_again() -> InterfaceIndex {
    let index = near();
    ip("link del near");
    ip(&format!("link add near index {index} type veth peer name far"));
    ip("link set near up");
    ip("link set far up");
    index
}

#[test]
fn an_interface_made_again_under_its_index_is_attached_again() {
    enter();
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    let index = near_made_again();
    let actions = reconcile(&mut datapath, &desired(&[VIP]));
    assert!(actions.contains(&Action::Attach(index)), "{actions:?}");
    assert!(ask(&Station::on("far"), VIP, SOON).is_some());
}

#[test]
fn a_link_that_died_after_it_was_looked_at_is_made_anew() {
    enter();
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    let index = near_made_again();
    assert!(datapath.execute(&[Action::Replace(index)]).is_empty());
    let actions = reconcile(&mut datapath, &desired(&[VIP]));
    assert!(!actions.contains(&Action::Attach(index)), "{actions:?}");
    assert!(ask(&Station::on("far"), VIP, SOON).is_some());
}

#[test]
fn an_interface_that_is_renamed_or_joins_a_bridge_goes_on_answering() {
    enter();
    let station = Station::on("far");
    let mut datapath = open();
    let wanted = desired(&[VIP]);
    reconcile(&mut datapath, &wanted);
    let link = link_id();
    ip("link set near down");
    ip("link set near name uplink");
    ip("link set uplink up");
    let reply = station.ask(&request(mac_of("far"), CLIENT, VIP.octets()), SOON);
    assert!(reply.is_some(), "renamed");
    drop(datapath);
    let mut datapath = open();
    assert_eq!(reconcile(&mut datapath, &wanted), [], "known by its index");
    ip("link set uplink down");
    ip("link set uplink name near");
    ip("link set near up");
    ip("link add name bridge type bridge");
    ip("link set bridge up");
    ip("link set near master bridge");
    assert!(ask(&station, VIP, SOON).is_some(), "below a bridge");
    assert_eq!(reconcile(&mut datapath, &wanted), []);
    assert_eq!(link_id(), link);
    ip("link set near nomaster");
    assert!(ask(&station, VIP, SOON).is_some(), "and without it again");
}

#[test]
fn what_is_pinned_answers_after_a_stop_for_as_long_as_it_may() {
    enter();
    let before = pinned();
    let mut datapath = open();
    let wanted = desired_of(&[VIP.into(), VIP6.into()]);
    reconcile(&mut datapath, &wanted);
    let (observed, pins) = (datapath.observe().expect("an observation"), pinned());
    drop(datapath);
    assert_eq!(pinned(), pins, "every pin");
    assert!(pins.len() > before.len());
    assert_eq!(joined_groups().len(), 1, "the group");
    assert!(ask(&Station::on("far"), VIP, SOON).is_some());
    let mut now = open().observe().expect("an observation");
    now.entries.entry(vip()).or_default().responses_sent = 0;
    assert_eq!(
        (now.entries, now.members, now.interfaces),
        (observed.entries, observed.members, observed.interfaces)
    );
}

#[test]
fn a_failing_action_stops_no_other() {
    enter();
    let mut datapath = open();
    datapath.beat().expect("a beat");
    let nowhere = InterfaceIndex(4_000_000);
    let mac = MacAddress(mac_of("near"));
    let actions = [
        Action::Attach(nowhere),
        Action::Announce(
            Entry {
                address: VIP.into(),
                interface: nowhere,
            },
            mac,
            HOLD.order,
        ),
        Action::SetMac(near(), mac),
        Action::Attach(near()),
        Action::AddEntry(vip(), HOLD),
    ];
    let failures = datapath.execute(&actions);
    assert_eq!(
        failures.iter().map(|failure| failure.action).collect::<Vec<_>>(),
        actions[..2]
    );
    assert_eq!(
        failures[0].to_string(),
        "failed to find the interface with index 4000000"
    );
    assert!(ask(&Station::on("far"), VIP, SOON).is_some());
}
