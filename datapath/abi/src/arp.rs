//! ARP for IPv4 over Ethernet (RFC 826, RFC 5227), on the first 42 bytes of a frame. What follows them is padding, in
//! which nodes signal to each other ([`crate::signal`]); it is never changed.

use crate::{
    mac::MacAddress,
    order::Order,
    signal::{self, Signal},
};

/// An Ethernet header (14 bytes) and an ARP packet for IPv4 (28 bytes).
pub const FRAME_LEN: usize = 42;

/// The shortest frame Ethernet carries, without its checksum.
pub const MIN_ETHERNET_LEN: usize = 60;

/// Ethernet's type for ARP, in the host's byte order.
pub const ETHERTYPE: u16 = 0x0806;

const HEADER: [u8; 8] = [0, 1, 0x08, 0x00, 6, 4, 0, 0];
const REQUEST: u8 = 1;
const REPLY: u8 = 2;

/// What a well-formed frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Asks who has the target address.
    Request,
    /// Tells that the sender has the sender address.
    Reply,
}

/// Why a frame is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Not IPv4 over Ethernet, or the sender is a group of stations, which nobody's own address can be.
    Malformed,
    /// Another operation.
    Operation,
}

/// What tells which addresses a frame is about: all that a frame about others' pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    operation: [u8; 2],
    sender: [u8; 4],
    target: [u8; 4],
}

/// The two addresses of a frame, their octets as they lie in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The sender's.
    pub sender: u32,
    /// The one that is asked for.
    pub target: u32,
}

/// Where the Ethernet source is in a frame.
pub const SOURCE_AT: usize = 6;

/// Where the hardware address is that the sender says to have.
pub const SENDER_HARDWARE_AT: usize = 22;

/// Where the address is that the sender says to have.
pub const SENDER_AT: usize = 28;

/// Where the address is that is asked for.
pub const TARGET_AT: usize = 38;

const OPERATION_AT: usize = 20;

impl Glance {
    /// What a frame tells whose octet at each place is `octet`'s: ten are asked for.
    #[inline(always)]
    #[must_use]
    pub fn by(octet: impl Fn(usize) -> u8) -> Self {
        Self {
            operation: core::array::from_fn(|at| octet(OPERATION_AT + at)),
            sender: core::array::from_fn(|at| octet(SENDER_AT + at)),
            target: core::array::from_fn(|at| octet(TARGET_AT + at)),
        }
    }

    /// What a frame tells.
    #[inline(always)]
    #[must_use]
    pub fn of(frame: &[u8; FRAME_LEN]) -> Self {
        Self::by(|at| frame[at])
    }

    /// The address that the sender says it has; 0.0.0.0 if it says of none (RFC 5227 §1.1).
    #[inline(always)]
    #[must_use]
    pub const fn sender(&self) -> [u8; 4] {
        self.sender
    }

    /// The address that is asked for, or the one that an answer is for.
    #[inline(always)]
    #[must_use]
    pub const fn target(&self) -> [u8; 4] {
        self.target
    }

    /// Both.
    #[inline(always)]
    #[must_use]
    pub const fn pair(&self) -> Pair {
        Pair {
            sender: u32::from_ne_bytes(self.sender()),
            target: u32::from_ne_bytes(self.target()),
        }
    }

    /// Whether this is an answer, which asks for nothing.
    #[inline(always)]
    #[must_use]
    pub const fn is_reply(&self) -> bool {
        self.operation[0] == 0 && self.operation[1] == REPLY
    }
}

/// Reads a frame as ARP.
///
/// # Errors
/// Why it is none.
#[inline(always)]
pub fn parse(frame: &[u8; FRAME_LEN]) -> Result<Operation, Unfit> {
    let well_formed = frame[12] == 0x08
        && frame[13] == 0x06
        && frame[14] == HEADER[0]
        && frame[15] == HEADER[1]
        && frame[16] == HEADER[2]
        && frame[17] == HEADER[3]
        && frame[18] == HEADER[4]
        && frame[19] == HEADER[5];
    // A reply goes to these two; sent to a group it would make one frame into many (RFC 1812 §3.3.2).
    let sender_is_group = (frame[6] | frame[22]) & 1 == 1;
    if !well_formed || sender_is_group {
        return Err(Unfit::Malformed);
    }
    match (frame[20], frame[21]) {
        (0, REQUEST) => Ok(Operation::Request),
        (0, REPLY) => Ok(Operation::Reply),
        _ => Err(Unfit::Operation),
    }
}

