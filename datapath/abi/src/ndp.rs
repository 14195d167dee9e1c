//! Neighbour discovery (RFC 4861): solicitations read, advertisements written.
//!
//! An answer is always the same 86 bytes: Ethernet, IPv6, the message and one target link-layer address option. Whatever
//! else a solicitation carried is its sender's business and is not sent back. What nodes signal to each other
//! ([`crate::signal`]) is in the option after the link-layer address.

mod write;

use crate::{
    checksum::Sum,
    ipv6::{
        self, DESTINATION_AT, HOP_LIMIT_AT, ICMPV6, LENGTH_AT, NEXT_HEADER_AT, Octets, PAYLOAD_AT, SOURCE_AT,
        VERSION_AT,
    },
    mac::MacAddress,
    signal::{NDP_OPTION, NDP_OPTION_UNITS, Raw, Signal},
};

pub use write::{make_advertisement, question, unsolicited, with_signal};

/// A solicitation up to its options: Ethernet (14 bytes), IPv6 (40), the fixed part of the message (24).
pub const HEAD_LEN: usize = 78;

/// An advertisement.
pub const FRAME_LEN: usize = 86;

/// An advertisement or solicitation with a link-layer address and a signal.
pub const SIGNALLING_LEN: usize = FRAME_LEN + BLOCK_LEN * NDP_OPTION_UNITS as usize;

/// Options are read in blocks of this many octets, the unit of their lengths (RFC 4861 §4.6).
pub const BLOCK_LEN: usize = 8;

/// How many blocks of options are read: room for every option that a solicitation has outside of SEND (RFC 3971).
pub const MAX_BLOCKS: usize = 32;

/// The type of a neighbour solicitation (RFC 4861 §4.3).
pub const SOLICITATION: u8 = 135;

/// The type of a neighbour advertisement (RFC 4861 §4.4).
pub const ADVERTISEMENT: u8 = 136;

const HOP_LIMIT: u8 = 255;
const CODE_AT: usize = PAYLOAD_AT + 1;
const FLAGS_AT: usize = PAYLOAD_AT + 4;
/// Where the address that is asked for is in a frame.
pub const TARGET_AT: usize = PAYLOAD_AT + 8;
const MESSAGE_LEN: u16 = 24;
const ADVERTISEMENT_LEN: u16 = 32;
const SIGNALLING_PAYLOAD: u16 = 56;
const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;
const SOLICITED: u8 = 0x40;

/// Where the options of a solicitation are read from: the kernel's is the socket buffer.
pub trait Options {
    /// The block that begins at this offset of the frame; none beyond its end.
    fn block(&self, at: usize) -> Option<[u8; BLOCK_LEN]>;
}

/// A solicitation that RFC 4861 §7.1.1 lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solicitation {
    /// The station the frame is addressed to on Ethernet.
    pub destination: MacAddress,
    /// Where the answer goes.
    pub intent: Intent,
    /// What it signals beside.
    pub(crate) signal: Raw,
}

/// An advertisement that RFC 4861 §7.1.2 lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// The station that sent the frame, by its Ethernet header.
    pub source: MacAddress,
    /// The station that it tells to have the target address: that of its first option, or the one that sent it.
    pub hardware: MacAddress,
    /// What it signals beside.
    pub(crate) signal: Raw,
}

/// What the sender of a solicitation is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// To learn who has the target address.
    Ask,
    /// To learn whether anybody has it, having no address yet: duplicate address detection (RFC 4862 §5.4.3).
    Probe,
    /// It writes from the target address: it believes to have it.
    Claim,
}

impl Advertisement {
    /// What it signals beside.
    #[must_use]
    pub const fn signal(&self) -> Option<Signal> {
        self.signal.signal()
    }
}

/// Why a frame is no solicitation that may be answered, or no advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It breaks a rule of RFC 4861 §7.1.1 or §7.1.2, or its sender is a group.
    Malformed,
    /// Its hop limit is not 255: it has been through a router.
    HopLimit,
    /// Its checksum is wrong.
    Checksum,
    /// It has more options than are read.
    TooLong,
}

