//! Claims in the compiled program, by `BPF_PROG_TEST_RUN`: who is yielded to, what is left, and that it fences.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test's own tools may fail loudly"
)]

mod loaded;
#[path = "../abi/tests/model/mod.rs"]
mod model;
mod sandbox;

use lightship_abi::{
    arp,
    fence::{HoldValue, Tombstone},
    mac::MacAddress,
    names::{INTERFACES, TOMBSTONES_V4, TOMBSTONES_V6},
    ndp,
    order::Order,
    outcome::Outcome,
    signal::Signal,
    wakeup::{CONFLICT, CONFLICT_PAUSE_NS, Wakeup, YIELDED},
};
use loaded::{
    LOOPBACK, MEMBER, NEXT, ORDER, OURS, PEER, REDIRECT, Responder, SIBLING, VIP, VIP6, native_with,
};
use model::{Icmp6, solicitation, stations};

const ALL_NODES: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const HIGHER: Order = Order { epoch: 6, rank: 0 };
const LOWER: Order = Order { epoch: 4, rank: 0 };

/// A claim of both addresses by a station.
fn claims(mac: [u8; 6], order: Order) -> [Vec<u8>; 2] {
    let mac = MacAddress(mac);
    let v4 = arp::gratuitous(mac, VIP, order, MacAddress::BROADCAST);
    let to = MacAddress(stations(ALL_NODES.into()));
    let v6 = ndp::unsolicited(mac, VIP6, [9; 16], order, to);
    [v4.to_vec(), v6.to_vec()]
}

/// Questions for both addresses.
fn questions() -> [Vec<u8>; 2] {
    let v4 = arp::probe(MacAddress(PEER), VIP, None, MacAddress::BROADCAST);
    [
        v4.to_vec(),
        solicitation(PEER, [9; 16].into(), VIP6.into(), &[]).frame(),
    ]
}

/// What a frame comes to: passed in any case, and untouched.
fn outcome(responder: &Responder, frame: &[u8]) -> Outcome {
    let result = responder.run(frame);
    assert_eq!((result.code, &result.frame[..]), (NEXT, frame));
    result.outcome.expect("counted")
}

fn is_answered(responder: &Responder) -> [bool; 2] {
    questions().map(|question| {
        let result = responder.run(&question);
        match result.outcome {
            Some(Outcome::Answered) => assert_eq!((result.code, result.responses_sent), (REDIRECT, 1)),
            Some(Outcome::Fenced) => assert_eq!((result.code, result.frame), (NEXT, question)),
            other => panic!("{other:?}"),
        }
        result.outcome == Some(Outcome::Answered)
    })
}

#[test]
fn a_members_claim_that_beats_ours_is_yielded_to() {
    for made in [true, false] {
        let mut responder = Responder::load();
        if made {
            responder.make_places();
        }
        assert_eq!(is_answered(&responder), [true; 2]);
        let before = sandbox::monotonic_ns();
        for claim in claims(MEMBER, HIGHER) {
            assert_eq!(outcome(&responder, &claim), Outcome::YieldedClaim);
        }
        let left = responder.tombstones().map(|left| left.expect("a tombstone"));
        for tombstone in left {
            assert_eq!((tombstone.order, tombstone.mac.0), (HIGHER, MEMBER));
            assert!((before..=sandbox::monotonic_ns()).contains(&tombstone.time_ns));
        }
        assert_eq!(is_answered(&responder), [false; 2], "places made: {made}");
        let mut address_v4 = [0; 16];
        address_v4[..4].copy_from_slice(&VIP);
        let told = responder.wakeups();
        let expected = [(4, address_v4, left[0]), (6, VIP6, left[1])].map(|(family, octets, left)| {
            (
                YIELDED,
                LOOPBACK,
                family,
                octets,
                1,
                left.order,
                left.time_ns,
                left.mac.0,
            )
        });
        assert_eq!(told.iter().map(fields).collect::<Vec<_>>(), expected);
    }
}

type Fields = (u32, u32, u32, [u8; 16], u32, Order, u64, [u8; 6]);

