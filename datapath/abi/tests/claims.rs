//! Properties of the decision about frames that tell where one of our addresses is, against a model of its own.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test's own tools may fail loudly"
)]

mod model;
mod node;

use std::net::Ipv6Addr;

use lightship_abi::{
    arp::FRAME_LEN,
    fence::{HoldValue, Tombstone},
    layout::{ResponderV4Key, ResponderV6Key},
    liveness::Gate,
    mac::MacAddress,
    ndp::{self, BLOCK_LEN, HEAD_LEN, Options},
    order::Order,
    outcome::Outcome,
    verdict::{
        Arrival, Station, Verdict, arp,
        ndp::{decide, hear},
        told::{Judgement, Teller, judge},
    },
};
use model::{Icmp6, advertisement};
use node::{ALIVE, IFINDEX, MEMBER, NOW, Node, OURS, SIBLING, VIP, VIP6};
use proptest::prelude::*;

const STRANGER: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);

/// A claim's bytes, written by hand.
fn signal(kind: u8, epoch: u32, rank: u32) -> Vec<u8> {
    [
        &b"LSHP"[..],
        &[kind, 0, 0, 0],
        &epoch.to_be_bytes(),
        &rank.to_be_bytes(),
    ]
    .concat()
}

struct Rest<'a>(&'a [u8]);

impl Options for Rest<'_> {
    fn block(&self, at: usize) -> Option<[u8; BLOCK_LEN]> {
        self.0.get(at..at + BLOCK_LEN)?.try_into().ok()
    }
}

/// What becomes of an ARP frame that tells of our address.
fn told_by_arp(frame: &[u8], node: &Node) -> Judgement {
    let mut head: [u8; FRAME_LEN] = frame[..FRAME_LEN].try_into().expect("long enough");
    let before = head;
    let padding = || frame.get(FRAME_LEN..FRAME_LEN + 16)?.try_into().ok();
    match arp::decide(&mut head, IFINDEX, padding, node) {
        Verdict::Judge(teller) => {
            assert_eq!(head, before);
            judge(&ResponderV4Key::new(VIP, IFINDEX), IFINDEX, teller, node)
        }
        other => panic!("{other:?}"),
    }
}

/// What becomes of an advertisement of our address.
fn told_by_advertisement(frame: &[u8], node: &Node) -> Judgement {
    let mut head = [0; ndp::FRAME_LEN];
    head[..HEAD_LEN].copy_from_slice(&frame[..HEAD_LEN]);
    let arrival = Arrival {
        ifindex: IFINDEX,
        length: frame.len(),
    };
    match hear(&head, arrival, &Rest(frame), node) {
        Ok(teller) => judge(&ResponderV6Key::new(VIP6, IFINDEX), IFINDEX, teller, node),
        Err(outcome) => panic!("{outcome:?}"),
    }
}

#[derive(Clone, Copy, Debug)]
struct Case {
    hardware: MacAddress,
    source: MacAddress,
    operation: u8,
    kind: u8,
    order: (u32, u32),
    node: Node,
}

prop_compose! {
    fn case()(
        hardware in prop::sample::select(vec![MEMBER, MEMBER, STRANGER, SIBLING, OURS]),
        forged in prop::bool::weighted(0.2),
        operation in 1..=2_u8,
        kind in prop_oneof![4 => Just(1_u8), 1 => 0..4_u8],
        order in (0..4_u32, 0..3_u32),
        own in prop::option::weighted(0.9, (0..4_u32, 0..3_u32, 0..4_u64)),
        before in prop::option::of((0..4_u32, 0..3_u32, 1..4_u64)),
        alive: bool,
        known: bool,
    ) -> Case {
        let source = if forged { MacAddress([2, 0, 0, 0, 0, 8]) } else { hardware };
        let hold = own.map_or(HoldValue::UNKNOWN, |(epoch, rank, confirmed_ns)| {
            HoldValue { order: Order { epoch, rank }, confirmed_ns }
        });
        let tombstone = before.map_or(Tombstone::NONE, |(epoch, rank, time_ns)| {
            Tombstone { order: Order { epoch, rank }, time_ns, mac: STRANGER, pad: [0; 2] }
        });
        let gate = if alive { Gate::Open } else { Gate::Closed };
        let node = Node { gate, hold, tombstone, mac: known.then_some(OURS), ..ALIVE };
        Case { hardware, source, operation, kind, order, node }
    }
}

/// The rule, in the words of the design.
fn expected(case: &Case) -> &'static str {
    let own = case.hardware == SIBLING || (case.hardware == OURS && case.node.mac.is_some());
    let higher = |(epoch, rank): (u32, u32), than: Order| {
        epoch > than.epoch || (epoch == than.epoch && rank < than.rank)
    };
    let speaks = case.hardware == MEMBER && case.source == MEMBER && case.kind == 1;
    let (left, hold) = (case.node.tombstone, case.node.hold);
    let ended = left.time_ns == 0
        || higher((hold.order.epoch, hold.order.rank), left.order)
        || hold.confirmed_ns > left.time_ns;
    if own {
        "ignored"
    } else if speaks && higher(case.order, hold.order) {
        "yields"
    } else if !ended {
        "ignored"
    } else {
        "conflict"
    }
}

