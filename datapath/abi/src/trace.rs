//! Showing somebody what becomes of the frames about one address: a filter that user space sets for as long as it looks,
//! and a record of each frame that the filter lets through. Only frames about addresses of ours are looked at, so that
//! others pay nothing; and a filter ends by itself, so that a process that was killed leaves none behind.

use crate::{
    fence::{halves, words},
    ipv6::word,
    ndp,
};

/// Bytes of [`crate::names::TRACED`]: some five hundred records, and a multiple of every page size.
pub const RING_BYTES: u32 = 65_536;

/// The only slot of [`crate::names::TRACE`].
pub const SLOT: u32 = 0;

/// How much of a frame is shown: every frame that nodes write to each other, whole.
pub const HEAD_LEN: usize = ndp::SIGNALLING_LEN;

/// How much of a frame is copied, the most that it has: an advertisement with a signal, one without, a solicitation
/// without options, a ping over IPv6, an ARP packet with a signal, one without or a ping over IPv4.
pub const COPIED: [usize; 6] = [HEAD_LEN, ndp::FRAME_LEN, ndp::HEAD_LEN, 62, 58, 42];

/// Value of [`crate::names::TRACE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Filter {
    /// Until when frames are shown, `CLOCK_MONOTONIC` in nanoseconds; 0 for nobody looks.
    pub until_ns: u64,
    /// How many frames could not be shown for want of room. The program counts.
    pub lost: u64,
    /// The octets of the address, as they lie in memory; of IPv4 the first four, the others zero.
    pub address: [u64; 2],
}

/// How long a [`Filter`] is.
pub const FILTER_LEN: usize = 32;

/// A record of [`crate::names::TRACED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Record {
    /// When the frame came in, `CLOCK_MONOTONIC` in nanoseconds.
    pub time_ns: u64,
    /// The interface it came in on.
    pub ifindex: u32,
    /// What became of it: the slot of its outcome.
    pub outcome: u32,
    /// How long the frame was.
    pub length: u32,
    /// How many of the bytes below are its own.
    pub copied: u32,
    /// Its first bytes, as they came in.
    pub head: [u8; HEAD_LEN],
    /// Always zero.
    pub pad: [u8; 2],
}

/// How long a [`Record`] is.
pub const RECORD_LEN: usize = 136;

const _: () = assert!(size_of::<Filter>() == FILTER_LEN);
const _: () = assert!(size_of::<Record>() == RECORD_LEN);

impl Filter {
    /// The filter for the frames about an address, given by its octets, those of IPv4 in front.
    #[must_use]
    pub const fn new(octets: [u8; 16], until_ns: u64) -> Self {
        Self {
            until_ns,
            lost: 0,
            address: [word(&octets, 0), word(&octets, 8)],
        }
    }

    /// The value as it lies in the map.
    #[must_use]
    pub fn to_bytes(self) -> [u8; FILTER_LEN] {
        let words = [self.until_ns, self.lost, self.address[0], self.address[1]].map(u64::to_ne_bytes);
        core::array::from_fn(|at| words[at / 8][at % 8])
    }

    /// The value that lies in the map as these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; FILTER_LEN]) -> Self {
        let [until, lost, first, second] = words(bytes).map(u64::from_ne_bytes);
        Self {
            until_ns: until,
            lost,
            address: [first, second],
        }
    }
}

impl Record {
    /// The record that lies in the ring as these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; RECORD_LEN]) -> Self {
        let fields: [u8; 24] = core::array::from_fn(|at| bytes[at]);
        let [time, place, size] = words(&fields);
        let ((ifindex, outcome), (length, copied)) = (halves(place), halves(size));
        Self {
            time_ns: u64::from_ne_bytes(time),
            ifindex,
            outcome,
            length,
            copied,
            head: core::array::from_fn(|at| bytes[24 + at]),
            pad: [0; 2],
        }
    }

    /// The first bytes of the frame, as far as they were copied.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        let copied = usize::try_from(self.copied).unwrap_or(HEAD_LEN);
        self.head.get(..copied).unwrap_or(&self.head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_survives_the_map() {
        let octets = core::array::from_fn(|at| u8::try_from(at).expect("small"));
        let filter = Filter {
            lost: 3,
            ..Filter::new(octets, 7)
        };
        assert_eq!(Filter::from_bytes(&filter.to_bytes()), filter);
        assert_eq!(filter.to_bytes()[16..], octets);
    }

    #[test]
    fn a_record_tells_what_it_copied() {
        let mut bytes = [0; RECORD_LEN];
        bytes[8] = 5;
        bytes[12] = 18;
        bytes[16] = 60;
        bytes[20] = 42;
        bytes[24] = 0xff;
        let record = Record::from_bytes(&bytes);
        assert_eq!((record.ifindex, record.outcome, record.length), (5, 18, 60));
        assert_eq!((record.frame().len(), record.frame()[0]), (42, 0xff));
    }
}
