//! A whole frame through the decision, and what must be true of the result whatever the frame was. The fuzzer calls this, and so does
//! the test that replays what the fuzzer found interesting.

use std::net::Ipv6Addr;

use lightship_abi::{
    arp, echo,
    fence::Tombstone,
    kind::{self, Glance, Kind, Ping},
    mac::MacAddress,
    ndp::{self, BLOCK_LEN, Options},
    order::Order,
    signal::{self, Signal},
    verdict::{self, Arrival, Verdict},
};

use crate::{
    model::{Icmp4, Icmp6, stations},
    node::{ALIVE, IFINDEX, NOW, Node, OURS, SILENT, VIP, VIP6},
};

struct Rest<'a>(&'a [u8]);

impl Options for Rest<'_> {
    fn block(&self, at: usize) -> Option<[u8; BLOCK_LEN]> {
        self.0.get(at..)?.first_chunk().copied()
    }
}

/// Decides about a frame as nodes in every state would, and panics if any of them does what it must not.
pub(crate) fn check(frame: &[u8]) {
    let claim = Order { epoch: 9, rank: 0 };
    let yielded = Node {
        tombstone: Tombstone::of_claim(Tombstone::NONE, claim, MacAddress([2, 0, 0, 0, 0, 3]), NOW),
        ..ALIVE
    };
    let nowhere = Node { mac: None, ..ALIVE };
    for (node, may_answer) in [(ALIVE, true), (SILENT, false), (yielded, false), (nowhere, false)] {
        if let Some(reply) = decide(frame, &node) {
            assert!(may_answer, "a node that must be silent answers");
            judge(frame, &reply);
        }
    }
    if let Some(bytes) = frame.first_chunk::<{ signal::LEN }>()
        && let Some(read) = Signal::from_bytes(bytes)
    {
        assert_eq!(Signal::from_bytes(&read.to_bytes()), Some(read));
    }
}

/// The reply, if there is one. What passes must be untouched.
fn decide(frame: &[u8], node: &Node) -> Option<Vec<u8>> {
    let ethertype = u16::from_be_bytes(*frame.get(12..)?.first_chunk()?);
    let glance = || Glance::new(Glance::AT.map(|at| frame.get(at).copied().unwrap_or(0)));
    let arrival = Arrival {
        ifindex: IFINDEX,
        length: frame.len(),
    };
    match kind::of(ethertype, Ping::Answered, glance) {
        Kind::Other => None,
        Kind::Arp => in_place::<{ arp::FRAME_LEN }, _>(frame, |head, rest| {
            let padding = || rest.first_chunk::<{ signal::LEN }>().copied();
            Some(verdict::arp::decide(head, IFINDEX, padding, node))
        }),
        Kind::EchoV4 => {
            in_place::<{ echo::V4_LEN }, _>(frame, |head, _| verdict::echo::decide_v4(head, arrival, node))
        }
        Kind::EchoV6 => {
            in_place::<{ echo::V6_LEN }, _>(frame, |head, _| verdict::echo::decide_v6(head, arrival, node))
        }
        Kind::Solicitation => {
            let head = frame.first_chunk::<{ ndp::HEAD_LEN }>()?;
            let mut room = [0; ndp::FRAME_LEN];
            room[..ndp::HEAD_LEN].copy_from_slice(head);
            match verdict::ndp::decide(&mut room, arrival, &Rest(frame), node) {
                Verdict::Answer(()) | Verdict::AnswerProbe => Some(room.to_vec()),
                Verdict::Judge(_) | Verdict::Pass(_) | Verdict::Drop(_) => {
                    assert_eq!(&room[..ndp::HEAD_LEN], head, "what passes is untouched");
                    None
                }
            }
        }
        Kind::Advertisement => {
            let head = frame.first_chunk::<{ ndp::HEAD_LEN }>()?;
            let mut room = [0; ndp::FRAME_LEN];
            room[..ndp::HEAD_LEN].copy_from_slice(head);
            if let Ok(teller) = verdict::ndp::hear(&room, arrival, &Rest(frame), node) {
                // Whoever is heard told of our address by a message whose checksum is right.
                let told = Icmp6::read(frame);
                assert_eq!((told.kind, told.hop_limit), (136, 255));
                assert_eq!(told.body[4..20], VIP6);
                assert!(
                    !teller.claims || teller.mac.0 == told.from,
                    "a claim is its sender's own"
                );
            }
            None
        }
    }
}

