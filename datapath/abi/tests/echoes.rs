//! Properties of the decision about echo requests, against frames written and read by the book.

mod model;
mod node;

use std::net::{Ipv4Addr, Ipv6Addr};

use lightship_abi::{
    echo::{V4_LEN, V6_LEN},
    outcome::Outcome,
    verdict::{Arrival, Leave, Verdict, echo},
};
use model::{Icmp4, Icmp6, Mac};
use node::{ALIVE, IFINDEX, Node, OURS, SILENT, VIP, VIP6};
use proptest::prelude::*;

const PEER: Mac = [2, 0, 0, 0, 0, 2];

fn arrival(frame: &[u8]) -> Arrival {
    Arrival {
        ifindex: IFINDEX,
        length: frame.len(),
    }
}

fn run_v4(frame: &[u8], node: &Node) -> (Option<Verdict<()>>, Vec<u8>) {
    let mut head = [0; V4_LEN];
    head.copy_from_slice(&frame[..V4_LEN]);
    let verdict = echo::decide_v4(&mut head, arrival(frame), node);
    (verdict, [&head, &frame[V4_LEN..]].concat())
}

fn run_v6(frame: &[u8], node: &Node) -> (Option<Verdict<()>>, Vec<u8>) {
    let mut head = [0; V6_LEN];
    head.copy_from_slice(&frame[..V6_LEN]);
    let verdict = echo::decide_v6(&mut head, arrival(frame), node);
    (verdict, [&head, &frame[V6_LEN..]].concat())
}

fn source_v4() -> impl Strategy<Value = Ipv4Addr> {
    (1..224_u8, any::<[u8; 3]>())
        .prop_map(|(first, [a, b, c])| Ipv4Addr::new(first, a, b, c))
        .prop_filter("usable", |ip| !ip.is_loopback() && ip.octets() != VIP)
}

prop_compose! {
    fn ping_v4()(
        service: u8, identification: u16, lifetime: u8, source in source_v4(), dont_fragment: bool,
        body in prop::collection::vec(any::<u8>(), 5..1400),
        padding in prop::collection::vec(any::<u8>(), 0..18),
    ) -> Icmp4 {
        Icmp4 {
            to: OURS.0, from: PEER, service, identification, fragment: u16::from(dont_fragment) << 14, lifetime,
            source, destination: VIP.into(), kind: 8, code: 0, body, padding,
        }
    }
}

prop_compose! {
    fn ping_v6()(
        class_and_flow in 0..1_u32 << 28, hop_limit: u8,
        source in any::<[u8; 16]>().prop_map(|mut octets| { octets[0] = 0x20; Ipv6Addr::from(octets) }),
        body in prop::collection::vec(any::<u8>(), 5..1400),
        padding in prop::collection::vec(any::<u8>(), 0..18),
    ) -> Icmp6 {
        Icmp6 {
            to: OURS.0, from: PEER, class_and_flow, hop_limit, source, destination: VIP6.into(), kind: 128, code: 0,
            body, padding,
        }
    }
}