/// The station that a frame is addressed to on Ethernet.
#[inline(always)]
#[must_use]
pub const fn destination(frame: &[u8; FRAME_LEN]) -> MacAddress {
    station(frame, 0)
}

/// The station that sent a frame, by its Ethernet header.
#[inline(always)]
#[must_use]
pub const fn source(frame: &[u8; FRAME_LEN]) -> MacAddress {
    station(frame, SOURCE_AT)
}

/// The hardware address that the sender says to have its address.
#[inline(always)]
#[must_use]
pub const fn sender_hardware(frame: &[u8; FRAME_LEN]) -> MacAddress {
    station(frame, SENDER_HARDWARE_AT)
}

#[inline(always)]
const fn station(frame: &[u8; FRAME_LEN], at: usize) -> MacAddress {
    MacAddress([
        frame[at],
        frame[at + 1],
        frame[at + 2],
        frame[at + 3],
        frame[at + 4],
        frame[at + 5],
    ])
}

/// Turns a request into the reply to it: `mac` has the address that was asked for.
///
/// The reply is told to the sender's hardware address (RFC 826), and carried to the Ethernet source, which differs from
/// it behind bridges that translate addresses, as wireless repeaters do.
#[inline(always)]
pub fn make_reply(frame: &mut [u8; FRAME_LEN], mac: MacAddress) {
    let mut at = 0;
    while at < 6 {
        frame[at] = frame[6 + at];
        frame[6 + at] = mac.0[at];
        frame[32 + at] = frame[22 + at];
        frame[22 + at] = mac.0[at];
        at += 1;
    }
    frame[21] = REPLY;
    at = 0;
    while at < 4 {
        frame.swap(28 + at, 38 + at);
        at += 1;
    }
}

/// The gratuitous ARP by which `mac` tells `to` that it has `address`, by a binding of this order: an announcement in
/// request form with the target hardware address zero (RFC 5227 §1.1, §2.3). The claim is in the padding to Ethernet's
/// least length; the rest of it is zeros.
#[must_use]
pub fn gratuitous(mac: MacAddress, address: [u8; 4], order: Order, to: MacAddress) -> [u8; MIN_ETHERNET_LEN] {
    request(to, (mac, address), address, Some(Signal::Claim(order)))
}

/// The request by which `mac` asks `to` who has `address`, in the form of a probe: with the sender address 0.0.0.0, which
/// leaves no trace in anybody's tables (RFC 5227 §1.1, §2.1.1).
#[must_use]
pub fn probe(
    mac: MacAddress,
    address: [u8; 4],
    signal: Option<Signal>,
    to: MacAddress,
) -> [u8; MIN_ETHERNET_LEN] {
    request(to, (mac, [0; 4]), address, signal)
}

fn request(
    to: MacAddress,
    (mac, sender): (MacAddress, [u8; 4]),
    target: [u8; 4],
    signal: Option<Signal>,
) -> [u8; MIN_ETHERNET_LEN] {
    let mut frame = [0; MIN_ETHERNET_LEN];
    frame[0..6].copy_from_slice(&to.0);
    frame[6..12].copy_from_slice(&mac.0);
    frame[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
    frame[14..22].copy_from_slice(&HEADER);
    frame[21] = REQUEST;
    frame[22..28].copy_from_slice(&mac.0);
    frame[28..32].copy_from_slice(&sender);
    frame[32..38].copy_from_slice(&MacAddress::ZERO.0);
    frame[38..42].copy_from_slice(&target);
    if let Some(signal) = signal {
        frame[FRAME_LEN..FRAME_LEN + signal::LEN].copy_from_slice(&signal.to_bytes());
    }
    frame
}
