//! A pool: its specification once read, and what of it is free.

use std::net::IpAddr;

use super::block::Block;
use super::conflict::Conflict;
use super::free::FreeSet;
use super::range::{Family, Range, number};
use crate::names::PoolName;
use crate::selector::{Selector, SelectorError};
use crate::time::Timestamp;

/// Whether a pool gives new addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Admission {
    /// It does.
    #[default]
    Open,
    /// `spec.disabled`: it keeps what it gave and gives nothing new.
    Disabled,
}

/// A pool as specified, its blocks and selector read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// Name of the pool.
    pub name: PoolName,
    /// When it was created: earlier pools come first, and win conflicts.
    pub created: Timestamp,
    /// `spec.priority`: pools with the greater number come first.
    pub priority: i32,
    /// Whether it gives new addresses.
    pub admission: Admission,
    /// Which services it serves; an unreadable selector serves none.
    pub selector: Result<Selector, SelectorError>,
    /// Its usable blocks, in the order written.
    pub blocks: Vec<Block>,
    /// Addresses given only to services that name them.
    pub reserved: Vec<Range>,
    /// A sentence for every block or reservation that could not be read.
    pub problems: Vec<String>,
}

impl PoolSpec {
    /// Whether one of its blocks covers the address, usable or withheld.
    #[must_use]
    pub fn covers(&self, address: IpAddr) -> bool {
        self.blocks.iter().any(|block| block.range.contains(address))
    }

    /// Whether the address may only be given to a service that names it.
    #[must_use]
    pub fn reserves(&self, address: IpAddr) -> bool {
        self.reserved.iter().any(|range| range.contains(address))
    }
}

/// How many addresses of a pool there are, as its conditions report them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Used and available together.
    pub total: u128,
    /// Free for anybody the pool serves.
    pub available: u128,
    /// Held by services; withheld first and last addresses count here, as in Cilium.
    pub used: u128,
}

/// What is to be told about a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolReport {
    /// Its address counts.
    pub counts: Counts,
    /// Why it gives nothing new, if it overlaps a pool that comes first.
    pub conflict: Option<Conflict>,
    /// A sentence for everything in its specification that could not be read.
    pub problems: Vec<String>,
    /// Addresses held from its ranges, sorted.
    pub allocations: Vec<(IpAddr, crate::names::ServiceId)>,
}

/// A pool with the free addresses of each of its blocks.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) spec: PoolSpec,
    pub(super) conflict: Option<Conflict>,
    free: Vec<FreeSet>,
}

impl Pool {
    /// A pool of which the addresses `held` are taken.
    pub(super) fn new(spec: PoolSpec, held: impl IntoIterator<Item = IpAddr>) -> Self {
        let free = spec
            .blocks
            .iter()
            .map(|block| free_of(block, &spec.reserved))
            .collect();
        let mut pool = Self {
            spec,
            conflict: None,
            free,
        };
        for address in held {
            pool.take(address);
        }
        pool
    }

    /// The lowest free address of a family, blocks in the order written.
    pub(super) fn lowest(&self, family: Family) -> Option<IpAddr> {
        self.blocks(family)
            .find_map(|(_, free)| free.lowest())
            .map(|number| family.address(number))
    }

    /// Whether the pool has a block of the family at all.
    pub(super) fn has_family(&self, family: Family) -> bool {
        self.blocks(family).next().is_some()
    }

    /// Whether the address is one the pool gives: covered and not withheld.
    pub(super) fn gives(&self, address: IpAddr) -> bool {
        self.spec
            .blocks
            .iter()
            .any(|block| block.usable.contains(address))
    }

    /// Marks the address as taken where this pool covers it.
    pub(super) fn take(&mut self, address: IpAddr) {
        for (block, free) in self.spec.blocks.iter().zip(&mut self.free) {
            if block.usable.contains(address) {
                free.take(number(address));
            }
        }
    }

    /// Marks the address as free where this pool gives it to anybody.
    pub(super) fn give(&mut self, address: IpAddr) {
        if self.spec.reserves(address) {
            return;
        }
        for (block, free) in self.spec.blocks.iter().zip(&mut self.free) {
            if block.usable.contains(address) {
                free.give(number(address));
            }
        }
    }

    /// Counts the pool, of whose ranges `held` addresses are held.
    pub(super) fn counts(&self, held: usize) -> Counts {
        let withheld: u128 = self
            .spec
            .blocks
            .iter()
            .map(|block| size(&block.range) - size(&block.usable))
            .sum();
        let available = self.free.iter().map(FreeSet::count).fold(0, u128::saturating_add);
        let used = withheld.saturating_add(held as u128);
        Counts {
            total: available.saturating_add(used),
            available,
            used,
        }
    }

    fn blocks(&self, family: Family) -> impl Iterator<Item = (&Block, &FreeSet)> {
        self.spec
            .blocks
            .iter()
            .zip(&self.free)
            .filter(move |(block, _)| block.range.family() == family)
    }
}

fn size(range: &Range) -> u128 {
    let (first, last) = range.bounds();
    (last - first).saturating_add(1)
}

fn free_of(block: &Block, reserved: &[Range]) -> FreeSet {
    let (first, last) = block.usable.bounds();
    let mut free = FreeSet::new(first, last);
    for range in reserved
        .iter()
        .filter(|range| range.family() == block.usable.family())
    {
        let (first, last) = range.bounds();
        free.take_range(first, last);
    }
    free
}
