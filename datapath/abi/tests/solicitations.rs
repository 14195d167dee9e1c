//! Properties of the decision about neighbour solicitations, against frames written and read by the book.
#![expect(clippy::panic, reason = "a test's own tools may fail loudly")]

mod model;
mod node;

use std::net::Ipv6Addr;

use lightship_abi::{
    mac::MacAddress,
    ndp::{BLOCK_LEN, FRAME_LEN, HEAD_LEN, MAX_BLOCKS, Options, Unfit, parse, unsolicited},
    outcome::Outcome,
    signal::Signal,
    verdict::{Arrival, Verdict, ndp::decide},
};
use model::{Icmp6, Mac, advertisement, solicitation, solicited_node, stations};
use node::{ALIVE, IFINDEX, Node, ORDER, OURS, SILENT, VIP6};
use proptest::prelude::*;

const PEER: Mac = [2, 0, 0, 0, 0, 2];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

fn vip() -> Ipv6Addr {
    VIP6.into()
}

struct Rest<'a>(&'a [u8]);

impl Options for Rest<'_> {
    fn block(&self, at: usize) -> Option<[u8; BLOCK_LEN]> {
        self.0.get(at..at + BLOCK_LEN)?.try_into().ok()
    }
}

/// What the program makes of a whole frame.
fn run(frame: &[u8], ifindex: u32, node: &Node) -> Result<Icmp6, Outcome> {
    let mut head = [0; FRAME_LEN];
    head[..HEAD_LEN].copy_from_slice(&frame[..HEAD_LEN]);
    let arrival = Arrival {
        ifindex,
        length: frame.len(),
    };
    let before = head;
    match decide(&mut head, arrival, &Rest(frame), node) {
        Verdict::Answer(()) => Ok(Icmp6::read(&head)),
        Verdict::Pass(outcome) | Verdict::Drop(outcome) => {
            assert_eq!(head, before, "what passes is not touched");
            Err(outcome)
        }
        other => panic!("{other:?}: neither a probe of the wire watch nor from our address"),
    }
}

fn answer(frame: &Icmp6) -> Result<Icmp6, Outcome> {
    run(&frame.frame(), IFINDEX, &ALIVE)
}

fn option(kind: u8, blocks: u8) -> Vec<u8> {
    let mut octets = vec![0xa5; usize::from(blocks) * BLOCK_LEN];
    octets[..2].copy_from_slice(&[kind, blocks]);
    octets
}

fn station() -> impl Strategy<Value = Mac> {
    any::<Mac>().prop_map(|mut mac| {
        mac[0] &= !1;
        mac
    })
}

fn unicast() -> impl Strategy<Value = Ipv6Addr> {
    let usable = |address: &Ipv6Addr| {
        !address.is_multicast() && !address.is_unspecified() && *address != Ipv6Addr::from(VIP6)
    };
    any::<[u8; 16]>()
        .prop_map(Ipv6Addr::from)
        .prop_filter("usable", usable)
}

/// Options of any kind but the source link-layer address, as nonces (RFC 3971 §5.3.2) and what may come.
fn options() -> impl Strategy<Value = Vec<u8>> {
    let one = (2..=255_u8, 1..4_u8).prop_map(|(kind, blocks)| option(kind, blocks));
    prop::collection::vec(one, 0..5).prop_map(|all| all.concat())
}

prop_compose! {
    fn question()(
        from in station(),
        source in unicast(),
        with_source: bool,
        to_station: bool,
        to_address: bool,
        others in options(),
        class_and_flow in 0..1_u32 << 28,
        padding in prop::collection::vec(any::<u8>(), 0..30),
    ) -> Icmp6 {
        let own = if with_source { [&[1, 1][..], &from].concat() } else { vec![] };
        let asked = solicitation(from, source, vip(), &[own, others].concat());
        Icmp6 {
            to: if to_station { OURS.0 } else { asked.to },
            destination: if to_address { vip() } else { asked.destination },
            class_and_flow,
            padding,
            ..asked
        }
    }
}

