//! The responder as a clsact filter, as on kernels without TCX: forced here.
#![expect(clippy::expect_used, reason = "a test's own tools may fail loudly")]

mod sandbox;

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use aya::programs::{
    TcAttachType,
    tc::{NlOptions, TcAttachOptions, qdisc_add_clsact},
};
use lightship_datapath::{
    Datapath, Hook, Options, Outcome, cleanup,
    plan::{Action, Attachment, Desired, View},
};
use sandbox::{
    BPFFS, Station,
    agent::{NEVER, SOON, VIP, ask, desired, near, programs_on, reconcile, vip},
    enter, ip,
    other_owner::{classifier, load_neighbour, seen_by},
    output, pinned,
    prober::asked_throughout,
    tc,
};

fn open(hook: Hook) -> Datapath {
    let options = Options {
        hook,
        ..Options::default()
    };
    Datapath::open(&options).expect("a data path")
}

fn filters() -> usize {
    output("tc filter show dev near ingress")
        .matches("lightship_ingress")
        .count()
}

#[test]
fn a_restart_is_not_seen_on_the_wire() {
    enter();
    let mut datapath = open(Hook::Clsact);
    reconcile(&mut datapath, &desired(&[VIP]));
    assert_eq!((filters(), programs_on("near").len()), (1, 0));
    let (asked, datapath) = asked_throughout(&[VIP], || {
        for _ in 0..10 {
            drop(datapath);
            thread::sleep(Duration::from_millis(20));
            datapath = open(Hook::Clsact);
            assert_eq!(
                reconcile(&mut datapath, &desired(&[VIP])),
                [],
                "all of it was adopted"
            );
        }
        datapath
    });
    assert!(asked > 20, "only {asked} requests");
    assert_eq!(
        datapath.observe().expect("an observation").entries[&vip()].responses_sent,
        asked
    );
    assert_eq!(filters(), 1);
}

#[test]
fn programs_before_and_behind_see_what_we_pass() {
    enter();
    let station = Station::on("far");
    let (mut before, mut behind) = (load_neighbour(), load_neighbour());
    qdisc_add_clsact("near").expect("a qdisc");
    let filter = |priority| {
        TcAttachOptions::Netlink(NlOptions {
            priority,
            ..NlOptions::default()
        })
    };
    classifier(&mut behind)
        .attach_with_options("near", TcAttachType::Ingress, filter(1))
        .expect("attached");
    let mut datapath = open(Hook::Clsact);
    reconcile(&mut datapath, &desired(&[VIP]));
    classifier(&mut before)
        .attach_with_options("near", TcAttachType::Ingress, filter(1))
        .expect("attached");
    ask(&station, VIP, SOON).expect("an answer");
    let seen = || {
        [
            seen_by(&before, Outcome::PassedNoEntry),
            seen_by(&behind, Outcome::PassedNoEntry),
        ]
    };
    assert_eq!(seen(), [1, 0], "what we answer ends with us");
    assert_eq!(ask(&station, Ipv4Addr::new(10, 0, 10, 1), NEVER), None);
    assert_eq!(seen(), [2, 1], "what we pass goes on");
}

#[test]
fn what_was_attached_one_way_is_taken_over_the_other_way() {
    enter();
    let mut datapath = open(Hook::Tcx);
    reconcile(&mut datapath, &desired(&[VIP]));
    // While the kernel adds a qdisc to a device it drops what the device sends.
    tc("qdisc add dev near clsact");
    for (hook, filtered, linked) in [(Hook::Clsact, 1, 0), (Hook::Tcx, 0, 1)] {
        drop(datapath);
        (_, datapath) = asked_throughout(&[VIP], || open(hook));
        assert_eq!(reconcile(&mut datapath, &desired(&[VIP])), []);
        let bound = Instant::now() + SOON;
        while (filters(), programs_on("near").len()) != (filtered, linked) {
            assert!(Instant::now() < bound, "{hook:?}: one way only");
        }
    }
}

#[test]
fn a_filter_that_others_removed_is_attached_again() {
    enter();
    let mut datapath = open(Hook::Clsact);
    reconcile(&mut datapath, &desired(&[VIP]));
    sandbox::tc("qdisc del dev near clsact");
    let attached = datapath.observe().expect("an observation").attached;
    assert_eq!(attached, [(near(), Attachment::Dead)].into());
    assert_eq!(
        reconcile(&mut datapath, &desired(&[VIP])),
        [Action::Attach(near())]
    );
    assert!(ask(&Station::on("far"), VIP, SOON).is_some());
}

#[test]
fn nothing_is_left_behind() {
    enter();
    let before = pinned();
    let mut datapath = open(Hook::Clsact);
    reconcile(&mut datapath, &desired(&[VIP]));
    let nothing = Desired {
        interfaces: BTreeMap::new(),
        entries: [].into(),
        members: [].into(),
        view: View::Complete,
    };
    reconcile(&mut datapath, &nothing);
    assert_eq!(filters(), 0, "detached");
    reconcile(&mut datapath, &desired(&[VIP]));
    drop(datapath);
    assert_eq!(filters(), 1, "a stop changes nothing");
    let removed = cleanup(Path::new(BPFFS)).expect("a cleanup");
    assert!(
        removed
            .iter()
            .any(|pin| pin.ends_with(format!("filter_{}", near()))),
        "{removed:?}"
    );
    assert_eq!((filters(), pinned()), (0, before));
    assert_eq!(cleanup(Path::new(BPFFS)).expect("again"), Vec::<PathBuf>::new());

    let mut datapath = open(Hook::Clsact);
    reconcile(&mut datapath, &desired(&[VIP]));
    ip("link del near");
    reconcile(&mut datapath, &nothing);
    assert_eq!(
        datapath.observe().expect("an observation").attached,
        BTreeMap::new()
    );
}