/// The address that is asked for.
#[inline(always)]
#[must_use]
pub fn target(frame: &[u8; FRAME_LEN]) -> Octets {
    ipv6::address_at(frame, TARGET_AT)
}

/// Reads the first [`HEAD_LEN`] bytes of `frame` as a neighbour solicitation. `length` is that of the whole frame, its
/// padding included.
///
/// # Errors
/// Why it is none.
#[inline(always)]
pub fn parse(frame: &[u8; FRAME_LEN], length: usize, options: &impl Options) -> Result<Solicitation, Unfit> {
    let payload = payload_of(frame, length, SOLICITATION)?;
    let to_group = is_to_group(frame);
    if !to_group && !ipv6::is_same(frame, DESTINATION_AT, TARGET_AT) {
        return Err(Unfit::Malformed);
    }
    let sum = ipv6::sum(frame, HEAD_LEN);
    let read = read_options(payload - MESSAGE_LEN, options, sum)?;
    if !read.sum.is_intact() {
        return Err(Unfit::Checksum);
    }
    let intent = if frame[SOURCE_AT + 15] == 0 && ipv6::begins_with_zeros(frame, SOURCE_AT) {
        if !to_group || read.has_source == HasSource::Yes {
            return Err(Unfit::Malformed);
        }
        Intent::Probe
    } else if ipv6::is_same(frame, SOURCE_AT, TARGET_AT) {
        Intent::Claim
    } else {
        Intent::Ask
    };
    Ok(Solicitation {
        destination: MacAddress([frame[0], frame[1], frame[2], frame[3], frame[4], frame[5]]),
        intent,
        signal: signal_of(payload, options),
    })
}

/// As [`parse`], of a neighbour advertisement.
///
/// # Errors
/// Why it is none.
#[inline(always)]
pub fn parse_advertisement(
    frame: &[u8; FRAME_LEN],
    length: usize,
    options: &impl Options,
) -> Result<Advertisement, Unfit> {
    let payload = payload_of(frame, length, ADVERTISEMENT)?;
    if frame[DESTINATION_AT] == 0xff && frame[FLAGS_AT] & SOLICITED != 0 {
        return Err(Unfit::Malformed);
    }
    let sum = ipv6::sum(frame, HEAD_LEN);
    let read = read_options(payload - MESSAGE_LEN, options, sum)?;
    if !read.sum.is_intact() {
        return Err(Unfit::Checksum);
    }
    Ok(told(source(frame), payload, options))
}

/// What an advertisement tells that was found sound: from this station by its Ethernet header, with a payload of this
/// length.
#[inline(always)]
#[expect(clippy::many_single_char_names, reason = "octets in order")]
pub fn told(source: MacAddress, payload: u16, options: &impl Options) -> Advertisement {
    let first = if payload >= ADVERTISEMENT_LEN {
        options.block(HEAD_LEN)
    } else {
        None
    };
    let hardware = match first {
        Some([TARGET_LINK_LAYER, 1, a, b, c, d, e, f]) => MacAddress([a, b, c, d, e, f]),
        _ => source,
    };
    Advertisement {
        source,
        hardware,
        signal: signal_of(payload, options),
    }
}

/// Where the station is in a frame that sent it.
pub const STATION_AT: usize = 6;

/// The station that sent a frame, by its Ethernet header.
#[inline(always)]
#[must_use]
pub const fn source(frame: &[u8; FRAME_LEN]) -> MacAddress {
    MacAddress([frame[6], frame[7], frame[8], frame[9], frame[10], frame[11]])
}