fn fields(told: &Wakeup) -> Fields {
    let order = (told.has_order, told.order);
    (
        told.kind,
        told.ifindex,
        told.family,
        told.octets(),
        order.0,
        order.1,
        told.time_ns,
        told.mac,
    )
}

#[test]
fn a_claim_that_does_not_beat_ours_is_a_conflict() {
    let mut responder = Responder::load_uncounted();
    let same_epoch_later_rank = Order { rank: 2, ..ORDER };
    for order in [ORDER, LOWER, same_epoch_later_rank] {
        for claim in claims(MEMBER, order) {
            assert_eq!(outcome(&responder, &claim), Outcome::PassedConflict, "{order:?}");
        }
    }
    assert_eq!(responder.tombstones(), [None; 2]);
    assert_eq!(is_answered(&responder), [true; 2]);
    let told = responder.wakeups();
    assert_eq!(told.len(), 6);
    assert!(
        told.iter()
            .all(|told| (told.kind, told.has_order, told.mac) == (CONFLICT, 1, MEMBER))
    );
    assert_eq!((told[0].order, told[2].order), (ORDER, LOWER));
    let first_rank = Order { rank: 0, ..ORDER };
    for claim in claims(MEMBER, first_rank) {
        assert_eq!(
            outcome(&responder, &claim),
            Outcome::YieldedClaim,
            "a lower rank beats"
        );
    }
}

#[test]
fn strangers_and_borrowed_hardware_addresses_are_conflicts_and_our_own_frames_nothing() {
    let mut responder = Responder::load();
    for claim in claims(PEER, HIGHER) {
        assert_eq!(outcome(&responder, &claim), Outcome::PassedConflict, "a stranger");
    }
    for (claim, at) in claims(MEMBER, HIGHER).into_iter().zip([6, 6]) {
        let mut borrowed = claim;
        borrowed[at..at + 6].copy_from_slice(&PEER);
        assert_eq!(
            outcome(&responder, &borrowed),
            Outcome::PassedConflict,
            "another Ethernet source"
        );
    }
    assert_eq!(responder.wakeups().len(), 4);
    for own in [OURS.0, SIBLING] {
        for claim in claims(own, HIGHER) {
            assert_eq!(outcome(&responder, &claim), Outcome::PassedClaim, "came back");
        }
    }
    assert_eq!(
        (responder.wakeups().len(), responder.tombstones()),
        (0, [None; 2])
    );
    assert_eq!(is_answered(&responder), [true; 2]);
}

#[test]
fn without_a_whole_claim_in_its_place_it_is_a_conflict() {
    let mut responder = Responder::load();
    let [v4, v6] = claims(MEMBER, HIGHER);
    let mut other_magic = v4.clone();
    other_magic[42] ^= 1;
    let mut a_probe = v4.clone();
    a_probe[42..58].copy_from_slice(&Signal::Probe(7).to_bytes());
    let no_option = model::advertisement(
        (v6[..6].try_into().expect("six"), MEMBER),
        ([9; 16].into(), ALL_NODES.into()),
        0x20,
        VIP6.into(),
    );
    for (frame, what) in [
        (v4[..42].to_vec(), "no padding"),
        (v4[..57].to_vec(), "a byte short"),
        (other_magic, "other bytes"),
        (a_probe, "a probe"),
        (no_option.frame(), "no option"),
    ] {
        assert_eq!(outcome(&responder, &frame), Outcome::PassedConflict, "{what}");
    }
    assert_eq!(outcome(&responder, &v4[..41]), Outcome::PassedShort);
    assert_eq!(responder.tombstones(), [None; 2]);
    assert_eq!(
        outcome(&responder, &v4[..58]),
        Outcome::YieldedClaim,
        "to the byte"
    );
}

#[test]
fn replies_and_ordinary_questions_claim_too() {
    let mut responder = Responder::load();
    let [claim, _] = claims(MEMBER, HIGHER);
    let mut reply = claim.clone();
    reply[21] = 2;
    let mut question = claim;
    question[38..42].copy_from_slice(&[10, 0, 10, 77]);
    for frame in [reply, question] {
        assert_eq!(outcome(&responder, &frame), Outcome::YieldedClaim);
        assert!(responder.tombstones()[0].is_some());
        responder = Responder::load();
    }
}