fn in_place<const N: usize, E>(
    frame: &[u8],
    decide: impl FnOnce(&mut [u8; N], &[u8]) -> Option<Verdict<E>>,
) -> Option<Vec<u8>> {
    let (before, rest) = frame.split_first_chunk::<N>()?;
    let mut head = *before;
    if let Some(Verdict::Answer(_) | Verdict::AnswerProbe) = decide(&mut head, rest) {
        return Some([&head[..], rest].concat());
    }
    assert_eq!(&head, before, "what passes is untouched");
    None
}

/// Whether a reply is one, by the book: to whoever asked, from our station, about our address, with checksums as right as they came.
fn judge(asked: &[u8], reply: &[u8]) {
    assert_eq!(reply[6..12], OURS.0, "it comes from us");
    assert_eq!(
        reply[0] & 1 == 1,
        is_probe(asked),
        "only an answer to a probe goes to a group"
    );
    match asked[12..14] {
        [8, 6] => {
            assert_eq!(asked[20..22], [0, 1], "only requests are answered");
            assert_eq!(asked[38..42], VIP);
            let told = [&OURS.0[..], &VIP, &asked[22..28], &asked[28..32]].concat();
            assert_eq!(reply[..6], asked[6..12]);
            assert_eq!(reply[12..22], [8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
            assert_eq!(reply[22..42], told);
            assert_eq!(reply[42..], asked[42..], "padding is kept");
        }
        [8, 0] => {
            assert_eq!(asked[30..34], VIP);
            assert_eq!(reply.len(), asked.len());
            if is_sound_v4(asked) {
                let (question, answer) = (Icmp4::read(asked), Icmp4::read(reply));
                assert_eq!((answer.kind, answer.source.octets()), (0, VIP));
                assert_eq!((answer.to, answer.destination), (question.from, question.source));
                assert_eq!(answer.body, question.body);
            }
        }
        _ if asked[54] == 128 => {
            assert_eq!(asked[38..54], VIP6);
            assert_eq!(reply.len(), asked.len());
            if is_sound_v6(asked) {
                let (question, answer) = (Icmp6::read(asked), Icmp6::read(reply));
                assert_eq!((answer.kind, answer.source), (129, Ipv6Addr::from(VIP6)));
                assert_eq!((answer.to, answer.destination), (question.from, question.source));
                assert_eq!(answer.body, question.body);
            }
        }
        _ => {
            assert_eq!(reply.len(), 86);
            // Reading insists on the checksums, of the question too: a wrong one must not have been answered.
            let (question, answer) = (Icmp6::read(asked), Icmp6::read(reply));
            assert_eq!((question.kind, question.hop_limit, question.code), (135, 255, 0));
            assert_eq!((answer.kind, answer.hop_limit, answer.code), (136, 255, 0));
            assert_eq!(answer.source, Ipv6Addr::from(VIP6));
            let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
            let (flags, to) = if is_probe(asked) {
                (0x20, (stations(all_nodes), all_nodes))
            } else {
                (0x60, (question.from, question.source))
            };
            assert_eq!((answer.to, answer.destination), to);
            assert_eq!(
                answer.body,
                [&[flags, 0, 0, 0][..], &VIP6, &[2, 1], &OURS.0].concat()
            );
        }
    }
}

/// Whether a solicitation comes from nobody yet.
fn is_probe(asked: &[u8]) -> bool {
    asked[12..14] == [0x86, 0xdd] && asked[54] == 135 && asked[22..38] == [0; 16]
}

/// Whether a message that was answered has a checksum that is right. One that came damaged stays as damaged.
fn is_sound_v4(frame: &[u8]) -> bool {
    let length = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    crate::model::checksum(&frame[34..14 + length]) == 0
}

fn is_sound_v6(frame: &[u8]) -> bool {
    let length = usize::from(u16::from_be_bytes([frame[18], frame[19]]));
    let pseudo = [
        &frame[22..54],
        &u32::try_from(length).unwrap_or(0).to_be_bytes(),
        &[0, 0, 0, 58],
    ]
    .concat();
    crate::model::checksum(&[&pseudo[..], &frame[54..54 + length]].concat()) == 0
}
