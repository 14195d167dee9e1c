//! The compiled program against the native decision: the same frames, by `BPF_PROG_TEST_RUN`, byte for byte.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test's own tools may fail loudly"
)]

mod loaded;
#[path = "../abi/tests/model/mod.rs"]
mod model;
mod sandbox;

use std::{cell::RefCell, net::Ipv6Addr};

use lightship_abi::{arp::FRAME_LEN, bucket, outcome::Outcome};
use loaded::{
    DROP, MAX_AGE_NS, NEXT, OURS, PEER, REDIRECT, Responder, Result, VIP, VIP_ELSEWHERE, VIP6, native::native,
};
use model::{Icmp4, Icmp6, advertisement, solicitation, solicited_node, stations};
use proptest::prelude::*;

fn request(destination: [u8; 6], sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let ask = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
    [&destination[..], &PEER, &ask, &PEER, &sender, &[0; 6], &target].concat()
}

fn padded(mut frame: Vec<u8>, padding: &[u8]) -> Vec<u8> {
    frame.extend(padding);
    frame
}

#[test]
fn requests_are_answered_byte_for_byte() {
    let responder = Responder::load();
    let broadcast = [0xff; 6];
    let client = [10, 0, 10, 99];
    for frame in [
        request(broadcast, client, VIP),
        request(OURS.0, client, VIP),
        request(broadcast, [0; 4], VIP),
        padded(request(broadcast, client, VIP), &[0; 18]),
        padded(
            request(broadcast, client, VIP),
            b"eighteen bytes yet and a tail that is longer than any padding",
        ),
    ] {
        let result = responder.run(&frame);
        assert_eq!(result.code, REDIRECT);
        assert_eq!(result, native(&frame));
        let reply = [
            &PEER[..],
            &OURS.0,
            &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
            &OURS.0,
            &VIP,
            &PEER,
        ]
        .concat();
        assert_eq!(
            result.frame[..38],
            reply,
            "written out, so that both cannot be wrong alike"
        );
        assert_eq!(result.frame[38..], [&frame[28..32], &frame[42..]].concat());
    }
}

#[test]
fn everything_else_passes_unmodified() {
    let responder = Responder::load();
    let broadcast = [0xff; 6];
    let client = [10, 0, 10, 99];
    let mut reply = request(broadcast, client, VIP);
    reply[21] = 2;
    let mut other_operation = request(broadcast, client, VIP);
    other_operation[21] = 3;
    let mut group_sender = request(broadcast, client, VIP);
    group_sender[22] |= 1;
    let mut ipv4 = request(broadcast, client, VIP);
    ipv4[13] = 0;
    for (frame, outcome) in [
        (reply, Some(Outcome::PassedNoEntry)),
        (other_operation, Some(Outcome::PassedOperation)),
        (group_sender, Some(Outcome::PassedMalformed)),
        (ipv4, None),
        (
            request([2, 9, 9, 9, 9, 9], client, VIP),
            Some(Outcome::PassedForeignDestination),
        ),
        (
            request(broadcast, client, [10, 0, 10, 7]),
            Some(Outcome::PassedNoEntry),
        ),
        (
            request(broadcast, client, VIP_ELSEWHERE),
            Some(Outcome::PassedNoEntry),
        ),
        (request(broadcast, VIP, VIP), Some(Outcome::PassedConflict)),
        (
            request(broadcast, client, VIP)[..41].to_vec(),
            Some(Outcome::PassedShort),
        ),
        (
            request(broadcast, client, VIP)[..20].to_vec(),
            Some(Outcome::PassedShort),
        ),
    ] {
        let result = responder.run(&frame);
        assert_eq!(
            result,
            Result {
                code: NEXT,
                frame: frame.clone(),
                outcome,
                responses_sent: 0
            }
        );
        assert_eq!(result, native(&frame));
    }
}

