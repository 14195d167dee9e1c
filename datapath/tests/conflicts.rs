//! Who tells that it has an address of ours and is not yielded to, in the compiled program: what is told of it, and how often.
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
    order::Order,
    outcome::Outcome,
    signal::Signal,
    wakeup::{CONFLICT, CONFLICT_PAUSE_NS, YIELDED},
};
use loaded::{
    MEMBER, ORDER, OURS, PEER, Responder, SIBLING, VIP6,
    telling::{ALL_NODES, HIGHER, LOWER, claims, is_answered, outcome},
};

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
