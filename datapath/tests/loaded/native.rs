//! The native decision, on tables that hold what [`super::Responder::load`]'s do.

use lightship_abi::{
    arp, echo,
    fence::{HoldValue, Tombstone},
    kind::{self, Glance, Kind, Ping},
    layout::{ResponderV4Key, ResponderV6Key},
    liveness::Gate,
    mac::MacAddress,
    ndp::{self, BLOCK_LEN},
    outcome::Outcome,
    signal,
    verdict::{
        self, Arrival, Leave, Station, Tables, Verdict,
        told::{Judgement, Teller},
    },
};

use super::{LOOPBACK, MEMBER, NEXT, ORDER, OURS, REDIRECT, Result, SIBLING, VIP, VIP6};

/// The tables of [`Responder::load`], natively, with a tombstone for both addresses.
struct Native(Tombstone);

impl Tables for Native {
    type Entry = u64;

    fn entry_v4(&self, key: &ResponderV4Key) -> Option<u64> {
        (*key == ResponderV4Key::new(VIP, LOOPBACK)).then_some(1)
    }

    fn entry_v6(&self, key: &ResponderV6Key) -> Option<u64> {
        (*key == ResponderV6Key::new(VIP6, LOOPBACK)).then_some(1)
    }

    fn interface(&self, ifindex: u32) -> Option<MacAddress> {
        (ifindex == LOOPBACK).then_some(OURS)
    }

    fn gate(&self) -> Gate {
        Gate::Open
    }

    fn leave_to_echo(&self) -> Leave {
        Leave::Granted
    }

    fn hold_v4(&self, _: &ResponderV4Key) -> HoldValue {
        HOLD
    }

    fn hold_v6(&self, _: &ResponderV6Key) -> HoldValue {
        HOLD
    }

    fn tombstone_v4(&self, _: &ResponderV4Key) -> Tombstone {
        self.0
    }

    fn tombstone_v6(&self, _: &ResponderV6Key) -> Tombstone {
        self.0
    }

    fn station(&self, mac: MacAddress) -> Station {
        match mac.0 {
            MEMBER => Station::Member,
            SIBLING => Station::Own,
            _ => Station::Stranger,
        }
    }

    fn now_ns(&self) -> u64 {
        1
    }
}

const HOLD: HoldValue = HoldValue {
    order: ORDER,
    confirmed_ns: 0,
};

struct Rest<'a>(&'a [u8]);

impl ndp::Options for Rest<'_> {
    fn block(&self, at: usize) -> Option<[u8; BLOCK_LEN]> {
        self.0.get(at..at + BLOCK_LEN)?.try_into().ok()
    }
}

/// What the library makes of a frame.
pub(crate) fn native(frame: &[u8]) -> Result {
    native_with(frame, Tombstone::NONE)
}

/// The same after both addresses yielded to this claim.
pub(crate) fn native_with(frame: &[u8], tombstone: Tombstone) -> Result {
    let (arrival, tables) = (
        Arrival {
            ifindex: LOOPBACK,
            length: frame.len(),
        },
        &Native(tombstone),
    );
    let ethertype = u16::from_be_bytes([frame[12], frame[13]]);
    let glance = || Glance::new(Glance::AT.map(|at| frame.get(at).copied().unwrap_or(0)));
    match kind::of(ethertype, Ping::Answered, glance) {
        Kind::Other => untouched(frame, None),
        Kind::Arp => in_place::<{ arp::FRAME_LEN }, _>(frame, Outcome::Answered, |head| {
            let padding = || {
                frame
                    .get(arp::FRAME_LEN..)?
                    .first_chunk::<{ signal::LEN }>()
                    .copied()
            };
            let sender = arp::Glance::of(head).sender();
            match verdict::arp::decide(head, LOOPBACK, padding, tables) {
                Verdict::Judge(teller) => {
                    let key = ResponderV4Key::new(sender, LOOPBACK);
                    Some(judged(verdict::told::judge(&key, LOOPBACK, teller, tables)))
                }
                verdict => Some(verdict),
            }
        }),
        Kind::Solicitation => solicitation(frame, arrival, tables),
        Kind::Advertisement => advertisement(frame, arrival, tables),
        Kind::EchoV4 => in_place::<{ echo::V4_LEN }, _>(frame, Outcome::AnsweredEcho, |head| {
            verdict::echo::decide_v4(head, arrival, tables)
        }),
        Kind::EchoV6 => in_place::<{ echo::V6_LEN }, _>(frame, Outcome::AnsweredEcho, |head| {
            verdict::echo::decide_v6(head, arrival, tables)
        }),
    }
}