#[test]
fn the_gate_is_that_of_the_library() {
    let mut responder = Responder::load();
    // The machine may be up for less than an hour, so expired beats are made with a small age, not a small beat.
    let mut impatient = Responder::load_with(1);
    responder.refill();
    let asked = solicitation(PEER, [9; 16].into(), VIP6.into(), &[]).frame();
    for frame in [
        request([0xff; 6], [10, 0, 10, 99], VIP),
        asked,
        ping_v4(),
        ping_v6(),
    ] {
        let gated = Result {
            code: NEXT,
            frame: frame.clone(),
            outcome: Some(Outcome::Gated),
            responses_sent: 0,
        };
        responder.beat(0);
        assert_eq!(responder.run(&frame), gated, "never");
        responder.beat(sandbox::monotonic_ns() + MAX_AGE_NS);
        assert_eq!(responder.run(&frame), gated, "in the future");
        responder.beat(sandbox::monotonic_ns());
        assert_eq!(responder.run(&frame).code, REDIRECT, "now");
        impatient.beat(sandbox::monotonic_ns() - 1_000_000);
        assert_eq!(impatient.run(&frame), gated, "too long ago");
    }
}

fn ping_v4() -> Vec<u8> {
    Icmp4 {
        to: OURS.0,
        from: PEER,
        service: 0,
        identification: 7,
        fragment: 0,
        lifetime: 64,
        source: [10, 0, 10, 99].into(),
        destination: VIP.into(),
        kind: 8,
        code: 0,
        body: vec![0; 60],
        padding: vec![],
    }
    .frame()
}

fn ping_v6() -> Vec<u8> {
    Icmp6 {
        to: OURS.0,
        from: PEER,
        class_and_flow: 0,
        hop_limit: 255,
        source: [9; 16].into(),
        destination: VIP6.into(),
        kind: 128,
        code: 0,
        body: vec![0; 60],
        padding: vec![],
    }
    .frame()
}

#[test]
fn solicitations_are_answered_byte_for_byte() {
    let responder = Responder::load();
    let (vip, client) = (Ipv6Addr::from(VIP6), Ipv6Addr::from([9; 16]));
    let own = [&[1, 1][..], &PEER].concat();
    for options in [&[][..], &own, &[&own[..], &[14, 1, 1, 2, 3, 4, 5, 6]].concat()] {
        let result = responder.run(&solicitation(PEER, client, vip, options).frame());
        let expected = advertisement((PEER, OURS.0), (vip, client), 0x60, vip);
        assert_eq!(
            result.frame,
            expected.frame(),
            "86 bytes, whatever was asked with"
        );
        assert_eq!(
            (result.code, result.outcome, result.responses_sent),
            (REDIRECT, Some(Outcome::Answered), 1)
        );
    }
}

#[test]
fn pings_are_answered_up_to_a_rate() {
    let mut responder = Responder::load();
    responder.refill();
    let frame = ping_v6();
    // Each processor has an allowance of its own, and earns more while this runs.
    let mut answered = 0;
    let limited = (0..20 * bucket::BURST).find_map(|_| {
        let result = responder.run(&frame);
        if result.outcome == Some(Outcome::AnsweredEcho) {
            answered += 1;
            return None;
        }
        Some(result)
    });
    assert!(answered >= bucket::BURST, "{answered} answered");
    let dropped = Result {
        code: DROP,
        frame,
        outcome: Some(Outcome::LimitedEcho),
        responses_sent: 0,
    };
    assert_eq!(limited, Some(dropped));
}

/// The verifier gives up after a million instructions on all paths; kernels differ in how well they prune.
#[test]
fn the_verifier_is_far_from_giving_up() {
    let walked = Responder::load().verified_instructions();
    assert!(walked < 500_000, "{walked} instructions");
}

thread_local! {
    /// Loading takes longer than a run, so one program serves all cases of a property.
    static RESPONDER: RefCell<Option<Responder>> = const { RefCell::new(None) };
}

/// The frame to a program with a full allowance of echo replies.
fn run(frame: &[u8]) -> Result {
    RESPONDER.with_borrow_mut(|responder| {
        let responder = responder.get_or_insert_with(Responder::load);
        responder.refill();
        responder.run(frame)
    })
}

