//! Devices as netlink tells of them, in a network namespace of the test's own.
#![expect(clippy::expect_used, reason = "a test's own tools may fail loudly")]

mod sandbox;

use std::{future::Future, time::Duration};

use lightship_datapath::{
    InterfaceIndex, MacAddress,
    devices::{AdminState, Carrier, Device, Kind, Reach, Selection, Unsuitable, Watch},
};
use sandbox::{enter, index_of, ip, mac_of};

/// Everything on this thread: a socket belongs to the network namespace of the thread that opens it.
fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(10), future)
            .await
            .expect("in time")
    })
}

fn named(devices: &[Device], name: &str) -> Device {
    devices
        .iter()
        .find(|device| device.name == name)
        .expect("the device")
        .clone()
}

#[test]
fn devices_are_listed_with_what_the_rule_needs() {
    enter();
    ip("link add bridge0 type bridge");
    ip("link set far master bridge0");
    ip("link set near addrgenmode none");
    ip("addr flush dev near");
    ip("link set lo up");
    ip("addr add 192.0.2.1/24 dev near");
    ip("addr add 198.51.100.7/32 dev far");
    // As the responder joins a group.
    ip("addr add ff02::1:ff00:1/128 dev near autojoin");
    run(async {
        let devices = Watch::open().expect("a watch").list().await.expect("a list");
        let near = named(&devices, "near");
        assert_eq!(near.index, InterfaceIndex(index_of("near")));
        assert_eq!(near.mac, Some(MacAddress(mac_of("near"))));
        assert_eq!(
            (near.admin, near.carrier, near.kind),
            (AdminState::Up, Carrier::Present, Kind::Veth)
        );
        assert_eq!(near.reach, Reach::Somewhere);
        assert!(near.has_ipv4() && near.is_operational());
        assert_eq!(Selection::Automatic.admits(&near), Err(Unsuitable::PodCable));
        assert_eq!(
            near.addresses,
            ["192.0.2.1".parse::<std::net::IpAddr>().expect("v4")]
        );
        let lo = named(&devices, "lo");
        assert_eq!((lo.kind, lo.mac), (Kind::Loopback, None), "it speaks no Ethernet");
        let far = named(&devices, "far");
        assert!(far.has_ipv4());
        assert_eq!(far.reach, Reach::Nowhere, "the kernel's own routes lead nowhere");
        assert_eq!(named(&devices, "bridge0").kind, Kind::Bridge);
        assert_eq!(far.master, Some(InterfaceIndex(index_of("bridge0"))));
    });
    ip("route add default via 192.0.2.254");
    run(async {
        let devices = Watch::open().expect("a watch").list().await.expect("a list");
        let near = named(&devices, "near");
        assert_eq!(near.reach, Reach::Everywhere);
        let router: std::net::IpAddr = "192.0.2.254".parse().expect("an address");
        assert_eq!(near.gateways, [router]);
        assert_eq!(Selection::Automatic.admits(&named(&devices, "near")), Ok(()));
    });
}

#[test]
fn changes_are_told_when_they_happen() {
    enter();
    run(async {
        let mut watch = Watch::open().expect("a watch");
        watch.list().await.expect("a list");
        for (change, seen) in [
            (
                "link set far down",
                (|near: &Device| near.carrier == Carrier::Absent) as fn(&Device) -> bool,
            ),
            ("link set far up", |near| near.carrier == Carrier::Present),
            ("link set near address 02:00:00:00:00:77", |near| {
                near.mac == Some(MacAddress([2, 0, 0, 0, 0, 0x77]))
            }),
            ("addr add 192.0.2.1/24 dev near", Device::has_ipv4),
            ("route add default via 192.0.2.254", |near| {
                near.reach == Reach::Everywhere
            }),
            ("link set near down", |near| near.admin == AdminState::Down),
        ] {
            ip(change);
            while !seen(&named(&watch.changed().await.expect("a change"), "near")) {}
        }
        for _ in 0..40 {
            ip("addr add 192.0.2.2/24 dev far");
            ip("addr del 192.0.2.2/24 dev far");
        }
        watch.changed().await.expect("a change");
        let soon = Duration::from_millis(300);
        let mut told = 0;
        while tokio::time::timeout(soon, watch.changed()).await.is_ok() {
            told += 1;
        }
        assert!(told < 20, "what came together is told together, not {told} times");
        ip("link del near");
        while watch
            .changed()
            .await
            .expect("a change")
            .iter()
            .any(|device| device.name == "near")
        {}
    });
}
