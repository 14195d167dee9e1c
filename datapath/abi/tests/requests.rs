//! Properties of the decision about ARP frames.
#![expect(clippy::expect_used, reason = "a test's own tools may fail loudly")]

mod node;

use lightship_abi::{
    arp::{FRAME_LEN, Glance, Pair, gratuitous, probe},
    mac::MacAddress,
    outcome::Outcome,
    signal::{self, Signal},
    verdict::{Verdict, arp},
};
use node::{ALIVE, FENCED, IFINDEX, Node, ORDER, OURS, SILENT, VIP};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
struct Asks {
    ethernet: ([u8; 6], [u8; 6]),
    sender: ([u8; 6], [u8; 4]),
    told: [u8; 6],
    target: [u8; 4],
}

fn frame(asks: &Asks) -> [u8; FRAME_LEN] {
    let bytes = [
        &asks.ethernet.0[..],
        &asks.ethernet.1,
        &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
        &asks.sender.0,
        &asks.sender.1,
        &asks.told,
        &asks.target,
    ]
    .concat();
    bytes.try_into().expect("42 bytes")
}

/// Decides about a frame without padding.
fn decide(frame: &mut [u8; FRAME_LEN], ifindex: u32, node: &Node) -> Verdict<()> {
    arp::decide(frame, ifindex, || None, node)
}

fn station() -> impl Strategy<Value = [u8; 6]> {
    any::<[u8; 6]>().prop_map(|mut mac| {
        mac[0] &= !1;
        mac
    })
}

prop_compose! {
    fn request_for_us()(
        unicast: bool,
        source in station(),
        hardware in station(),
        sender in any::<[u8; 4]>().prop_filter("a claim", |ip| *ip != VIP),
        told: [u8; 6],
    ) -> Asks {
        let destination = if unicast { OURS } else { MacAddress::BROADCAST };
        Asks { ethernet: (destination.0, source), sender: (hardware, sender), told, target: VIP }
    }
}