fn spoil(frame: &mut Vec<u8>, damage: Option<(usize, u8)>, cut: Option<usize>) {
    if let Some((at, byte)) = damage
        && let Some(octet) = frame.get_mut(at)
    {
        *octet = byte;
    }
    if let Some(length) = cut {
        frame.truncate(length);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn kernel_and_library_agree(
        destination in prop_oneof![Just([0xff; 6]), Just(OURS.0), any::<[u8; 6]>()],
        sender in prop_oneof![Just([0; 4]), Just(VIP), any::<[u8; 4]>()],
        target in prop_oneof![3 => Just(VIP), 1 => Just(VIP_ELSEWHERE), 1 => any::<[u8; 4]>()],
        padding in prop::collection::vec(any::<u8>(), 0..80),
        damage in prop::option::weighted(0.5, (0..FRAME_LEN, any::<u8>())),
        cut in prop::option::weighted(0.2, 15..FRAME_LEN),
    ) {
        let mut frame = padded(request(destination, sender, target), &padding);
        spoil(&mut frame, damage, cut);
        prop_assert_eq!(run(&frame), native(&frame));
    }

    #[test]
    fn kernel_and_library_agree_on_solicitations(
        to in prop_oneof![3 => Just(stations(solicited_node(VIP6.into()))), 2 => Just(OURS.0), 1 => any::<[u8; 6]>()],
        source in prop_oneof![1 => Just([0; 16]), 1 => Just(VIP6), 4 => any::<[u8; 16]>()],
        to_address: bool,
        target in prop_oneof![4 => Just(VIP6), 1 => any::<[u8; 16]>()],
        options in prop::collection::vec((1..4_u8, 1..4_u8, any::<[u8; 6]>()), 0..14),
        padding in prop::collection::vec(any::<u8>(), 0..40),
        damage in prop::option::weighted(0.5, (0..140_usize, any::<u8>())),
        cut in prop::option::weighted(0.2, 54..120_usize),
    ) {
        let mut body = Vec::new();
        for (kind, blocks, octets) in options {
            body.extend([kind, blocks]);
            body.extend(octets);
            body.resize(body.len() + usize::from(blocks - 1) * 8, kind);
        }
        let asked = solicitation(PEER, source.into(), target.into(), &body);
        let destination = if to_address { target.into() } else { asked.destination };
        let mut frame = Icmp6 { to, destination, padding, ..asked }.frame();
        spoil(&mut frame, damage, cut);
        prop_assert_eq!(run(&frame), native(&frame));
    }

    #[test]
    fn kernel_and_library_agree_on_pings(
        lifetime: u8, source: [u8; 4], source_v6: [u8; 16], fragment in prop_oneof![4 => Just(0_u16), 1 => any::<u16>()],
        body in prop::collection::vec(any::<u8>(), 4..200),
        damage in prop::option::weighted(0.5, (0..80_usize, any::<u8>())),
        // The kernel runs no IP frame that is shorter than its header.
        cut_v4 in prop::option::weighted(0.2, 34..80_usize),
        cut_v6 in prop::option::weighted(0.2, 54..80_usize),
    ) {
        let (to, from, code, padding) = (OURS.0, PEER, 0, vec![0; 10]);
        let mut frame = Icmp4 {
            to, from, service: 0, identification: 7, fragment, lifetime, source: source.into(), destination: VIP.into(),
            kind: 8, code, body: body.clone(), padding: padding.clone(),
        }.frame();
        spoil(&mut frame, damage, cut_v4);
        prop_assert_eq!(run(&frame), native(&frame));
        let mut frame = Icmp6 {
            to, from, class_and_flow: 5, hop_limit: lifetime, source: source_v6.into(), destination: VIP6.into(),
            kind: 128, code, body, padding,
        }.frame();
        spoil(&mut frame, damage, cut_v6);
        prop_assert_eq!(run(&frame), native(&frame));
    }

    #[test]
    fn kernel_and_library_agree_on_noise(
        // The kernel runs no IP frame that is shorter than its header.
        mut frame in prop::collection::vec(any::<u8>(), 54..300),
        ethertype in prop_oneof![Just([8, 6]), Just([8, 0]), Just([0x86, 0xdd]), any::<[u8; 2]>()],
    ) {
        frame[12..14].copy_from_slice(&ethertype);
        prop_assert_eq!(run(&frame), native(&frame));
    }
}
