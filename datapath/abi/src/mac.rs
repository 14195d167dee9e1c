//! Ethernet hardware addresses.

use core::fmt;

/// A 48-bit Ethernet hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// Everybody on the segment.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Nobody in particular: the target of a gratuitous ARP (RFC 5227 §1.1).
    pub const ZERO: Self = Self([0; 6]);

    /// Whether this names a group of stations; broadcast is such a group. Nobody's own address has the bit set.
    #[inline(always)]
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separators = ["", ":", ":", ":", ":", ":"];
        self.0
            .iter()
            .zip(separators)
            .try_for_each(|(octet, before)| write!(f, "{before}{octet:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    #[test]
    fn prints_as_people_write_it() {
        assert_eq!(MacAddress([2, 0, 0, 0xab, 0, 1]).to_string(), "02:00:00:ab:00:01");
    }
}
