//! From an earlier version to this one: its pins are adopted with all they hold, and no address is silent meanwhile.
//! `earlier/responder.o` is the responder as it was before it counted frames by address.
#![expect(clippy::expect_used, reason = "a test's own tools may fail loudly")]

mod sandbox;

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap},
    programs::{LinkOrder, TcAttachType, links::FdLink, tc::TcAttachOptions},
};
use lightship_abi::{
    fence::{HoldValue, Tombstone},
    layout::{InterfaceValue, MEMBER, MemberKey, ResponderV4Key},
    names::{HOLDS_V4, INTERFACES, LIVENESS, MAX_LIVENESS, MEMBERS, RESPONDER_V4, TOMBSTONES_V4},
    order::Order,
};
use lightship_datapath::{
    MacAddress, Outcome, maps,
    plan::{Action, Member},
};
use sandbox::{
    BPFFS, Station,
    agent::{HOLD, NEVER, SOON, VIP, ask, desired, entry, near, open, programs_on, reconcile, vip},
    enter, mac_of,
    other_owner::classifier,
    prober::asked_throughout,
    request,
};

/// How many addresses the earlier version answers for.
const HELD: u8 = 40;

/// The address that the earlier version yielded to a member's claim.
const YIELDED: Ipv4Addr = Ipv4Addr::new(10, 0, 10, 200);

fn pin_of(name: &str) -> PathBuf {
    let folder = if name == RESPONDER_V4 {
        "tc/globals"
    } else {
        "lightship"
    };
    Path::new(BPFFS).join(folder).join(name)
}

/// What an agent of the earlier version leaves on a node: pinned maps with entries, and a program in a pinned link.
fn earlier_version() {
    for folder in ["tc/globals", "lightship"] {
        fs::create_dir_all(Path::new(BPFFS).join(folder)).expect("a directory");
    }
    let mut loader = EbpfLoader::new();
    let max_age_ns = 3_600_000_000_000_u64;
    loader.override_global(MAX_LIVENESS, &max_age_ns, true);
    let mut ebpf = loader
        .load(aya::include_bytes_aligned!("earlier/responder.o"))
        .expect("an object");
    for (name, map) in ebpf.maps() {
        if !name.starts_with('.') {
            let pin = if name.starts_with("cilium") {
                Path::new(BPFFS).join("tc/globals").join(name)
            } else {
                pin_of(name)
            };
            map.pin(pin).expect("pinned");
        }
    }
    sandbox::load(classifier(&mut ebpf));
    fill(&mut ebpf);
    let program = classifier(&mut ebpf);
    let id = program
        .attach_with_options(
            "near",
            TcAttachType::Ingress,
            TcAttachOptions::TcxOrder(LinkOrder::first()),
        )
        .expect("attached");
    let link = FdLink::try_from(program.take_link(id).expect("a link")).expect("a link");
    let pin = pin_of(&format!("ingress_{}", near()));
    link.pin(pin).expect("pinned");
}

fn addresses() -> Vec<Ipv4Addr> {
    (0..HELD).map(|last| Ipv4Addr::new(10, 0, 10, last)).collect()
}

fn fill(ebpf: &mut Ebpf) {
    let interface = near().0;
    let mut of = |name: &str| ebpf.take_map(name).expect("a map");
    let mut liveness: Array<_, u64> = of(LIVENESS).try_into().expect("an array");
    liveness.set(0, sandbox::monotonic_ns(), 0).expect("a write");
    let mut interfaces: HashMap<_, u32, [u8; 8]> = of(INTERFACES).try_into().expect("a hash");
    let mac = InterfaceValue::new(MacAddress(mac_of("near"))).to_bytes();
    interfaces.insert(interface, mac, 0).expect("a write");
    let mut members: HashMap<_, [u8; 8], u64> = of(MEMBERS).try_into().expect("a hash");
    let far = MemberKey::new(MacAddress(mac_of("far"))).to_bytes();
    members.insert(far, MEMBER, 0).expect("a write");
    let mut responder: HashMap<_, [u8; 8], u64> = of(RESPONDER_V4).try_into().expect("a hash");
    let mut holds: HashMap<_, [u8; 8], [u8; 16]> = of(HOLDS_V4).try_into().expect("a hash");
    let mut tombstones: HashMap<_, [u8; 8], [u8; 24]> = of(TOMBSTONES_V4).try_into().expect("a hash");
    for address in addresses().into_iter().chain([YIELDED]) {
        let key = ResponderV4Key::new(address.octets(), interface).to_bytes();
        responder.insert(key, 7, 0).expect("a write");
        let hold = HoldValue {
            order: HOLD.order,
            confirmed_ns: 0,
        };
        holds.insert(key, hold.to_bytes(), 0).expect("a write");
        tombstones.insert(key, [0; 24], 0).expect("a write");
    }
}

