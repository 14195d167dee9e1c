//! A pool: its specification once read, and what of it is free.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::block::Block;
use super::conflict::Conflict;
use super::free::Free;
use super::intervals::Intervals;
use super::pools::Cover;
use super::range::{Family, PerFamily, Range, number};
use super::verdict::Missed;
use crate::names::{PoolName, ServiceId};
use crate::selector::{Selector, SelectorError};
use crate::service::Service;
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
    /// Why the pool does not serve the service, whether or not it may give anything new.
    pub(super) fn missed_by(&self, service: &Service) -> Option<Missed> {
        if let Some(named) = service.pool.as_ref().filter(|named| **named != self.name) {
            return Some(Missed::NotNamed(named.clone()));
        }
        match &self.selector {
            Ok(selector) => selector.unmet(&service.labels).map(Missed::Selector),
            Err(error) => Some(Missed::UnreadableSelector(error.to_string())),
        }
    }
}

/// How many addresses of a pool there are, as its conditions report them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Used and available together.
    pub total: u128,
    /// Free for anybody the pool serves.
    pub available: u128,
    /// Held by services, a shared address once; withheld first and last addresses count here, as in Cilium.
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
    /// Addresses held from its ranges with their services, sorted, as many as were asked for.
    pub allocations: Vec<(IpAddr, Vec<ServiceId>)>,
    /// Further addresses held from its ranges.
    pub omitted: usize,
}

/// The order in which pools are asked: by priority, then age, then name. Every pool's is its own.
pub(super) type Rank = Arc<(Reverse<i32>, Timestamp, PoolName)>;

/// A pool with what is free of it.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) spec: PoolSpec,
    pub(super) conflict: Option<Conflict>,
    free: PerFamily<Free>,
    usable: PerFamily<Intervals>,
    reserved: PerFamily<Intervals>,
    /// Blocks that have a free address, in the order written.
    open: PerFamily<BTreeSet<usize>>,
    /// First and last addresses that no block gives.
    withheld: BTreeSet<IpAddr>,
    held: u128,
    held_of_withheld: u128,
}

impl Pool {
    /// A pool of which nothing is taken yet.
    pub(super) fn new(spec: PoolSpec) -> Self {
        let (mut usable, mut reserved) = (PerFamily::default(), PerFamily::default());
        let mut free = PerFamily::<Free>::default();
        for block in &spec.blocks {
            let (first, last) = block.usable.bounds();
            add(&mut usable, &block.usable);
            free.get_mut(block.usable.family()).give_range(first, last);
        }
        for range in &spec.reserved {
            let (first, last) = range.bounds();
            add(&mut reserved, range);
            free.get_mut(range.family()).take_range(first, last);
        }
        let ends = spec.blocks.iter().flat_map(|block| {
            let (first, last) = block.range.ends();
            [first, last]
        });
        let given = |address: &IpAddr| usable.get(Family::of(*address)).contains(number(*address));
        let withheld = ends.filter(|address| !given(address)).collect();
        let mut pool = Self {
            spec,
            conflict: None,
            free,
            usable,
            reserved,
            open: PerFamily::default(),
            withheld,
            held: 0,
            held_of_withheld: 0,
        };
        for index in 0..pool.spec.blocks.len() {
            pool.refresh_block(index);
        }
        pool
    }

    /// Its place in the order.
    pub(super) fn rank(&self) -> Rank {
        let spec = &self.spec;
        Arc::new((Reverse(spec.priority), spec.created, spec.name.clone()))
    }

    /// The lowest free address of a family, blocks in the order written.
    pub(super) fn lowest(&self, family: Family) -> Option<IpAddr> {
        let block = self.spec.blocks.get(*self.open.get(family).first()?)?;
        let (first, last) = block.usable.bounds();
        let lowest = self.free.get(family).lowest_in(first, last)?;
        Some(family.address(lowest))
    }

