//! ARP for IPv4 over Ethernet (RFC 826, RFC 5227), on the first 42 bytes of a frame. What follows them is padding and
//! is never looked at or changed.

use crate::mac::MacAddress;

/// An Ethernet header (14 bytes) and an ARP packet for IPv4 (28 bytes).
pub const FRAME_LEN: usize = 42;

/// The shortest frame Ethernet carries, without its checksum.
pub const MIN_ETHERNET_LEN: usize = 60;

/// Ethernet's type for ARP, in the host's byte order.
pub const ETHERTYPE: u16 = 0x0806;

const HEADER: [u8; 8] = [0, 1, 0x08, 0x00, 6, 4, 0, 0];
const REQUEST: u8 = 1;
const REPLY: u8 = 2;

/// A well-formed request that wants an answer: an ordinary one or a probe (sender 0.0.0.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The station the frame is addressed to on Ethernet.
    pub destination: MacAddress,
    /// Whether the sender asks or claims.
    pub intent: Intent,
}

/// What the sender of a request is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// To learn who has the target address.
    Ask,
    /// To tell that it has the target address: a gratuitous ARP in request form (RFC 5227 §2.3).
    Claim,
}

/// Why a frame is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRequest {
    /// Not IPv4 over Ethernet, or the sender is a group of stations, which nobody's own address can be.
    Malformed,
    /// A reply, or another operation.
    Operation,
}

/// Where the address that is asked for is in a frame.
pub const TARGET_AT: usize = 38;

/// The address that is asked for, if the frame is well-formed.
#[inline(always)]
#[must_use]
pub const fn target(frame: &[u8; FRAME_LEN]) -> [u8; 4] {
    [
        frame[TARGET_AT],
        frame[TARGET_AT + 1],
        frame[TARGET_AT + 2],
        frame[TARGET_AT + 3],
    ]
}

/// Reads a frame as an ARP request.
///
/// # Errors
/// Why it is none.
#[inline(always)]
pub fn parse(frame: &[u8; FRAME_LEN]) -> Result<Request, NotRequest> {
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
        return Err(NotRequest::Malformed);
    }
    if frame[20] != 0 || frame[21] != REQUEST {
        return Err(NotRequest::Operation);
    }
    let sender = [frame[28], frame[29], frame[30], frame[31]];
    let claims = u32::from_ne_bytes(target(frame)) == u32::from_ne_bytes(sender);
    Ok(Request {
        destination: MacAddress([frame[0], frame[1], frame[2], frame[3], frame[4], frame[5]]),
        intent: if claims { Intent::Claim } else { Intent::Ask },
    })
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

/// The gratuitous ARP by which `mac` tells everybody that it has `address`: an announcement in request form with the
/// target hardware address zero (RFC 5227 §1.1, §2.3), padded with zeros to Ethernet's least length.
#[must_use]
pub fn gratuitous(mac: MacAddress, address: [u8; 4]) -> [u8; MIN_ETHERNET_LEN] {
    let mut frame = [0; MIN_ETHERNET_LEN];
    frame[0..6].copy_from_slice(&MacAddress::BROADCAST.0);
    frame[6..12].copy_from_slice(&mac.0);
    frame[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
    frame[14..22].copy_from_slice(&HEADER);
    frame[21] = REQUEST;
    frame[22..28].copy_from_slice(&mac.0);
    frame[28..32].copy_from_slice(&address);
    frame[32..38].copy_from_slice(&MacAddress::ZERO.0);
    frame[38..42].copy_from_slice(&address);
    frame
}