#[test]
fn no_address_is_silent_while_its_pins_are_adopted() {
    enter();
    earlier_version();
    let claim = lightship_abi::arp::gratuitous(
        MacAddress(mac_of("far")),
        YIELDED.octets(),
        Order { epoch: 9, rank: 0 },
        MacAddress::BROADCAST,
    );
    let station = Station::on("far");
    assert!(ask(&station, YIELDED, SOON).is_some());
    station.send(&claim);
    assert_eq!(ask(&station, YIELDED, NEVER), None, "it yielded");
    let before = programs_on("near");
    let mut held = addresses();
    held.push(YIELDED);
    let mut wanted = desired(&held);
    wanted.members = [MacAddress(mac_of("far"))].into();
    let (asked, datapath) = asked_throughout(&addresses(), || {
        thread::sleep(Duration::from_millis(50));
        let mut datapath = open();
        let actions = reconcile(&mut datapath, &wanted);
        let others = actions
            .iter()
            .filter(|action| !matches!(action, Action::SetMember(_, Member::Own)));
        assert_eq!(others.count(), 0, "all of it was adopted: {actions:?}");
        thread::sleep(Duration::from_millis(50));
        datapath
    });
    assert!(asked > 100, "only {asked} requests");
    let observed = datapath.observe().expect("an observation");
    assert!(observed.entries[&vip()].responses_sent > 7, "counters go on");
    let station = Station::on("far");
    assert_eq!(ask(&station, YIELDED, NEVER), None, "what was yielded stays so");
    let after = programs_on("near");
    assert_eq!(after.len(), 1);
    assert_ne!(before, after, "this version's program");

    // What the earlier program did not know works at once for what it left.
    let counted = maps::outcomes(Path::new(BPFFS)).expect("counters");
    assert!(counted[&vip()][&Outcome::Answered] > 0);
    assert_eq!(counted[&entry(YIELDED)][&Outcome::Fenced], 1);
    let rival = request(mac_of("far"), VIP.octets(), [10, 0, 10, 250]);
    station.send(&rival);
    thread::sleep(NEVER);
    let counted = maps::outcomes(Path::new(BPFFS)).expect("counters");
    assert_eq!(
        counted[&vip()].get(&Outcome::PassedConflict),
        Some(&1),
        "a plain request from an address that is ours"
    );
}

#[test]
fn counters_of_entries_that_an_earlier_version_removed_go() {
    enter();
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    drop(datapath);
    // The earlier version knows nothing of them when it takes an entry away.
    let data = aya::maps::MapData::from_pin(pin_of(RESPONDER_V4)).expect("a pin");
    let map = aya::maps::Map::from_map_data(data).expect("a map");
    let mut responder: HashMap<_, [u8; 8], u64> = map.try_into().expect("a hash");
    let key = ResponderV4Key::new(VIP.octets(), near().0).to_bytes();
    responder.remove(&key).expect("a removal");
    drop(open());
    assert_eq!(maps::outcomes(Path::new(BPFFS)).expect("counters").len(), 0);
}

/// An earlier version that is put back for a while leaves tombstones and raises no flags.
#[test]
fn what_an_earlier_version_yielded_without_a_flag_stays_yielded() {
    enter();
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    drop(datapath);
    let data = aya::maps::MapData::from_pin(pin_of(TOMBSTONES_V4)).expect("a pin");
    let map = aya::maps::Map::from_map_data(data).expect("a map");
    let mut tombstones: HashMap<_, [u8; 8], [u8; 24]> = map.try_into().expect("a hash");
    let key = ResponderV4Key::new(VIP.octets(), near().0).to_bytes();
    let left = Tombstone {
        order: Order { epoch: 9, rank: 0 },
        time_ns: sandbox::monotonic_ns(),
        mac: MacAddress(mac_of("far")),
        pad: [0; 2],
    };
    tombstones.insert(key, left.to_bytes(), 0).expect("a write");
    let station = Station::on("far");
    let mut datapath = open();
    assert_eq!(ask(&station, VIP, NEVER), None, "before the first beat");
    datapath.beat().expect("a beat");
    assert_eq!(ask(&station, VIP, NEVER), None, "and after it");
}
