//! Frames that tell of the addresses, and questions for them.

use lightship_abi::{arp, mac::MacAddress, ndp, order::Order, outcome::Outcome};

use super::{NEXT, PEER, REDIRECT, Responder, VIP, VIP6};
use crate::model::{solicitation, stations};

pub(crate) const ALL_NODES: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
pub(crate) const HIGHER: Order = Order { epoch: 6, rank: 0 };
pub(crate) const LOWER: Order = Order { epoch: 4, rank: 0 };

/// A claim of both addresses by a station.
pub(crate) fn claims(mac: [u8; 6], order: Order) -> [Vec<u8>; 2] {
    let mac = MacAddress(mac);
    let v4 = arp::gratuitous(mac, VIP, order, MacAddress::BROADCAST);
    let to = MacAddress(stations(ALL_NODES.into()));
    let v6 = ndp::unsolicited(mac, VIP6, [9; 16], order, to);
    [v4.to_vec(), v6.to_vec()]
}

/// Questions for both addresses.
pub(crate) fn questions() -> [Vec<u8>; 2] {
    let v4 = arp::probe(MacAddress(PEER), VIP, None, MacAddress::BROADCAST);
    [
        v4.to_vec(),
        solicitation(PEER, [9; 16].into(), VIP6.into(), &[]).frame(),
    ]
}

/// What a frame comes to: passed in any case, and untouched.
pub(crate) fn outcome(responder: &Responder, frame: &[u8]) -> Outcome {
    let result = responder.run(frame);
    assert_eq!((result.code, &result.frame[..]), (NEXT, frame));
    result.outcome.expect("counted")
}

pub(crate) fn is_answered(responder: &Responder) -> [bool; 2] {
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