proptest! {
    #[test]
    fn a_ping_is_answered_by_the_letter(asked in ping_v4(), asked_v6 in ping_v6()) {
        let (verdict, reply) = run_v4(&asked.frame(), &ALIVE);
        prop_assert_eq!(verdict, Some(Verdict::Answer(())));
        let expected = Icmp4 {
            to: asked.from, from: asked.to, source: asked.destination, destination: asked.source, kind: 0,
            lifetime: 64, ..asked
        };
        prop_assert_eq!(Icmp4::read(&reply), expected);

        let (verdict, reply) = run_v6(&asked_v6.frame(), &ALIVE);
        prop_assert_eq!(verdict, Some(Verdict::Answer(())));
        let expected = Icmp6 {
            to: asked_v6.from, from: asked_v6.to, source: asked_v6.destination, destination: asked_v6.source,
            kind: 129, hop_limit: 64, ..asked_v6
        };
        prop_assert_eq!(Icmp6::read(&reply), expected);
    }

    #[test]
    fn what_cannot_be_answered_passes_untouched(asked in ping_v4(), asked_v6 in ping_v6(), offset in 1..0x4000_u16) {
        let passed = |frame: &[u8]| expect_passed(run_v4(frame, &ALIVE), frame);
        for wrong in [
            Icmp4 { fragment: offset & !0x4000, ..asked.clone() },
            Icmp4 { to: [0xff; 6], ..asked.clone() },
            Icmp4 { from: [3, 0, 0, 0, 0, 2], ..asked.clone() },
            Icmp4 { code: 1, ..asked.clone() },
            Icmp4 { kind: 13, ..asked.clone() },
            Icmp4 { source: Ipv4Addr::LOCALHOST, ..asked.clone() },
            Icmp4 { source: Ipv4Addr::new(224, 0, 0, 1), ..asked.clone() },
            Icmp4 { fragment: 0x2000, ..asked.clone() },
            Icmp4 { source: Ipv4Addr::BROADCAST, ..asked.clone() },
            Icmp4 { source: Ipv4Addr::UNSPECIFIED, ..asked.clone() },
            Icmp4 { source: VIP.into(), ..asked.clone() },
        ] {
            passed(&wrong.frame())?;
        }
        let mut damaged = asked.frame();
        damaged[18] ^= 1;
        passed(&damaged)?;
        let whole = Icmp4 { padding: vec![], ..asked }.frame();
        passed(&whole[..whole.len() - 1])?;

        let passed = |frame: &[u8]| expect_passed(run_v6(frame, &ALIVE), frame);
        for wrong in [
            Icmp6 { to: [0x33, 0x33, 0, 0, 0, 1], ..asked_v6.clone() },
            Icmp6 { code: 1, ..asked_v6.clone() },
            Icmp6 { source: Ipv6Addr::UNSPECIFIED, ..asked_v6.clone() },
            Icmp6 { source: Ipv6Addr::LOCALHOST, ..asked_v6.clone() },
            Icmp6 { source: "ff02::1".parse().unwrap(), ..asked_v6.clone() },
            Icmp6 { source: VIP6.into(), ..asked_v6.clone() },
        ] {
            passed(&wrong.frame())?;
        }
        let whole = Icmp6 { padding: vec![], ..asked_v6 }.frame();
        passed(&whole[..whole.len() - 1])?;
    }

    #[test]
    fn damage_on_the_way_stays_damage(asked in ping_v4(), at in 38_usize..1400, flip in 1..=255_u8) {
        let mut frame = asked.frame();
        prop_assume!(at < frame.len() - asked.padding.len());
        frame[at] ^= flip;
        let (verdict, reply) = run_v4(&frame, &ALIVE);
        prop_assert_eq!(verdict, Some(Verdict::Answer(())));
        prop_assert_ne!(model::checksum(&reply[34..reply.len() - asked.padding.len()]), 0);
    }

    #[test]
    fn the_gate_and_the_rate_hold_for_pings(asked in ping_v4(), asked_v6 in ping_v6()) {
        let busy = Node { leave: Leave::Refused, ..ALIVE };
        for (node, verdict) in [(&SILENT, Verdict::Pass(Outcome::Gated)), (&busy, Verdict::Drop(Outcome::LimitedEcho))] {
            let (decided, frame) = run_v4(&asked.frame(), node);
            prop_assert_eq!(&decided, &Some(verdict));
            prop_assert_eq!(frame, asked.frame());
            let (decided_v6, frame) = run_v6(&asked_v6.frame(), node);
            prop_assert_eq!(decided_v6, decided);
            prop_assert_eq!(frame, asked_v6.frame());
        }
    }

    #[test]
    fn a_ping_for_others_is_no_business_of_ours(asked in ping_v4(), other in source_v4()) {
        let asked = Icmp4 { destination: other, ..asked };
        prop_assert_eq!(run_v4(&asked.frame(), &ALIVE), (None, asked.frame()));
    }
}

fn expect_passed(
    (verdict, after): (Option<Verdict<()>>, Vec<u8>),
    before: &[u8],
) -> Result<(), TestCaseError> {
    prop_assert_eq!(verdict, Some(Verdict::Pass(Outcome::PassedEcho)));
    prop_assert_eq!(after, before);
    Ok(())
}
