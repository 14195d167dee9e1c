//! Reading answers.

use std::net::IpAddr;

use lightship_abi::{
    arp::{self, Operation},
    ipv6,
    mac::MacAddress,
    ndp::{self, BLOCK_LEN, Options},
    signal::{self, Signal},
};

use crate::entry::InterfaceIndex;

/// An answer: a station has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The interface it came in on.
    pub interface: InterfaceIndex,
    /// The station that sent it, by its Ethernet header.
    pub from: MacAddress,
    /// The address that it says to have.
    pub address: IpAddr,
    /// The number of the probe that it answers, over IPv4.
    pub number: Option<u32>,
    /// When it was taken from the kernel, `CLOCK_MONOTONIC` in nanoseconds: at most by the reader's own delay later than
    /// it came in.
    pub at_ns: u64,
}

struct Rest<'a>(&'a [u8]);

impl Options for Rest<'_> {
    fn block(&self, at: usize) -> Option<[u8; BLOCK_LEN]> {
        self.0.get(at..)?.first_chunk().copied()
    }
}

/// The answer in a frame, if it is a sound one.
pub(super) fn read(interface: InterfaceIndex, frame: &[u8], at_ns: u64) -> Option<Heard> {
    let ethertype = u16::from_be_bytes(*frame.get(12..)?.first_chunk()?);
    let (from, address, number) = if ethertype == ipv6::ETHERTYPE {
        read_v6(frame)?
    } else {
        read_v4(frame)?
    };
    Some(Heard {
        interface,
        from,
        address,
        number,
        at_ns,
    })
}

fn read_v4(frame: &[u8]) -> Option<(MacAddress, IpAddr, Option<u32>)> {
    let (head, padding) = frame.split_first_chunk::<{ arp::FRAME_LEN }>()?;
    if arp::parse(head) != Ok(Operation::Reply) {
        return None;
    }
    let number = match padding
        .first_chunk::<{ signal::LEN }>()
        .and_then(Signal::from_bytes)
    {
        Some(Signal::Probe(number)) => Some(number),
        _ => None,
    };
    Some((arp::source(head), arp::Glance::of(head).sender().into(), number))
}

fn read_v6(frame: &[u8]) -> Option<(MacAddress, IpAddr, Option<u32>)> {
    let mut head = [0; ndp::FRAME_LEN];
    head.get_mut(..ndp::HEAD_LEN)?
        .copy_from_slice(frame.get(..ndp::HEAD_LEN)?);
    let told = ndp::parse_advertisement(&head, frame.len(), &Rest(frame)).ok()?;
    Some((told.source, ndp::target(&head).into(), None))
}

// Their paths are said, for the fuzzer takes this file in from elsewhere.
#[cfg(test)]
#[path = "heard/book.rs"]
mod book;
#[cfg(test)]
#[path = "heard/tests.rs"]
mod tests;