    /// Whether an address of the family is free for anybody the pool serves.
    pub(super) fn has_free(&self, family: Family) -> bool {
        !self.open.get(family).is_empty()
    }

    /// Whether the pool has a block of the family at all.
    pub(super) fn has_family(&self, family: Family) -> bool {
        !self.usable.get(family).is_empty()
    }

    /// Whether the address is one the pool gives: covered and not withheld.
    pub(super) fn gives(&self, address: IpAddr) -> bool {
        self.usable.get(Family::of(address)).contains(number(address))
    }

    /// Whether the address may only be given to a service that names it.
    pub(super) fn reserves(&self, address: IpAddr) -> bool {
        self.reserved.get(Family::of(address)).contains(number(address))
    }

    /// Why the pool gives nothing new to anybody.
    pub(super) fn closed(&self) -> Option<Missed> {
        match (self.spec.admission, &self.conflict) {
            (Admission::Disabled, _) => Some(Missed::Disabled),
            (Admission::Open, Some(_)) => Some(Missed::Conflicting),
            (Admission::Open, None) => None,
        }
    }

    /// Why the pool gives the service nothing new of a family.
    pub(super) fn refuses(&self, service: &Service, family: Family) -> Option<Missed> {
        self.spec
            .missed_by(service)
            .or_else(|| self.closed())
            .or_else(|| (!self.has_family(family)).then_some(Missed::Family))
    }

    /// An address the pool covers is held from now on; `covers` are its blocks that cover it.
    pub(super) fn take(&mut self, address: IpAddr, covers: &[Cover]) {
        self.held += 1;
        self.held_of_withheld += u128::from(self.withheld.contains(&address));
        if self.free.get_mut(Family::of(address)).take(number(address)) {
            for (_, index) in covers {
                self.refresh_block(*index);
            }
        }
    }

    /// An address the pool covers is held no more.
    pub(super) fn give(&mut self, address: IpAddr, covers: &[Cover]) {
        self.held = self.held.saturating_sub(1);
        let withheld = u128::from(self.withheld.contains(&address));
        self.held_of_withheld = self.held_of_withheld.saturating_sub(withheld);
        if self.gives(address) && !self.reserves(address) {
            self.free.get_mut(Family::of(address)).give(number(address));
            for (_, index) in covers {
                self.refresh_block(*index);
            }
        }
    }

    /// Its counts.
    pub(super) fn counts(&self) -> Counts {
        let available = Family::BOTH
            .iter()
            .map(|family| self.free.get(*family).count())
            .fold(0, u128::saturating_add);
        let withheld = (self.withheld.len() as u128).saturating_sub(self.held_of_withheld);
        let used = self.held.saturating_add(withheld);
        Counts {
            total: available.saturating_add(used),
            available,
            used,
        }
    }

    /// All its ranges, those that overlap or touch joined, sorted.
    pub(super) fn extent(&self) -> impl Iterator<Item = Range> {
        let mut extent = PerFamily::<Intervals>::default();
        for block in &self.spec.blocks {
            add(&mut extent, &block.range);
        }
        let of = move |family: Family| {
            let ranges: Vec<_> = extent.get(family).iter().collect();
            ranges
                .into_iter()
                .filter_map(move |(first, last)| Range::new(family.address(first), family.address(last)))
        };
        of(Family::V4).chain(of(Family::V6))
    }

    fn refresh_block(&mut self, index: usize) {
        let Some(block) = self.spec.blocks.get(index) else {
            return;
        };
        let (first, last) = block.usable.bounds();
        let family = block.usable.family();
        let open = self.open.get_mut(family);
        if self.free.get(family).lowest_in(first, last).is_some() {
            open.insert(index);
        } else {
            open.remove(&index);
        }
    }
}

fn add(set: &mut PerFamily<Intervals>, range: &Range) {
    let (first, last) = range.bounds();
    set.get_mut(range.family()).give_range(first, last);
}
