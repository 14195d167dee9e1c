//! The data path on a wire: real frames over a veth pair, each test in namespaces of its own.
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
    Ebpf, EbpfLoader,
    maps::{HashMap, PerCpuArray},
    programs::{SchedClassifier, TcAttachType, links::FdLink, links::PinnedLink},
};
use lightship_abi::names::{INGRESS_PROGRAM, INTERFACES, OUTCOMES, RESPONDER_V4};
use lightship_datapath::{
    Datapath, Entry, InterfaceIndex, MacAddress, OpenError, Options, Outcome, cleanup, maps,
    plan::{Action, Attachment, Desired, View, plan},
};
use sandbox::{BPFFS, Station, enter, index_of, ip, mac_of, pinned, request};

const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 10, 0);
const CLIENT: [u8; 4] = [10, 0, 10, 99];
const SOON: Duration = Duration::from_secs(2);
/// Long enough for an answer that must not come.
const NEVER: Duration = Duration::from_millis(150);

fn open() -> Datapath {
    Datapath::open(&Options::default()).expect("a data path")
}

fn near() -> InterfaceIndex {
    InterfaceIndex(index_of("near"))
}

fn vip() -> Entry {
    Entry {
        address: VIP,
        interface: near(),
    }
}

fn desired(addresses: &[Ipv4Addr]) -> Desired {
    let interface = near();
    Desired {
        interfaces: [(interface, MacAddress(mac_of("near")))].into(),
        entries: addresses
            .iter()
            .map(|&address| Entry { address, interface })
            .collect(),
        view: View::Complete,
    }
}

/// One turn of an agent: observe, plan, execute.
fn reconcile(datapath: &mut Datapath, desired: &Desired) -> Vec<Action> {
    datapath.beat().expect("a beat");
    let actions = plan(desired, &datapath.observe().expect("an observation"));
    let failures = datapath.execute(&actions);
    assert!(failures.is_empty(), "{failures:?}");
    actions
}

fn ask(station: &Station, target: Ipv4Addr, within: Duration) -> Option<Vec<u8>> {
    station.ask(&request(mac_of("far"), CLIENT, target.octets()), within)
}

fn count(datapath: &Datapath, outcome: Outcome) -> u64 {
    datapath.counters().expect("counters")[&outcome]
}

fn programs_on(interface: &str) -> Vec<u32> {
    let (_, programs) = SchedClassifier::query_tcx(interface, TcAttachType::Ingress).expect("a query");
    programs.iter().map(aya::programs::ProgramInfo::id).collect()
}

fn link_id() -> u32 {
    let pin = format!("{BPFFS}/lightship/ingress_{}", near());
    FdLink::from(PinnedLink::from_pin(pin).expect("a pinned link"))
        .info()
        .expect("its information")
        .id()
}

/// A program of another owner: the responder's object again, with maps of its own, none of which hold anything.
fn load_neighbour() -> Ebpf {
    let mut ebpf = EbpfLoader::new()
        .load(aya::include_bytes_aligned!("../responder.o"))
        .expect("an object");
    classifier(&mut ebpf).load().expect("a program");
    ebpf
}

fn classifier(ebpf: &mut Ebpf) -> &mut SchedClassifier {
    ebpf.program_mut(INGRESS_PROGRAM)
        .expect("a program")
        .try_into()
        .expect("a classifier")
}

fn seen_by(neighbour: &Ebpf, outcome: Outcome) -> u64 {
    let map: PerCpuArray<_, u64> = neighbour
        .map(OUTCOMES)
        .expect("a map")
        .try_into()
        .expect("per CPU");
    map.get(&outcome.slot(), 0).expect("a read").iter().sum()
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
    assert_eq!(announced, [&head.concat()[..], &[0; 18]].concat());
    assert_eq!(reconcile(&mut datapath, &desired(&[VIP])), []);
    assert_eq!(station.receive(NEVER, |_| true), None, "once");
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
        datapath.observe().expect("an observation").entries,
        BTreeMap::from([(vip(), asked)])
    );
    assert_eq!(programs_on("near").len(), 1);
}

#[test]
fn an_entry_added_again_keeps_its_counter() {
    enter();
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    ask(&Station::on("far"), VIP, SOON).expect("an answer");
    assert!(datapath.execute(&[Action::AddEntry(vip())]).is_empty());
    assert_eq!(datapath.observe().expect("an observation").entries[&vip()], 1);
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
        reconcile(&mut datapath, &desired(&[VIP]));
        assert!(ask(&Station::on("far"), VIP, SOON).is_some());
        assert_eq!(reconcile(&mut datapath, &desired(&[VIP])), []);
    }
    assert_eq!(maps::list(Path::new(BPFFS)).expect("a list").len(), 4);
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
fn a_new_hardware_address_is_answered_without_a_reload() {
    enter();
    let station = Station::on("far");
    let mut datapath = open();
    reconcile(&mut datapath, &desired(&[VIP]));
    let before = programs_on("near");
    ip("link set near address 02:00:00:00:00:77");
    let actions = reconcile(&mut datapath, &desired(&[VIP]));
    assert_eq!(
        actions,
        [Action::SetMac(near(), MacAddress([2, 0, 0, 0, 0, 0x77]))]
    );
    let reply = ask(&station, VIP, SOON).expect("an answer");
    assert_eq!(reply[22..28], [2, 0, 0, 0, 0, 0x77]);
    assert_eq!(programs_on("near"), before);
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
                address: VIP,
                interface: nowhere,
            },
            mac,
        ),
        Action::SetMac(near(), mac),
        Action::Attach(near()),
        Action::AddEntry(vip()),
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
    let second = Entry {
        address: Ipv4Addr::new(10, 0, 10, 1),
        interface: near(),
    };
    let failures = datapath.execute(&[Action::AddEntry(vip()), Action::AddEntry(second)]);
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
    reconcile(&mut datapath, &desired(&[VIP]));
    let names: Vec<_> = maps::list(Path::new(BPFFS))
        .expect("a list")
        .into_iter()
        .map(|map| map.elements)
        .collect();
    assert_eq!(names, [1, 1, 1, 32], "addresses, interfaces, liveness, outcomes");
    drop(datapath);
    assert_eq!(programs_on("near").len(), 1);
    let removed = cleanup(Path::new(BPFFS)).expect("a cleanup");
    assert_eq!(
        removed.len(),
        1 + 4 + 3,
        "a link, four maps, three directories: {removed:?}"
    );
    assert_eq!(pinned(), before);
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