#[test]
fn an_advertisement_that_breaks_a_rule_claims_nothing() {
    let mut responder = Responder::load();
    let [_, v6] = claims(MEMBER, HIGHER);
    let whole = Icmp6::read(&v6);
    let mut damaged = v6;
    damaged[100] ^= 1;
    for (frame, expected) in [
        (damaged, Outcome::PassedChecksum),
        (
            Icmp6 {
                hop_limit: 254,
                ..whole.clone()
            }
            .frame(),
            Outcome::PassedHopLimit,
        ),
        (
            Icmp6 {
                code: 1,
                ..whole.clone()
            }
            .frame(),
            Outcome::PassedMalformed,
        ),
        (whole.frame()[..100].to_vec(), Outcome::PassedMalformed),
    ] {
        assert_eq!(outcome(&responder, &frame), expected);
    }
    let mut solicited = whole;
    solicited.body[0] |= 0x40;
    assert_eq!(
        outcome(&responder, &solicited.frame()),
        Outcome::PassedMalformed,
        "to all, yet solicited"
    );
    assert_eq!(responder.tombstones(), [None; 2]);
}

#[test]
fn it_yields_though_the_agent_is_silent_and_the_interface_unknown() {
    let mut responder = Responder::load();
    responder.beat(0);
    responder
        .map::<u32, u64>(INTERFACES)
        .remove(&LOOPBACK)
        .expect("a removal");
    for claim in claims(MEMBER, HIGHER) {
        assert_eq!(outcome(&responder, &claim), Outcome::YieldedClaim);
    }
    assert!(responder.tombstones().iter().all(Option::is_some));
}

#[test]
fn an_entry_of_unknown_binding_yields_to_any_claim() {
    let mut responder = Responder::load();
    responder.hold(None);
    for claim in claims(MEMBER, Order { epoch: 0, rank: 0 }) {
        assert_eq!(outcome(&responder, &claim), Outcome::YieldedClaim);
    }
    assert_eq!(is_answered(&responder), [false; 2]);
}

#[test]
fn a_higher_order_or_a_later_lease_answers_again() {
    let mut responder = Responder::load();
    for claim in claims(MEMBER, HIGHER) {
        outcome(&responder, &claim);
    }
    let hold = |order, confirmed_ns| Some(HoldValue { order, confirmed_ns });
    let last = responder.tombstones().map(|left| left.expect("left").time_ns)[1];
    for (order, confirmed, answered) in [
        (ORDER, last - 1_000_000_000, false),
        (HIGHER, 0, false),
        (Order { epoch: 7, rank: 3 }, 0, true),
        (ORDER, last + 1, true),
        (LOWER, 0, false),
    ] {
        responder.hold(hold(order, confirmed));
        assert_eq!(is_answered(&responder), [answered; 2], "{order:?} {confirmed}");
    }
    responder.hold(hold(ORDER, sandbox::monotonic_ns()));
    assert_eq!(is_answered(&responder), [true; 2]);
    for claim in claims(MEMBER, HIGHER) {
        assert_eq!(outcome(&responder, &claim), Outcome::YieldedClaim, "again");
    }
    assert_eq!(is_answered(&responder), [false; 2]);
}

#[test]
fn who_has_it_now_may_say_so() {
    let mut responder = Responder::load();
    for claim in claims(MEMBER, HIGHER) {
        outcome(&responder, &claim);
    }
    responder.wakeups();
    for claim in claims(PEER, LOWER) {
        assert_eq!(outcome(&responder, &claim), Outcome::PassedClaim);
    }
    assert_eq!(responder.wakeups(), []);
}

#[test]
fn a_flood_of_conflicts_leaves_room_for_claims_that_are_yielded_to() {
    let mut responder = Responder::load_uncounted();
    let [stranger, _] = claims(PEER, HIGHER);
    for _ in 0..1100 {
        outcome(&responder, &stranger);
    }
    for claim in claims(MEMBER, HIGHER) {
        assert_eq!(outcome(&responder, &claim), Outcome::YieldedClaim);
    }
    let told = responder.wakeups();
    let of = |kind| told.iter().filter(|told| told.kind == kind).count();
    assert_eq!((of(CONFLICT), of(YIELDED)), (512, 2), "half of the ring");
}