fn judged<E>(judgement: Judgement) -> Verdict<E> {
    Verdict::Pass(match judgement {
        Judgement::Ignore(outcome) => outcome,
        Judgement::Yield(..) => Outcome::YieldedClaim,
        Judgement::Report(..) => Outcome::PassedConflict,
    })
}

fn untouched(frame: &[u8], outcome: Option<Outcome>) -> Result {
    Result {
        code: NEXT,
        frame: frame.to_vec(),
        outcome,
        responses_sent: 0,
    }
}

fn answered(frame: Vec<u8>, outcome: Outcome) -> Result {
    Result {
        code: REDIRECT,
        frame,
        outcome: Some(outcome),
        responses_sent: u64::from(outcome == Outcome::Answered),
    }
}

fn solicitation(frame: &[u8], arrival: Arrival, tables: &Native) -> Result {
    let Some(head) = frame.first_chunk::<{ ndp::HEAD_LEN }>() else {
        return untouched(frame, Some(Outcome::PassedShort));
    };
    let mut reply = [0; ndp::FRAME_LEN];
    reply[..ndp::HEAD_LEN].copy_from_slice(head);
    match verdict::ndp::decide(&mut reply, arrival, &Rest(frame), tables) {
        Verdict::Answer(_) => answered(reply.to_vec(), Outcome::Answered),
        Verdict::AnswerProbe => answered(reply.to_vec(), Outcome::AnsweredProbe),
        Verdict::Pass(outcome) | Verdict::Drop(outcome) => untouched(frame, Some(outcome)),
        Verdict::Judge(teller) => told_v6(frame, teller, tables),
    }
}

fn advertisement(frame: &[u8], arrival: Arrival, tables: &Native) -> Result {
    let Some(head) = frame.first_chunk::<{ ndp::HEAD_LEN }>() else {
        return untouched(frame, Some(Outcome::PassedShort));
    };
    let mut room = [0; ndp::FRAME_LEN];
    room[..ndp::HEAD_LEN].copy_from_slice(head);
    match verdict::ndp::hear(&room, arrival, &Rest(frame), tables) {
        Ok(teller) => told_v6(frame, teller, tables),
        Err(outcome) => untouched(frame, Some(outcome)),
    }
}

fn told_v6(frame: &[u8], teller: Teller, tables: &Native) -> Result {
    let key = ResponderV6Key::new(VIP6, LOOPBACK);
    match judged::<()>(verdict::told::judge(&key, LOOPBACK, teller, tables)) {
        Verdict::Pass(outcome) => untouched(frame, Some(outcome)),
        _ => unreachable!("a judgement is passed"),
    }
}

fn in_place<const N: usize, E>(
    frame: &[u8],
    counted: Outcome,
    decide: impl FnOnce(&mut [u8; N]) -> Option<Verdict<E>>,
) -> Result {
    let Some((head, rest)) = frame.split_first_chunk::<N>() else {
        let is_arp = frame[12..14] == [8, 6];
        return untouched(frame, is_arp.then_some(Outcome::PassedShort));
    };
    let mut head = *head;
    match decide(&mut head) {
        Some(Verdict::Answer(_)) => answered([&head[..], rest].concat(), counted),
        Some(Verdict::AnswerProbe) => answered([&head[..], rest].concat(), Outcome::AnsweredProbe),
        Some(Verdict::Pass(outcome) | Verdict::Drop(outcome)) => untouched(frame, Some(outcome)),
        Some(Verdict::Judge(_)) | None => untouched(frame, None),
    }
}
