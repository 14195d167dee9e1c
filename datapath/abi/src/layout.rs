//! Keys and values of the pinned maps. The assertions hold the layout still: a map outlives the program that made it,
//! and other programs read it.

use crate::mac::MacAddress;

/// Key of [`crate::names::RESPONDER_V4`]. The field names are what `bpftool map dump` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ResponderV4Key {
    /// The address, its octets in network order as they lie in the frame (10.0.10.0 prints as 655370 on a
    /// little-endian machine).
    pub ip4: u32,
    /// The interface that answers for it, in the host's byte order.
    pub ifindex: u32,
}

/// Key of [`crate::names::RESPONDER_V6`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ResponderV6Key {
    /// The address.
    pub ip6: V6Address,
    /// The interface that answers for it, in the host's byte order.
    pub ifindex: u32,
    /// Always zero.
    pub pad: u32,
}

/// An address as Cilium's key holds it: of the names Cilium's union gives to the same sixteen octets, the one that people
/// can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct V6Address {
    /// The octets in network order.
    pub addr: [u8; 16],
}

/// Value of [`crate::names::RESPONDER_V4`] and [`crate::names::RESPONDER_V6`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ResponderValue {
    /// Requests answered since the entry was made. Only the kernel counts, with atomic additions.
    pub responses_sent: u64,
}

/// Value of [`crate::names::INTERFACES`]; the key is the interface index, a `u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct InterfaceValue {
    /// The hardware address this interface answers with.
    pub mac: [u8; 6],
    /// Always zero; written out so that no byte of the value is indeterminate.
    pub pad: [u8; 2],
}

/// Key of [`crate::names::MEMBERS`]; the value, a `u64`, is [`MEMBER`] or [`OWN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct MemberKey {
    /// The station's hardware address.
    pub mac: [u8; 6],
    /// Always zero.
    pub pad: [u8; 2],
}

/// A member's station: its claims count.
pub const MEMBER: u64 = 1;

/// This node's own station: what is heard of it came back to us.
pub const OWN: u64 = 2;

/// How many stations of members are known at once.
pub const MAX_MEMBERS: u32 = 16_384;

/// The only slot of [`crate::names::LIVENESS`], a `u64`: `CLOCK_MONOTONIC` in nanoseconds, 0 for never.
pub const LIVENESS_SLOT: u32 = 0;

/// The only slot of [`crate::names::ECHO_BUCKETS`], a `u64` for each processor: see [`crate::bucket`].
pub const ECHO_BUCKET_SLOT: u32 = 0;

/// How many interfaces can answer at once.
pub const MAX_INTERFACES: u32 = 1024;

/// Capacity of each address map where the loader is told nothing else.
pub const DEFAULT_CAPACITY: u32 = 65_536;

const _: () = assert!(size_of::<ResponderV4Key>() == 8 && align_of::<ResponderV4Key>() == 4);
const _: () = assert!(size_of::<ResponderV6Key>() == 24 && align_of::<ResponderV6Key>() == 4);
const _: () = assert!(size_of::<ResponderValue>() == 8);
const _: () = assert!(size_of::<InterfaceValue>() == 8);
const _: () = assert!(size_of::<MemberKey>() == 8);

impl ResponderV4Key {
    /// The key for an address on an interface.
    #[inline(always)]
    #[must_use]
    pub const fn new(octets: [u8; 4], ifindex: u32) -> Self {
        Self {
            ip4: u32::from_ne_bytes(octets),
            ifindex,
        }
    }

    /// The octets of the address.
    #[must_use]
    pub const fn octets(self) -> [u8; 4] {
        self.ip4.to_ne_bytes()
    }

    /// The key as it lies in the map.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        let (ip, index) = (self.ip4.to_ne_bytes(), self.ifindex.to_ne_bytes());
        [ip[0], ip[1], ip[2], ip[3], index[0], index[1], index[2], index[3]]
    }

    /// The key that lies in the map as these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self {
            ip4: u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            ifindex: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        }
    }
}

impl ResponderV6Key {
    /// The key for an address on an interface.
    #[inline(always)]
    #[must_use]
    pub const fn new(octets: [u8; 16], ifindex: u32) -> Self {
        Self {
            ip6: V6Address { addr: octets },
            ifindex,
            pad: 0,
        }
    }

    /// The key as it lies in the map.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&self.ip6.addr);
        bytes[16..20].copy_from_slice(&self.ifindex.to_ne_bytes());
        bytes[20..].copy_from_slice(&self.pad.to_ne_bytes());
        bytes
    }

    /// The key that lies in the map as these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 24]) -> Self {
        let mut addr = [0; 16];
        addr.copy_from_slice(&bytes[..16]);
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self {
            ip6: V6Address { addr },
            ifindex: word(16),
            pad: word(20),
        }
    }
}

impl MemberKey {
    /// The key for a station.
    #[inline(always)]
    #[must_use]
    pub const fn new(mac: MacAddress) -> Self {
        Self {
            mac: mac.0,
            pad: [0; 2],
        }
    }

    /// The key as it lies in the map.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        let (mac, pad) = (self.mac, self.pad);
        [mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], pad[0], pad[1]]
    }

    /// The station of a key that lies in the map as these bytes.
    #[must_use]
    pub const fn station(key: [u8; 8]) -> MacAddress {
        MacAddress([key[0], key[1], key[2], key[3], key[4], key[5]])
    }
}

impl InterfaceValue {
    /// The value for a hardware address.
    #[must_use]
    pub const fn new(mac: MacAddress) -> Self {
        Self {
            mac: mac.0,
            pad: [0; 2],
        }
    }

    /// The value as it lies in the map.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        let (mac, pad) = (self.mac, self.pad);
        [mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], pad[0], pad[1]]
    }

    /// The value that lies in the map as these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self {
            mac: [bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]],
            pad: [bytes[6], bytes[7]],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_prints_as_in_the_guides() {
        let key = ResponderV4Key::new([10, 0, 10, 0], 3);
        assert_eq!(key.ip4.to_le(), 655_370);
        assert_eq!(ResponderV4Key::from_bytes(key.to_bytes()), key);
        assert_eq!(key.octets(), [10, 0, 10, 0]);
    }

    #[test]
    fn an_ipv6_address_survives_the_map() {
        let key = ResponderV6Key::new([7; 16], 0x0102_0304);
        assert_eq!(ResponderV6Key::from_bytes(key.to_bytes()), key);
        assert_eq!(key.to_bytes()[..16], [7; 16]);
        assert_eq!(
            key.to_bytes()[16..],
            [0x0102_0304_u32.to_ne_bytes(), [0; 4]].concat()
        );
    }

    #[test]
    fn an_interface_survives_the_map() {
        let value = InterfaceValue::new(MacAddress([2, 0, 0, 0, 0, 9]));
        assert_eq!(InterfaceValue::from_bytes(value.to_bytes()), value);
    }
}
