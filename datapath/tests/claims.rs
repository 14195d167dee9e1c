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
    order::Order,
    outcome::Outcome,
    signal::Signal,
    wakeup::{Wakeup, YIELDED},
    yielded,
};
use loaded::{
    LOOPBACK, MEMBER, ORDER, OURS, PEER, Responder, SIBLING, VIP, VIP6,
    native::native_with,
    telling::{HIGHER, LOWER, claims, is_answered, outcome, questions},
};
use model::{Icmp6, solicitation};

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
fn flags_that_are_out_of_step_are_not_gone_by() {
    let mut responder = Responder::load();
    let left = Tombstone {
        order: HIGHER,
        time_ns: sandbox::monotonic_ns(),
        mac: MacAddress(MEMBER),
        pad: [0; 2],
    };
    // As a program leaves it that raises no flag.
    responder.set_flags(0);
    responder.leave(left);
    assert_eq!(is_answered(&responder), [false; 2]);
    responder.make_places();
    assert_eq!(is_answered(&responder), [true; 2]);
    for claim in claims(MEMBER, HIGHER) {
        assert_eq!(outcome(&responder, &claim), Outcome::YieldedClaim);
    }
    responder.set_flags(yielded::IN_STEP);
    assert_eq!(
        is_answered(&responder),
        [false; 2],
        "the flag was raised all the same"
    );
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