proptest! {
    #[test]
    fn a_question_is_answered_by_the_letter(asked in question()) {
        let expected = advertisement((asked.from, OURS.0), (vip(), asked.source), 0x60, vip());
        prop_assert_eq!(answer(&asked), Ok(expected));
    }

    #[test]
    fn a_probe_is_answered_to_all_nodes(from in station(), others in options()) {
        let probe = solicitation(from, Ipv6Addr::UNSPECIFIED, vip(), &others);
        let expected = advertisement((stations(ALL_NODES), OURS.0), (vip(), ALL_NODES), 0x20, vip());
        prop_assert_eq!(answer(&probe), Ok(expected));
    }

    #[test]
    fn a_probe_that_breaks_a_rule_passes(from in station(), others in options()) {
        let own = [&[1, 1][..], &from].concat();
        for options in [[own.clone(), others.clone()].concat(), [others.clone(), own].concat()] {
            let probe = solicitation(from, Ipv6Addr::UNSPECIFIED, vip(), &options);
            prop_assert_eq!(answer(&probe), Err(Outcome::PassedMalformed));
        }
        let probe = solicitation(from, Ipv6Addr::UNSPECIFIED, vip(), &others);
        let to_one = Icmp6 { destination: vip(), ..probe };
        prop_assert_eq!(answer(&to_one), Err(Outcome::PassedMalformed));
    }

    #[test]
    fn one_changed_byte_never_makes_a_wrong_answer(asked in question(), at in 14_usize..150, flip in 1..=255_u8) {
        let whole = asked.frame();
        prop_assume!(at < whole.len() - asked.padding.len());
        let mut frame = whole.clone();
        frame[at] ^= flip;
        let outside = at < 18 || at == 21;
        match run(&frame, IFINDEX, &ALIVE) {
            // Class and flow are outside the checksum, the version is checked, the hop limit has a rule of its own.
            Ok(_) => prop_assert!(outside && frame[14] >> 4 == 6 && at != 21, "answered with byte {} changed", at),
            Err(outcome) => {
                let named = [Outcome::PassedMalformed, Outcome::PassedHopLimit, Outcome::PassedChecksum,
                    Outcome::PassedNoEntry, Outcome::PassedTooLong];
                prop_assert!(named.contains(&outcome), "{:?}", outcome);
            }
        }
    }

    #[test]
    fn only_hop_limit_255_is_from_this_link(asked in question(), hop_limit in 0..255_u8) {
        prop_assert_eq!(answer(&Icmp6 { hop_limit, ..asked }), Err(Outcome::PassedHopLimit));
    }

    #[test]
    fn code_destination_and_sender_have_rules(
        asked in question(), code in 1..=255_u8, elsewhere in unicast(), group: [u8; 15],
    ) {
        let group = Ipv6Addr::from(<[u8; 16]>::try_from([&[0xff][..], &group].concat()).expect("sixteen"));
        prop_assert_eq!(answer(&Icmp6 { code, ..asked.clone() }), Err(Outcome::PassedMalformed));
        for destination in [elsewhere, ALL_NODES, solicited_node(elsewhere)] {
            prop_assume!(destination != solicited_node(vip()));
            prop_assert_eq!(answer(&Icmp6 { destination, ..asked.clone() }), Err(Outcome::PassedMalformed));
        }
        prop_assert_eq!(answer(&Icmp6 { source: group, ..asked.clone() }), Err(Outcome::PassedMalformed));
        let mut from = asked.from;
        from[0] |= 1;
        prop_assert_eq!(answer(&Icmp6 { from, ..asked }), Err(Outcome::PassedMalformed));
    }

    #[test]
    fn options_end_where_the_packet_ends(asked in question(), blocks in 1..8_u8, cut in 1..8_usize) {
        let body = &asked.body;
        let with = |option: &[u8]| Icmp6 { body: [&body[..], option].concat(), ..asked.clone() };
        prop_assert_eq!(answer(&with(&[14, 0, 0, 0, 0, 0, 0, 0])), Err(Outcome::PassedMalformed), "no length");
        let mut overrun = option(14, blocks);
        overrun[1] += 1;
        prop_assert_eq!(answer(&with(&overrun)), Err(Outcome::PassedMalformed), "a length beyond the end");
        prop_assert_eq!(answer(&with(&option(14, 1)[..cut])), Err(Outcome::PassedMalformed), "not in units of eight");
        let whole = asked.frame();
        let short = &whole[..whole.len() - asked.padding.len() - 1];
        if short.len() >= HEAD_LEN {
            prop_assert_eq!(run(short, IFINDEX, &ALIVE), Err(Outcome::PassedMalformed), "cut off");
        }
    }

    #[test]
    fn a_multicast_target_is_refused(mut target: [u8; 16]) {
        target[0] = 0xff;
        let asked = solicitation(PEER, "fe80::2".parse().expect("an address"), target.into(), &[]);
        prop_assert_eq!(answer(&asked), Err(Outcome::PassedNoEntry));
        // No entry can have it; were there one, the rule would still hold.
        let frame = asked.frame();
        let mut head = [0; FRAME_LEN];
        head[..HEAD_LEN].copy_from_slice(&frame[..HEAD_LEN]);
        prop_assert_eq!(parse(&head, frame.len(), &Rest(&frame)), Err(Unfit::Malformed));
    }

    #[test]
    fn other_addresses_interfaces_and_stations_pass(asked in question(), other in unicast(), to: Mac) {
        let elsewhere = solicitation(asked.from, asked.source, other, &[]);
        prop_assert_eq!(answer(&elsewhere), Err(Outcome::PassedNoEntry));
        prop_assert_eq!(run(&asked.frame(), IFINDEX + 1, &ALIVE), Err(Outcome::PassedNoEntry));
        prop_assume!(to != OURS.0 && to != stations(solicited_node(vip())));
        prop_assert_eq!(answer(&Icmp6 { to, ..asked }), Err(Outcome::PassedForeignDestination));
    }

    #[test]
    fn a_silent_agent_answers_nothing(asked in question()) {
        prop_assert_eq!(run(&asked.frame(), IFINDEX, &SILENT), Err(Outcome::Gated));
    }

    #[test]
    fn any_bytes_are_borne(mut frame in prop::collection::vec(any::<u8>(), HEAD_LEN..400), ours: bool) {
        if ours {
            frame[62..78].copy_from_slice(&VIP6);
        }
        drop(run(&frame, IFINDEX, &ALIVE));
    }
}

#[test]
fn more_options_than_are_read_pass() {
    let most: Vec<u8> = (0..MAX_BLOCKS).flat_map(|_| option(14, 1)).collect();
    let source = "fe80::2".parse().expect("an address");
    assert!(answer(&solicitation(PEER, source, vip(), &most)).is_ok());
    let more = [most, option(14, 1)].concat();
    assert_eq!(
        answer(&solicitation(PEER, source, vip(), &more)),
        Err(Outcome::PassedTooLong)
    );
}

#[test]
fn the_announcement_is_that_of_rfc_4861() {
    let source: Ipv6Addr = "fe80::1".parse().expect("an address");
    let to = MacAddress(stations(ALL_NODES));
    let announced = unsolicited(OURS, VIP6, source.octets(), ORDER, to);
    let mut expected = advertisement((stations(ALL_NODES), OURS.0), (source, ALL_NODES), 0x20, vip());
    expected.body.extend([253, 3]);
    expected.body.extend(Signal::Claim(ORDER).to_bytes());
    expected.body.extend([0; 6]);
    assert_eq!(Icmp6::read(&announced), expected);
    assert_eq!(announced[..], expected.frame());
}