fn check(case: &Case, judgement: Judgement) {
    let became = match judgement {
        Judgement::Ignore(outcome) => {
            assert_eq!(outcome, Outcome::PassedClaim);
            "ignored"
        }
        Judgement::Yield(left, told) => {
            let order = Order {
                epoch: case.order.0,
                rank: case.order.1,
            };
            assert_eq!(
                (told.mac, told.claims, told.order, told.time_ns),
                (MEMBER, true, order, NOW)
            );
            let before = case.node.tombstone;
            let keeps = before.time_ns != 0 && before.order.beats(order);
            assert_eq!(left.time_ns, NOW);
            assert_eq!(
                (left.order, left.mac),
                if keeps {
                    (before.order, STRANGER)
                } else {
                    (order, MEMBER)
                }
            );
            assert!(
                left.stands(case.node.hold) || case.node.hold.confirmed_ns > NOW,
                "it silences"
            );
            "yields"
        }
        Judgement::Report(told, station) => {
            assert_eq!((told.mac, told.time_ns), (case.hardware, NOW));
            let speaks = case.hardware == MEMBER && case.source == MEMBER && case.kind == 1;
            assert_eq!(told.claims, speaks);
            assert_eq!(station == Station::Member, case.hardware == MEMBER);
            "conflict"
        }
    };
    assert_eq!(became, expected(case), "{case:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn who_is_yielded_to(case in case(), target: [u8; 4], to: [u8; 6], padding in prop::collection::vec(any::<u8>(), 0..30)) {
        let frame = [
            &to[..], &case.source.0, &[8, 6, 0, 1, 8, 0, 6, 4, 0, case.operation], &case.hardware.0, &VIP, &[0; 6],
            &target, &signal(case.kind, case.order.0, case.order.1), &padding,
        ].concat();
        check(&case, told_by_arp(&frame, &case.node));
    }

    #[test]
    fn who_is_yielded_to_by_advertisement(case in case(), source: [u8; 16], behind in 0..4_usize) {
        prop_assume!(source[0] != 0xff);
        let to = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let mut told = advertisement((model::stations(to), case.hardware.0), (source.into(), to), 0x20, VIP6.into());
        told.body.extend([253, 3]);
        told.body.extend(signal(case.kind, case.order.0, case.order.1));
        told.body.extend([0; 6]);
        for _ in 0..behind {
            told.body.extend([14, 1, 1, 2, 3, 4, 5, 6]);
        }
        let told = Icmp6 { from: case.source.0, ..told };
        check(&case, told_by_advertisement(&told.frame(), &case.node));
    }

    #[test]
    fn who_asks_from_our_address_is_judged_and_not_answered(from in prop::sample::select(vec![MEMBER, STRANGER])) {
        let mut asked = model::solicitation(from.0, VIP6.into(), VIP6.into(), &[]);
        let frame = asked.frame();
        let mut head = [0; ndp::FRAME_LEN];
        head[..HEAD_LEN].copy_from_slice(&frame[..HEAD_LEN]);
        let arrival = Arrival { ifindex: IFINDEX, length: frame.len() };
        let verdict = decide(&mut head, arrival, &Rest(&frame), &ALIVE);
        prop_assert_eq!(verdict, Verdict::Judge(Teller::writing(from)));
        // To all, an advertisement may not say that it was solicited (RFC 4861 §7.1.2).
        let to = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        asked = advertisement((model::stations(to), from.0), ("fe80::2".parse().expect("an address"), to), 0x60, VIP6.into());
        let frame = asked.frame();
        head[..HEAD_LEN].copy_from_slice(&frame[..HEAD_LEN]);
        let arrival = Arrival { ifindex: IFINDEX, length: frame.len() };
        prop_assert_eq!(hear(&head, arrival, &Rest(&frame), &ALIVE), Err(Outcome::PassedMalformed));
    }

    #[test]
    fn what_is_fenced_is_not_answered(case in case(), sender: [u8; 4], number: u32) {
        prop_assume!(sender != VIP);
        let node = Node { gate: Gate::Open, mac: Some(OURS), ..case.node };
        let frame = [
            &[0xff; 6][..], &STRANGER.0, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], &STRANGER.0, &sender, &[0; 6], &VIP,
        ].concat();
        let mut head: [u8; FRAME_LEN] = frame.try_into().expect("42 bytes");
        let padding = || signal(2, number, 0).try_into().ok();
        let verdict = arp::decide(&mut head, IFINDEX, padding, &node);
        let (left, hold) = (node.tombstone, node.hold);
        let ended = left.time_ns == 0 || hold.order.beats(left.order) || hold.confirmed_ns > left.time_ns;
        prop_assert_eq!(verdict, if ended { Verdict::AnswerProbe } else { Verdict::Pass(Outcome::Fenced) });
    }
}
