//! Inclusive address ranges of one family, as numbers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address family; IPv4 orders first, as it does in a service's ingress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both families, IPv4 first.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The address with this number in the family.
    pub(super) fn address(self, number: u128) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
            Self::V6 => Ipv6Addr::from(number).into(),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// One of something for each family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PerFamily<T> {
    v4: T,
    v6: T,
}

impl<T> PerFamily<T> {
    pub(super) fn get(&self, family: Family) -> &T {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    pub(super) fn get_mut(&mut self, family: Family) -> &mut T {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

/// The number of an address within its family.
pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// All addresses from a first to a last one, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    family: Family,
    first: u128,
    last: u128,
}

impl Range {
    /// The range from `first` to `last`; `None` when the families differ or `first` is greater.
    #[must_use]
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        let range = Self {
            family: Family::of(first),
            first: number(first),
            last: number(last),
        };
        (Family::of(last) == range.family && range.first <= range.last).then_some(range)
    }

    /// Family of the range.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// First and last address.
    #[must_use]
    pub fn ends(&self) -> (IpAddr, IpAddr) {
        (self.family.address(self.first), self.family.address(self.last))
    }

    /// First and last address as numbers.
    pub(super) fn bounds(&self) -> (u128, u128) {
        (self.first, self.last)
    }

    /// The range without its first and last address; a range of at most two keeps them (RFC 3021 and its like).
    pub(super) fn inner(&self) -> Self {
        if self.last - self.first < 2 {
            return *self;
        }
        Self {
            first: self.first + 1,
            last: self.last - 1,
            ..*self
        }
    }

    /// Whether the address lies within.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        Family::of(address) == self.family && (self.first..=self.last).contains(&number(address))
    }

    /// Whether the two ranges have an address in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.family == other.family && self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.ends();
        write!(f, "{first} - {last}")
    }
}