/// The rules that both messages share, up to their options; the length of the payload.
#[inline(always)]
fn payload_of(frame: &[u8; FRAME_LEN], length: usize, kind: u8) -> Result<u16, Unfit> {
    let payload = u16::from_be_bytes([frame[LENGTH_AT], frame[LENGTH_AT + 1]]);
    let is_message = frame[VERSION_AT] >> 4 == 6
        && frame[NEXT_HEADER_AT] == ICMPV6
        && frame[PAYLOAD_AT] == kind
        && frame[CODE_AT] == 0
        && payload >= MESSAGE_LEN
        && usize::from(payload) + PAYLOAD_AT <= length;
    let is_of_group = frame[6] & 1 == 1 || frame[SOURCE_AT] == 0xff || frame[TARGET_AT] == 0xff;
    if !is_message || is_of_group {
        return Err(Unfit::Malformed);
    }
    if frame[HOP_LIMIT_AT] != HOP_LIMIT {
        return Err(Unfit::HopLimit);
    }
    Ok(payload)
}

/// The signal that a message carries in its second option, behind a link-layer address of one block. Nowhere else: our
/// own nodes write no other message, and the kernel's verifier would walk every place it could be found in.
#[inline(always)]
#[expect(clippy::many_single_char_names, reason = "octets in order")]
fn signal_of(payload: u16, options: &impl Options) -> Raw {
    if payload < SIGNALLING_PAYLOAD {
        return Raw::NONE;
    }
    let Some([_, 1, ..]) = options.block(HEAD_LEN) else {
        return Raw::NONE;
    };
    let Some([NDP_OPTION, NDP_OPTION_UNITS, a, b, c, d, e, f]) = options.block(FRAME_LEN) else {
        return Raw::NONE;
    };
    let Some([g, h, i, j, k, l, m, n]) = options.block(FRAME_LEN + BLOCK_LEN) else {
        return Raw::NONE;
    };
    let Some([o, p, ..]) = options.block(FRAME_LEN + 2 * BLOCK_LEN) else {
        return Raw::NONE;
    };
    Raw::of(&[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
}

/// The signal in a message with a payload of this length, if it carries one.
#[must_use]
pub fn signal(payload: u16, options: &impl Options) -> Option<Signal> {
    signal_of(payload, options).signal()
}

/// Whether the destination is the target's solicited-node multicast address (RFC 4291 §2.7.1).
#[inline(always)]
fn is_to_group(frame: &[u8; FRAME_LEN]) -> bool {
    // The prefix is ff02::1:ff00:0/104; its first 13 octets are read as two words that overlap.
    const BEGIN: u64 = u64::from_ne_bytes([0xff, 2, 0, 0, 0, 0, 0, 0]);
    const END: u64 = u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 1, 0xff]);
    let last = |at: usize| u32::from_ne_bytes([0, frame[at + 13], frame[at + 14], frame[at + 15]]);
    let begin = ipv6::word(frame, DESTINATION_AT) ^ BEGIN;
    let end = ipv6::word(frame, DESTINATION_AT + 5) ^ END;
    begin | end | u64::from(last(DESTINATION_AT) ^ last(TARGET_AT)) == 0
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum HasSource {
    Yes,
    No,
}

struct OptionsRead {
    sum: Sum,
    has_source: HasSource,
}

/// Walks the options, block by block: their lengths are not zero and end where the payload ends (RFC 4861 §4.6, §7.1.1).
#[inline(always)]
fn read_options(length: u16, options: &impl Options, mut sum: Sum) -> Result<OptionsRead, Unfit> {
    let length = usize::from(length);
    if !length.is_multiple_of(BLOCK_LEN) {
        return Err(Unfit::Malformed);
    }
    let blocks = length / BLOCK_LEN;
    if blocks > MAX_BLOCKS {
        return Err(Unfit::TooLong);
    }
    let (mut of_option, mut has_source) = (0_u8, HasSource::No);
    let mut read = 0;
    while read < MAX_BLOCKS && read < blocks {
        let block = options
            .block(HEAD_LEN + BLOCK_LEN * read)
            .ok_or(Unfit::Malformed)?;
        sum = sum.with(&block);
        if of_option == 0 {
            of_option = block[1];
            if of_option == 0 {
                return Err(Unfit::Malformed);
            }
            if block[0] == SOURCE_LINK_LAYER {
                has_source = HasSource::Yes;
            }
        }
        of_option -= 1;
        read += 1;
    }
    if of_option != 0 {
        return Err(Unfit::Malformed);
    }
    Ok(OptionsRead { sum, has_source })
}