#[test]
fn a_conflict_is_told_once_in_a_while_for_each_address() {
    let mut responder = Responder::load();
    let [stranger_v4, stranger_v6] = claims(PEER, HIGHER);
    let [member_v4, _] = claims(MEMBER, LOWER);
    let began = sandbox::monotonic_ns();
    for _ in 0..500 {
        for claim in [&stranger_v4, &stranger_v6, &member_v4] {
            assert_eq!(outcome(&responder, claim), Outcome::PassedConflict);
        }
    }
    let most = 1 + usize::try_from((sandbox::monotonic_ns() - began) / CONFLICT_PAUSE_NS).expect("short");
    let told = responder.wakeups();
    for (family, mac) in [(4, PEER), (6, PEER), (4, MEMBER)] {
        let of_it = told
            .iter()
            .filter(|told| (told.family, told.mac) == (family, mac));
        assert!((1..=most).contains(&of_it.count()), "{family} {mac:?}: {told:?}");
    }
    std::thread::sleep(std::time::Duration::from_nanos(CONFLICT_PAUSE_NS));
    outcome(&responder, &stranger_v4);
    assert_eq!(responder.wakeups().len(), 1, "told again after a while");
}

#[test]
fn a_full_ring_loses_records_only() {
    let mut responder = Responder::load();
    for epoch in 0..1100 {
        let [claim, _] = claims(
            MEMBER,
            Order {
                epoch: 6 + epoch,
                rank: 0,
            },
        );
        assert_eq!(outcome(&responder, &claim), Outcome::YieldedClaim);
    }
    let [_, claim] = claims(MEMBER, HIGHER);
    assert_eq!(outcome(&responder, &claim), Outcome::YieldedClaim);
    assert_eq!(is_answered(&responder), [false; 2]);
    let told = responder.wakeups();
    assert!(told.len() == 1024 - 1 || told.len() == 1024, "{}", told.len());
}

#[test]
fn without_a_place_for_a_tombstone_the_entry_goes() {
    let mut responder = Responder::load_cramped();
    let (other_v4, other_v6) = ([9_u8; 8], [9_u8; 24]);
    responder
        .map::<[u8; 8], [u8; 24]>(TOMBSTONES_V4)
        .insert(other_v4, [0; 24], 0)
        .expect("an insertion");
    responder
        .map::<[u8; 24], [u8; 24]>(TOMBSTONES_V6)
        .insert(other_v6, [0; 24], 0)
        .expect("an insertion");
    for claim in claims(MEMBER, HIGHER) {
        assert_eq!(outcome(&responder, &claim), Outcome::YieldedClaim);
    }
    for question in questions() {
        assert_eq!(outcome(&responder, &question), Outcome::PassedNoEntry);
    }
}

#[test]
fn kernel_and_library_agree_on_who_tells() {
    let mut responder = Responder::load();
    let mut frames: Vec<Vec<u8>> = Vec::new();
    for mac in [MEMBER, PEER, OURS.0, SIBLING] {
        for order in [HIGHER, ORDER, LOWER] {
            frames.extend(claims(mac, order));
        }
    }
    frames.extend(questions());
    frames.push(solicitation(PEER, VIP6.into(), VIP6.into(), &[]).frame());
    frames.push(solicitation(OURS.0, VIP6.into(), VIP6.into(), &[]).frame());
    frames.push(arp::probe(MacAddress(PEER), VIP, Some(Signal::Probe(3)), OURS).to_vec());
    for left in [false, true] {
        for frame in &frames {
            let mut tombstone = Tombstone::NONE;
            responder.make_places();
            if left {
                for claim in claims(MEMBER, HIGHER) {
                    outcome(&responder, &claim);
                }
                tombstone = responder.tombstones()[0].expect("left");
            }
            assert_eq!(responder.run(frame), native_with(frame, tombstone), "{frame:x?}");
        }
    }
}
