//! What outlives an agent and what does not: restarts, adoption, interfaces that go, refusals, cleanup.
#![expect(clippy::expect_used, reason = "a test's own tools may fail loudly")]

mod sandbox;

use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use aya::{
    maps::HashMap,
    programs::links::{FdLink, PinnedLink},
};
use lightship_abi::names::{INTERFACES, RESPONDER_V4};
use lightship_datapath::{
    Datapath, Entry, InterfaceIndex, MacAddress, OpenError, Options, cleanup, maps,
    plan::{Action, Attachment, Desired, View},
};
use sandbox::{
    BPFFS, Station,
    agent::{
        CLIENT, HOLD, SOON, VIP, VIP6, ask, desired, desired_of, entry, near, open, programs_on, reconcile,
        vip,
    },
    enter, ip, joined_groups, mac_of, pinned, request,
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
    let done = AtomicBool::new(false);
    let (asked, datapath) = thread::scope(|scope| {
        // A thread begins in the namespaces of the one that starts it.
        let prober = scope.spawn(|| {
            let (station, frame) = (Station::on("far"), request(mac_of("far"), CLIENT, VIP.octets()));
            let mut asked = 0_u64;
            let bound = Instant::now() + Duration::from_secs(30);
            while !done.load(Ordering::Relaxed) && Instant::now() < bound {
                assert!(station.ask(&frame, SOON).is_some(), "request {asked} was lost");
                asked += 1;
            }
            asked
        });
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
        done.store(true, Ordering::Relaxed);
        (prober.join().expect("every request answered"), datapath)
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
    assert_eq!(maps::list(Path::new(BPFFS)).expect("a list").len(), 17);
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

#[test]
fn an_interface_made_again_under_its_index_is_attached_again() {
    enter();
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    let index = near();
    ip("link del near");
    ip(&format!("link add near index {index} type veth peer name far"));
    ip("link set near up");
    ip("link set far up");
    let actions = reconcile(&mut datapath, &desired(&[VIP]));
    assert!(actions.contains(&Action::Attach(index)), "{actions:?}");
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
fn a_pin_in_the_place_of_a_link_is_refused_with_its_path_and_left() {
    enter();
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    drop(datapath);
    let pin = PathBuf::from(BPFFS).join("lightship/ingress_4000000");
    let foreign: HashMap<_, u32, u32> = HashMap::create(1, 0).expect("a map");
    foreign.pin(&pin).expect("pinned");
    let refused = Datapath::open(&Options::default()).err().expect("refused");
    assert!(
        matches!(refused, OpenError::Attach(_)) && refused.to_string().contains(&pin.display().to_string()),
        "{refused}"
    );
    assert!(pin.exists(), "it is not ours to remove");
    assert!(
        ask(&Station::on("far"), VIP, SOON).is_some(),
        "what answered goes on answering"
    );
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

#[test]
fn a_map_of_another_layout_is_refused_and_left() {
    enter();
    let shared = PathBuf::from(BPFFS).join("tc/globals");
    fs::create_dir_all(&shared).expect("a directory");
    let foreign: HashMap<_, u64, u32> = HashMap::create(16, 0).expect("a map");
    foreign.pin(shared.join(RESPONDER_V4)).expect("pinned");
    let refused = Datapath::open(&Options::default()).err().expect("refused");
    assert!(matches!(refused, OpenError::Maps(_)), "{refused:?}");
    let said = refused.to_string();
    assert!(
        said.contains("values of 4 bytes") && said.contains("remove the pin"),
        "{said}"
    );
    assert!(shared.join(RESPONDER_V4).exists());
}

#[test]
fn a_map_of_ours_from_another_version_is_made_anew() {
    enter();
    let own = PathBuf::from(BPFFS).join("lightship");
    fs::create_dir_all(&own).expect("a directory");
    let earlier: HashMap<_, u32, u32> = HashMap::create(16, 0).expect("a map");
    earlier.pin(own.join(INTERFACES)).expect("pinned");
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    assert!(ask(&Station::on("far"), VIP, SOON).is_some());
}

#[test]
fn a_map_of_another_capacity_is_adopted_and_a_full_one_says_so() {
    enter();
    drop(
        Datapath::open(&Options {
            map_capacity: 1,
            ..Options::default()
        })
        .expect("a data path"),
    );
    let mut datapath = open();
    assert_eq!(maps::list(Path::new(BPFFS)).expect("a list")[0].capacity, 1);
    let second = entry(Ipv4Addr::new(10, 0, 10, 1));
    let failures = datapath.execute(&[Action::AddEntry(vip(), HOLD), Action::AddEntry(second, HOLD)]);
    let said = failures.first().expect("a failure").to_string();
    assert!(failures.len() == 1 && said.contains("it is full"), "{said}");
}

#[test]
fn no_bpffs_is_one_sentence_with_the_remedy() {
    enter();
    let options = Options {
        bpffs: "/proc".into(),
        ..Options::default()
    };
    let refused = Datapath::open(&options).err().expect("refused").to_string();
    assert_eq!(
        refused,
        "failed to find bpffs at /proc: mount it with 'mount -t bpf bpf /proc'"
    );
}

#[test]
fn cleanup_leaves_nothing() {
    enter();
    // The kernel may put things of its own into a new bpffs.
    let before = pinned();
    let mut datapath = open();
    reconcile(&mut datapath, &desired_of(&[VIP.into(), VIP6.into()]));
    let names: Vec<_> = maps::list(Path::new(BPFFS))
        .expect("a list")
        .into_iter()
        .map(|map| map.elements)
        .collect();
    assert_eq!(
        names,
        [1, 1, 1, 1, 32, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1024, 1, 0],
        "addresses of both families, interfaces, liveness, outcomes, echo buckets, holds, tombstones, members, wake-ups, \
         outcomes of both families, suffixes, the filter of a trace, traced frames"
    );
    drop(datapath);
    assert_eq!(programs_on("near").len(), 1);
    let removed = cleanup(Path::new(BPFFS)).expect("a cleanup");
    assert_eq!(
        removed.len(),
        1 + 17 + 3,
        "a link, seventeen maps, three directories: {removed:?}"
    );
    assert_eq!(pinned(), before);
    assert_eq!(joined_groups(), [] as [&str; 0], "no group is left");
    let bound = Instant::now() + SOON;
    while !programs_on("near").is_empty() {
        assert!(
            Instant::now() < bound,
            "a link without a pin goes as soon as the kernel gets to it"
        );
    }
    assert_eq!(cleanup(Path::new(BPFFS)).expect("again"), Vec::<PathBuf>::new());
}

#[test]
fn cleanup_leaves_what_others_pinned() {
    enter();
    drop(open());
    let others = PathBuf::from(BPFFS).join("tc/globals/of_others");
    let map: HashMap<_, u32, u32> = HashMap::create(1, 0).expect("a map");
    map.pin(&others).expect("pinned");
    cleanup(Path::new(BPFFS)).expect("a cleanup");
    assert!(others.exists());
}
