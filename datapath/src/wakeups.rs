//! What the program has to tell at once. A record says where to look; whether an entry yielded is in its tombstone, and
//! a record that is lost changes nothing.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
};

use aya::{
    Ebpf,
    maps::{MapData, RingBuf},
};
use lightship_abi::{
    mac::MacAddress,
    names::WAKEUPS,
    order::Order,
    wakeup::{self, WAKEUP_LEN, YIELDED},
};

use crate::{
    entry::{Entry, InterfaceIndex},
    maps::MapsError,
};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeupKind {
    /// The entry yielded to a member's claim, and is not answered any more.
    Yielded,
    /// Another station tells that it has the address, and the entry does not yield to it.
    Conflict,
}

/// What the program tells of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wakeup {
    /// What happened.
    pub kind: WakeupKind,
    /// The entry that the frame was about.
    pub entry: Entry,
    /// The station that is told to have the address.
    pub mac: MacAddress,
    /// The order of the claim, if it was a member's.
    pub order: Option<Order>,
    /// When the frame came in, `CLOCK_MONOTONIC` in nanoseconds.
    pub time_ns: u64,
}

/// The records of the program, in order. Its file descriptor becomes readable with the first one after all were taken:
/// whoever waits for that takes them all each time.
pub struct Wakeups(RingBuf<MapData>);

impl Wakeups {
    pub(crate) fn take(ebpf: &mut Ebpf) -> Result<Self, MapsError> {
        let map = ebpf.take_map(WAKEUPS).ok_or(MapsError::Missing(WAKEUPS))?;
        let ring = RingBuf::try_from(map).map_err(|source| MapsError::Open(WAKEUPS, source))?;
        Ok(Self(ring))
    }

    /// Takes all records that are there. What an earlier process left is among them.
    pub fn drain(&mut self) -> Vec<Wakeup> {
        let mut wakeups = Vec::new();
        while let Some(record) = self.0.next() {
            wakeups.extend(record.first_chunk::<WAKEUP_LEN>().map(read));
        }
        wakeups
    }
}

fn read(bytes: &[u8; WAKEUP_LEN]) -> Wakeup {
    let record = wakeup::Wakeup::from_bytes(bytes);
    let octets = record.octets();
    let [a, b, c, d, ..] = octets;
    let address = if record.family == 4 {
        IpAddr::from(Ipv4Addr::new(a, b, c, d))
    } else {
        IpAddr::from(octets)
    };
    Wakeup {
        kind: if record.kind == YIELDED {
            WakeupKind::Yielded
        } else {
            WakeupKind::Conflict
        },
        entry: Entry {
            address,
            interface: InterfaceIndex(record.ifindex),
        },
        mac: MacAddress(record.mac),
        order: (record.has_order != 0).then_some(record.order),
        time_ns: record.time_ns,
    }
}

impl AsFd for Wakeups {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Wakeups {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl fmt::Debug for Wakeups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wakeups")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_members_claim_has_an_order() {
        let mut bytes = [0; WAKEUP_LEN];
        // A conflict (2) on interface 7 about 10.0.10.0, of family 4, with an epoch that means nothing.
        (bytes[0], bytes[4], bytes[24], bytes[32]) = (2, 7, 4, 9);
        bytes[8..12].copy_from_slice(&[10, 0, 10, 0]);
        let conflict = read(&bytes);
        assert_eq!((conflict.kind, conflict.order), (WakeupKind::Conflict, None));
        assert_eq!(conflict.entry.to_string(), "10.0.10.0 on interface 7");
        (bytes[0], bytes[28]) = (1, 1);
        let yielded = read(&bytes);
        let order = Order { epoch: 9, rank: 0 };
        assert_eq!((yielded.kind, yielded.order), (WakeupKind::Yielded, Some(order)));
    }
}
