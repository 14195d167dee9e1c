//! The fence on a wire: two nodes with the responder, each in namespaces of its own thread, and claims between them.
#![expect(clippy::expect_used, reason = "a test's own tools may fail loudly")]

mod sandbox;

use std::{
    net::IpAddr,
    os::fd::AsFd as _,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use lightship_datapath::{
    AnnounceError, Datapath, Entry, ExecuteError, MacAddress, Options, Order, Outcome, WakeupKind, maps,
    monotonic_ns,
    plan::{Action, Confirmation, Desired, Hold, View, plan},
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sandbox::{
    Station,
    agent::{NEVER, SOON, VIP, VIP6, near},
    enter, ip, mac_of,
};

const FIRST: Order = Order { epoch: 5, rank: 0 };
const SECOND: Order = Order { epoch: 6, rank: 0 };

type Work = Box<dyn FnOnce(&mut Datapath) + Send>;

/// The other node: a thread in namespaces of its own, with a cable that ends here as `far`.
struct Other {
    work: Sender<Work>,
    done: Receiver<()>,
}

impl Other {
    /// Takes the end `there` of a cable into a new node, where it is `near`.
    fn with(there: &str) -> Self {
        let ((work, jobs), (finished, done)) = (channel::<Work>(), channel());
        let (tell, told) = channel();
        let (go, went) = channel::<()>();
        thread::spawn(move || {
            enter();
            ip("link del near");
            tell.send(nix::unistd::gettid()).expect("a listener");
            went.recv().expect("the cable");
            ip("link set near up");
            let mut datapath = Datapath::open(&Options::default()).expect("a data path");
            finished.send(()).expect("a listener");
            for job in jobs {
                job(&mut datapath);
                if finished.send(()).is_err() {
                    return;
                }
            }
        });
        let thread = told.recv().expect("a node");
        ip(&format!("link set {there} netns {thread} name near"));
        go.send(()).expect("a node");
        done.recv().expect("a data path");
        Self { work, done }
    }

    /// Has the node do something, and waits for it.
    fn does(&self, work: impl FnOnce(&mut Datapath) + Send + 'static) {
        self.work.send(Box::new(work)).expect("a node");
        self.done.recv().expect("it went well there");
    }
}

/// This node has `near`, the other has a `near` of its own; both cables end in a switch, and so does `client`.
fn two_nodes() -> Other {
    enter();
    ip("link add name switch type bridge mcast_snooping 0");
    ip("link add there type veth peer name farther");
    ip("link add client type veth peer name port");
    for member in ["far", "farther", "port"] {
        ip(&format!("link set {member} master switch"));
        ip(&format!("link set {member} up"));
    }
    ip("link set client up");
    ip("link set switch up");
    Other::with("there")
}

fn entry(address: impl Into<IpAddr>) -> Entry {
    Entry {
        address: address.into(),
        interface: near(),
    }
}

/// One turn of an agent that holds both addresses by this.
fn holds(datapath: &mut Datapath, hold: Hold, members: &[MacAddress]) -> Vec<Action> {
    let wanted = Desired {
        interfaces: [(near(), MacAddress(mac_of("near")))].into(),
        entries: [entry(VIP), entry(VIP6)].map(|entry| (entry, hold)).into(),
        members: members.iter().copied().collect(),
        view: View::Complete,
    };
    datapath.beat().expect("a beat");
    let actions = plan(&wanted, &datapath.observe().expect("an observation"));
    assert!(datapath.execute(&actions).is_empty());
    actions
}

fn of(other: &Other) -> MacAddress {
    let (tell, told) = channel();
    other.does(move |_| tell.send(MacAddress(mac_of("near"))).expect("a listener"));
    told.recv().expect("an address")
}

/// Who answers for the address: each that does, in order of arrival.
fn answering(client: &Station) -> Vec<MacAddress> {
    client.send(&sandbox::request(mac_of("client"), [10, 0, 10, 99], VIP.octets()));
    let mut heard = Vec::new();
    while let Some(reply) = client.receive(NEVER, |frame| frame.get(21) == Some(&2)) {
        heard.push(MacAddress(reply[6..12].try_into().expect("six")));
    }
    heard
}

#[test]
fn who_is_claimed_from_is_silent_before_any_user_space_ran() {
    let other = two_nodes();
    let (here, there) = (MacAddress(mac_of("near")), of(&other));
    let mut datapath = Datapath::open(&Options::default()).expect("a data path");
    let mut wakeups = datapath.wakeups().expect("the first to ask");
    assert!(datapath.wakeups().is_none(), "once");
    holds(&mut datapath, Hold::unconfirmed(FIRST), &[there]);
    let client = Station::on("client");
    assert_eq!(answering(&client), [here]);

    // From here on this node's user space does nothing, as if it were frozen.
    let before = monotonic_ns();
    other.does(move |datapath| drop(holds(datapath, Hold::unconfirmed(SECOND), &[here])));
    assert_eq!(answering(&client), [there], "and nobody else");
    assert_eq!(datapath.counters().expect("counters")[&Outcome::Fenced], 1);

    // Thawed: it finds what happened, and neither answers nor announces.
    let mut waiting = [PollFd::new(wakeups.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut waiting, PollTimeout::from(2000_u16)), Ok(1), "awake");
    let told = wakeups.drain();
    let yielded: Vec<_> = told
        .iter()
        .map(|told| (told.kind, told.entry, told.mac, told.order))
        .collect();
    let expected = [entry(VIP), entry(VIP6)].map(|entry| (WakeupKind::Yielded, entry, there, Some(SECOND)));
    assert_eq!(yielded, expected);
    let tombstones = datapath.tombstones().expect("tombstones");
    assert_eq!(tombstones.len(), 2);
    assert!(
        tombstones
            .values()
            .all(|left| left.order == SECOND && left.time_ns > before)
    );
    let stale = Hold {
        order: FIRST,
        confirmed: Confirmation::After(before),
    };
    assert_eq!(
        holds(&mut datapath, stale, &[there]),
        [],
        "a lease read before the claim changes nothing"
    );
    let late = datapath.execute(&[Action::Announce(entry(VIP), here, FIRST)]);
    assert!(matches!(
        late[..],
        [ref failure] if matches!(failure.error, ExecuteError::Announce(AnnounceError::Yielded(_, by)) if by == there)
    ));
    assert!(datapath.claim_to(entry(VIP), FIRST, there).is_err());
    assert_eq!(answering(&client), [there]);

    // A lease read since says that the address is this node's after all: both answer until the other hears the claim.
    let third = Order { epoch: 7, rank: 0 };
    let actions = holds(&mut datapath, Hold::unconfirmed(third), &[there]);
    let announced = actions
        .iter()
        .filter(|action| matches!(action, Action::Announce(..)))
        .count();
    assert_eq!(announced, 2);
    assert_eq!(answering(&client), [here], "the other yielded in turn");
    other.does(|datapath| assert_eq!(datapath.tombstones().expect("tombstones").len(), 2));
}

#[test]
fn a_lease_read_after_the_claim_answers_again() {
    let other = two_nodes();
    let (here, there) = (MacAddress(mac_of("near")), of(&other));
    let mut datapath = Datapath::open(&Options::default()).expect("a data path");
    holds(&mut datapath, Hold::unconfirmed(FIRST), &[there]);
    other.does(move |datapath| {
        drop(holds(datapath, Hold::unconfirmed(SECOND), &[here]));
        ip("link set near down");
    });
    let client = Station::on("client");
    assert_eq!(answering(&client), [], "who claimed is gone");
    let confirmed = Hold {
        order: FIRST,
        confirmed: Confirmation::After(monotonic_ns()),
    };
    assert!(!holds(&mut datapath, confirmed, &[there]).is_empty());
    assert_eq!(answering(&client), [here]);
    assert_eq!(
        holds(&mut datapath, Hold::unconfirmed(FIRST), &[there]),
        [],
        "what was known stays known"
    );
    assert_eq!(answering(&client), [here]);
}

#[test]
fn a_claim_to_one_station_is_heard_by_it_alone() {
    let other = two_nodes();
    let (here, there) = (MacAddress(mac_of("near")), of(&other));
    let mut datapath = Datapath::open(&Options::default()).expect("a data path");
    other.does(move |datapath| drop(holds(datapath, Hold::unconfirmed(FIRST), &[here])));
    let quiet = Hold::unconfirmed(SECOND);
    let setup = [
        Action::SetMac(near(), here),
        Action::AddEntry(entry(VIP), quiet),
        Action::AddEntry(entry(VIP6), quiet),
    ];
    assert!(datapath.execute(&setup).is_empty());
    let client = Station::on("client");
    while client.receive(NEVER, |_| true).is_some() {}
    for address in [IpAddr::from(VIP), VIP6.into()] {
        datapath.claim_to(entry(address), SECOND, there).expect("sent");
    }
    other.does(|datapath| {
        thread::sleep(NEVER);
        assert_eq!(datapath.tombstones().expect("tombstones").len(), 2);
    });
    assert_eq!(client.receive(NEVER, |_| true), None);
}

#[test]
fn tcpdump_reads_announcements_and_probes_without_complaint() {
    let other = two_nodes();
    let here = MacAddress(mac_of("near"));
    let mut dump = Command::new("tcpdump")
        .args([
            "-i",
            "client",
            "-n",
            "-vv",
            "-l",
            "--immediate-mode",
            "-c",
            "2",
            "arp or icmp6[0] == 136",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tcpdump is installed");
    thread::sleep(Duration::from_secs(1));
    other.does(move |datapath| drop(holds(datapath, Hold::unconfirmed(SECOND), &[here])));
    let bound = std::time::Instant::now() + SOON * 2;
    while dump.try_wait().expect("a child").is_none() && std::time::Instant::now() < bound {
        thread::sleep(Duration::from_millis(20));
    }
    let _ = dump.kill();
    let said = dump.wait_with_output().expect("an output").stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    for wanted in [
        "Request who-has 10.0.10.0",
        "[icmp6 sum ok] ICMP6, neighbor advertisement",
        "unknown option (253), length 24 (3)",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    for complaint in ["malformed", "bad ", "truncated", "[|"] {
        assert!(!said.contains(complaint), "{complaint}: {said}");
    }
}

#[test]
fn an_entry_of_an_earlier_version_gets_a_place_before_the_program_sees_it() {
    enter();
    let mut datapath = Datapath::open(&Options::default()).expect("a data path");
    holds(&mut datapath, Hold::unconfirmed(FIRST), &[]);
    drop(datapath);
    for name in [
        "lightship_tombstones_v4",
        "lightship_holds_v4",
        "lightship_members",
    ] {
        std::fs::remove_file(format!("{}/lightship/{name}", sandbox::BPFFS)).expect("a pin");
    }
    let mut datapath = Datapath::open(&Options::default()).expect("a data path");
    let kept = datapath.observe().expect("an observation").entries[&entry(VIP)];
    assert_eq!((kept.fence.hold, kept.fence.tombstone), (None, None));
    let maps = maps::list(Path::new(sandbox::BPFFS)).expect("a list");
    let places = maps.iter().find(|map| map.name == "lightship_tombstones_v4");
    assert_eq!(places.map(|map| map.elements), Some(1));
    let actions = holds(&mut datapath, Hold::unconfirmed(FIRST), &[]);
    assert!(
        actions.contains(&Action::SetHold(entry(VIP), Hold::unconfirmed(FIRST))),
        "{actions:?}"
    );
    assert_eq!(holds(&mut datapath, Hold::unconfirmed(FIRST), &[]), []);
}
