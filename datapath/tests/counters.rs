//! What became of the frames about each entry, counted beside it: on the wire, across restarts and upgrades.
#![expect(clippy::expect_used, reason = "a test's own tools may fail loudly")]

mod sandbox;

use std::{collections::BTreeMap, net::Ipv4Addr, path::Path, time::Duration};

use lightship_datapath::{Datapath, Entry, Options, Outcome, maps};
use sandbox::{
    BPFFS, Station,
    agent::{CLIENT, NEVER, SOON, VIP, VIP6, ask, desired, desired_of, entry, open, reconcile, vip},
    enter, mac_of, request,
};

/// What was counted on each entry, as anybody reads it who may read the pins.
fn counted() -> BTreeMap<Entry, BTreeMap<Outcome, u64>> {
    maps::outcomes(Path::new(BPFFS)).expect("counters")
}

#[test]
fn frames_are_counted_on_the_address_they_are_about_and_outlive_the_agent() {
    enter();
    let station = Station::on("far");
    let other = Ipv4Addr::new(10, 0, 10, 1);
    let mut datapath = open();
    let wanted = desired_of(&[VIP.into(), other.into(), VIP6.into()]);
    reconcile(&mut datapath, &wanted);
    ask(&station, VIP, SOON).expect("an answer");
    drop(datapath);
    ask(&station, VIP, SOON).expect("an answer without an agent");
    let mut datapath = open();
    assert_eq!(reconcile(&mut datapath, &wanted), []);
    ask(&station, other, SOON).expect("an answer");
    // To another station, and about nobody's address.
    let mut elsewhere = request(mac_of("far"), CLIENT, VIP.octets());
    elsewhere[..6].copy_from_slice(&[2, 9, 9, 9, 9, 9]);
    station.send(&elsewhere);
    assert_eq!(ask(&station, Ipv4Addr::new(10, 0, 10, 2), NEVER), None);
    let expected = BTreeMap::from([
        (
            vip(),
            BTreeMap::from([(Outcome::Answered, 2), (Outcome::PassedForeignDestination, 1)]),
        ),
        (entry(other), BTreeMap::from([(Outcome::Answered, 1)])),
        (entry(VIP6), BTreeMap::new()),
    ]);
    assert_eq!(counted(), expected);
    assert_eq!(datapath.entry_counters().expect("counters"), expected);

    reconcile(&mut datapath, &desired(&[other]));
    assert_eq!(counted().len(), 1, "they go with their entry");
    reconcile(&mut datapath, &desired(&[VIP, other]));
    assert_eq!(counted()[&vip()], BTreeMap::new(), "and begin anew with the next");
}

#[test]
fn what_is_gated_is_counted_on_its_address() {
    enter();
    let max_liveness = Duration::from_millis(200);
    let mut datapath = Datapath::open(&Options {
        max_liveness,
        ..Options::default()
    })
    .expect("a data path");
    reconcile(&mut datapath, &desired(&[VIP]));
    std::thread::sleep(max_liveness * 2);
    assert_eq!(ask(&Station::on("far"), VIP, NEVER), None);
    assert_eq!(counted()[&vip()], BTreeMap::from([(Outcome::Gated, 1)]));
}