proptest! {
    #[test]
    fn a_request_for_us_is_answered_by_the_letter(asks in request_for_us()) {
        let mut bytes = frame(&asks);
        prop_assert_eq!(decide(&mut bytes, IFINDEX, &ALIVE), Verdict::Answer(()));
        prop_assert_eq!(&bytes[0..6], &asks.ethernet.1, "to the Ethernet source");
        prop_assert_eq!(&bytes[6..12], &OURS.0);
        prop_assert_eq!(&bytes[12..22], &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
        prop_assert_eq!(&bytes[22..28], &OURS.0);
        prop_assert_eq!(&bytes[28..32], &VIP);
        prop_assert_eq!(&bytes[32..38], &asks.sender.0, "RFC 826: the sender's hardware address");
        prop_assert_eq!(&bytes[38..42], &asks.sender.1);
    }

    #[test]
    fn nothing_that_passes_is_touched(mut bytes: [u8; FRAME_LEN], ifindex in 6..9u32) {
        let before = bytes;
        if let Verdict::Pass(_) = decide(&mut bytes, ifindex, &ALIVE) {
            prop_assert_eq!(bytes, before);
        }
    }

    #[test]
    fn a_damaged_header_passes(asks in request_for_us(), at in 12usize..22, flip in 1..=255u8) {
        let mut bytes = frame(&asks);
        bytes[at] ^= flip;
        let before = bytes;
        let verdict = decide(&mut bytes, IFINDEX, &ALIVE);
        let expected = match bytes[20..22] {
            _ if at < 20 => Outcome::PassedMalformed,
            [0, 2] => Outcome::PassedNoEntry,
            _ => Outcome::PassedOperation,
        };
        prop_assert_eq!(verdict, Verdict::Pass(expected));
        prop_assert_eq!(bytes, before);
    }

    #[test]
    fn no_reply_goes_to_a_group(asks in request_for_us(), at in prop_oneof![Just(6usize), Just(22)]) {
        let mut bytes = frame(&asks);
        bytes[at] |= 1;
        prop_assert_eq!(decide(&mut bytes, IFINDEX, &ALIVE), Verdict::Pass(Outcome::PassedMalformed));
    }

    #[test]
    fn other_stations_frames_pass(mut asks in request_for_us(), destination: [u8; 6]) {
        prop_assume!(destination != OURS.0 && destination != MacAddress::BROADCAST.0);
        asks.ethernet.0 = destination;
        let verdict = decide(&mut frame(&asks), IFINDEX, &ALIVE);
        prop_assert_eq!(verdict, Verdict::Pass(Outcome::PassedForeignDestination));
    }

    #[test]
    fn other_addresses_and_interfaces_pass(asks in request_for_us(), target: [u8; 4], ifindex: u32) {
        let entered = |ip, ifindex| ip == VIP && ifindex == IFINDEX;
        for (target, ifindex) in [(target, IFINDEX), (VIP, ifindex)] {
            prop_assume!(!entered(target, ifindex) && target != asks.sender.1);
            let mut bytes = frame(&Asks { target, ..asks });
            prop_assert_eq!(decide(&mut bytes, ifindex, &ALIVE), Verdict::Pass(Outcome::PassedNoEntry));
        }
    }

    /// The program answers most requests on a way of its own: by it nothing is answered otherwise, and nothing more.
    #[test]
    fn what_is_answered_at_once_is_what_is_answered(
        asks in request_for_us(),
        seen: (bool, bool),
        operation in prop_oneof![3 => Just(1_u8), 1 => 0..4_u8],
        probes: bool,
        node in prop::sample::select(vec![ALIVE, ALIVE, SILENT, FENCED, Node { mac: None, ..ALIVE }]),
    ) {
        let mut before = frame(&asks);
        before[21] = operation;
        let padding = || probes.then(|| Signal::Probe(7).to_bytes());
        let pair = Glance::of(&before).pair();
        let changed = |as_it_is, word: u32| if as_it_is { word } else { word ^ 1 };
        let pair = Pair { sender: changed(seen.0, pair.sender), target: changed(seen.1, pair.target) };
        let (mut whole, mut head) = (before, before);
        let verdict = arp::decide(&mut whole, IFINDEX, padding, &node);
        let at_once = arp::answer_at_once(&mut head, (pair, IFINDEX, ()), padding, &node);
        prop_assert_eq!(at_once.is_some(), seen == (true, true) && verdict == Verdict::Answer(()));
        if at_once.is_some() {
            prop_assert_eq!(head, whole);
        }
    }

    #[test]
    fn a_silent_agent_answers_nothing(asks in request_for_us()) {
        let mut bytes = frame(&asks);
        prop_assert_eq!(decide(&mut bytes, IFINDEX, &SILENT), Verdict::Pass(Outcome::Gated));
        prop_assert_eq!(bytes, frame(&asks));
    }
}

#[test]
fn a_probe_is_answered() {
    let peer = [2, 0, 0, 0, 0, 2];
    let asks = Asks {
        ethernet: ([0xff; 6], peer),
        sender: (peer, [0; 4]),
        told: [0; 6],
        target: VIP,
    };
    assert_eq!(decide(&mut frame(&asks), IFINDEX, &ALIVE), Verdict::Answer(()));
}

#[test]
fn announcement_and_probe_are_those_of_rfc_5227_with_the_claim_in_the_padding() {
    let announced = gratuitous(OURS, VIP, ORDER, MacAddress::BROADCAST);
    let asks = Asks {
        ethernet: ([0xff; 6], OURS.0),
        sender: (OURS.0, VIP),
        told: [0; 6],
        target: VIP,
    };
    assert_eq!(announced[..FRAME_LEN], frame(&asks));
    let probed = probe(OURS, VIP, Some(Signal::Probe(7)), MacAddress::BROADCAST);
    let anonymous = Asks {
        sender: (OURS.0, [0; 4]),
        ..asks
    };
    assert_eq!(probed[..FRAME_LEN], frame(&anonymous), "it leaves no trace");
    let (claim, zeros) = announced[FRAME_LEN..].split_at(signal::LEN);
    assert_eq!(claim, Signal::Claim(ORDER).to_bytes());
    assert_eq!(zeros, [0; 2]);
}
