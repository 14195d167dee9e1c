//! What is found pinned: adopted, made anew or refused; and what a cleanup leaves of it.
#![expect(clippy::expect_used, reason = "a test's own tools may fail loudly")]

mod sandbox;

use std::{
    fs,
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Instant,
};

use aya::maps::{Array, HashMap};
use lightship_abi::names::{
    HOLDS_V4, INTERFACES, OUTCOMES_V4, RESPONDER_V4, RESPONDER_V6, SUFFIXES_V4, TOMBSTONES_V4, YIELDED_V4,
};
use lightship_datapath::{
    Datapath, Entry, InterfaceIndex, MacAddress, OpenError, Options, cleanup, maps, plan::Action,
};
use sandbox::{
    BPFFS, Station,
    agent::{
        HOLD, SOON, VIP, VIP6, ask, desired, desired_of, entry, near, open, programs_on, reconcile, vip,
    },
    enter, joined_groups, mac_of, pinned,
};

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

/// Cilium's agent takes away the pin of a responder map whose family it has switched off.
#[test]
fn a_pin_that_cilium_takes_away_is_made_again_for_the_next_agent() {
    enter();
    let mut datapath = open();
    let addresses = [VIP.into(), VIP6.into()];
    reconcile(&mut datapath, &desired_of(&addresses));
    let pins = [RESPONDER_V4, RESPONDER_V6].map(|name| PathBuf::from(BPFFS).join("tc/globals").join(name));
    let far = Station::on("far");
    for pin in &pins {
        fs::remove_file(pin).expect("removed");
    }
    assert!(ask(&far, VIP, SOON).is_some(), "what answered goes on answering");
    reconcile(&mut datapath, &desired_of(&addresses));
    assert!(pins.iter().all(|pin| pin.exists()), "they are pinned again");
    drop(datapath);
    let next = open();
    let held = next.observe().expect("observed").entries;
    assert_eq!(
        held.keys().copied().collect::<Vec<_>>(),
        addresses.map(entry),
        "the next agent finds what was held"
    );
    assert_eq!(held[&entry(VIP)].responses_sent, 1);
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
fn a_map_of_ours_of_another_size_is_made_anew() {
    enter();
    let own = PathBuf::from(BPFFS).join("lightship");
    fs::create_dir_all(&own).expect("a directory");
    for name in [SUFFIXES_V4, YIELDED_V4] {
        let smaller: Array<_, u64> = Array::create(16, 0).expect("a map");
        smaller.pin(own.join(name)).expect("pinned");
    }
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    let listed = maps::list(Path::new(BPFFS)).expect("a list");
    let capacity = |name| {
        listed
            .iter()
            .find(|map| map.name == name)
            .expect("a map")
            .capacity
    };
    assert_eq!([SUFFIXES_V4, YIELDED_V4].map(capacity), [1024, 8193]);
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
    let mac = MacAddress(mac_of("near"));
    let failures = datapath.execute(&[
        Action::SetMac(near(), mac),
        Action::Attach(near()),
        Action::AddEntry(vip(), HOLD),
        Action::Announce(vip(), mac, HOLD.order),
        Action::AddEntry(second, HOLD),
        Action::Announce(second, mac, HOLD.order),
    ]);
    let said: Vec<_> = failures.iter().map(ToString::to_string).collect();
    assert!(
        said.len() == 2 && said[0].contains("it is full") && said[1].ends_with("it is not answered here"),
        "{said:?}"
    );
    let claim = datapath.claim_to(second, HOLD.order, mac).expect_err("no claim");
    assert!(claim.to_string().ends_with("it is not answered here"), "{claim}");
    let failures = datapath.execute(&[
        Action::RemoveEntry(vip()),
        Action::AddEntry(second, HOLD),
        Action::Announce(second, mac, HOLD.order),
    ]);
    assert!(failures.is_empty(), "there is room: {failures:?}");
}

#[test]
fn where_no_program_could_be_attached_nothing_is_announced() {
    enter();
    let mut datapath = open();
    let interface = InterfaceIndex(4_000_000);
    let (entry, mac) = (Entry { interface, ..vip() }, MacAddress(mac_of("near")));
    let failures = datapath.execute(&[
        Action::Attach(interface),
        Action::AddEntry(entry, HOLD),
        Action::Announce(entry, mac, HOLD.order),
    ]);
    let said: Vec<_> = failures.iter().map(ToString::to_string).collect();
    assert!(
        said.len() == 2 && said[1].ends_with("it is not answered here"),
        "{said:?}"
    );
}

#[test]
fn what_belongs_to_entries_has_as_much_room_as_a_map_that_is_adopted() {
    enter();
    drop(open());
    for name in [HOLDS_V4, TOMBSTONES_V4, OUTCOMES_V4] {
        fs::remove_file(Path::new(BPFFS).join("lightship").join(name)).expect("removed");
    }
    let small = Options {
        map_capacity: 1,
        ..Options::default()
    };
    let mut datapath = Datapath::open(&small).expect("a data path");
    let second = entry(Ipv4Addr::new(10, 0, 10, 1));
    let failures = datapath.execute(&[Action::AddEntry(vip(), HOLD), Action::AddEntry(second, HOLD)]);
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn nobody_else_may_look_into_the_directories() {
    enter();
    drop(open());
    for directory in ["lightship", "tc/globals"] {
        let about = fs::metadata(Path::new(BPFFS).join(directory)).expect("a directory");
        assert_eq!(about.permissions().mode() & 0o777, 0o700, "{directory}");
    }
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
        [1, 1, 1, 1, 32, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1024, 8193, 1, 0],
        "addresses of both families, interfaces, liveness, outcomes, echo buckets, holds, tombstones, members, wake-ups, \
         outcomes of both families, suffixes, flags of what yielded, the filter of a trace, traced frames"
    );
    drop(datapath);
    assert_eq!(programs_on("near").len(), 1);
    let removed = cleanup(Path::new(BPFFS)).expect("a cleanup");
    assert_eq!(
        removed.len(),
        1 + 18 + 3,
        "a link, eighteen maps, three directories: {removed:?}"
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
