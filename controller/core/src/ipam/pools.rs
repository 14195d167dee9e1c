//! All pools, in the order they are asked, with what finds them by address and by label.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::buckets::{Buckets, named_by, pointed_at};
use super::conflict::conflicts;
use super::coverage::Coverage;
use super::pool::{Pool, PoolSpec, Rank};
use super::range::{Family, PerFamily, Range};
use crate::names::PoolName;
use crate::service::Service;

/// A block of a pool, by its place in the specification.
pub(super) type Cover = (Rank, usize);

/// The pools.
#[derive(Clone, Debug, Default)]
pub(super) struct Pools {
    by_rank: BTreeMap<Rank, Pool>,
    ranks: BTreeMap<PoolName, Rank>,
    coverage: Coverage<Cover>,
    /// Those that give new addresses of a family, whether or not one is free.
    serving: PerFamily<Buckets<Rank>>,
    /// Of these, those that have a free one.
    available: PerFamily<Buckets<Rank>>,
    /// Those of which something else is to be told than before.
    changed: BTreeSet<PoolName>,
}

impl Pools {
    /// The pool of a name.
    pub(super) fn get(&self, name: &PoolName) -> Option<&Pool> {
        self.by_rank.get(self.ranks.get(name)?)
    }

    /// All, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Pool> {
        self.by_rank.values()
    }

    /// Those that cover an address, in their order.
    pub(super) fn covering(&self, address: IpAddr) -> impl Iterator<Item = (&Rank, &Pool)> {
        let covers = self.coverage.at(address);
        covers
            .chunk_by(|one, next| one.0 == next.0)
            .filter_map(|covers| covers.first())
            .filter_map(|(rank, _)| Some((rank, self.by_rank.get(rank)?)))
    }

    /// The lowest free address for a service, pools in their order.
    pub(super) fn lowest(&self, service: &Service, family: Family) -> Option<IpAddr> {
        let mut candidates = self.candidates(&self.available, service, family);
        candidates
            .find(|pool| pool.spec.missed_by(service).is_none())?
            .lowest(family)
    }

    /// Pools that give new addresses of a family and serve the service, full or not.
    pub(super) fn serving<'a>(
        &'a self,
        service: &'a Service,
        family: Family,
    ) -> impl Iterator<Item = &'a Pool> {
        let candidates = self.candidates(&self.serving, service, family);
        candidates.filter(move |pool| pool.spec.missed_by(service).is_none())
    }

    /// Creates or replaces a pool, of which the addresses `held` are taken; the pools whose conflicts changed.
    pub(super) fn put(
        &mut self,
        spec: PoolSpec,
        held: impl IntoIterator<Item = IpAddr>,
    ) -> BTreeSet<PoolName> {
        let name = spec.name.clone();
        let mut group = self.take_out(&name);
        let pool = Pool::new(spec);
        let rank = pool.rank();
        for (index, block) in pool.spec.blocks.iter().enumerate() {
            self.coverage.insert(&block.range, &(rank.clone(), index));
        }
        self.ranks.insert(name, rank.clone());
        self.by_rank.insert(rank.clone(), pool);
        for address in held {
            let covers = of_rank(self.coverage.at(address), &rank);
            if let Some(pool) = self.by_rank.get_mut(&rank) {
                pool.take(address, covers);
            }
        }
        self.file(&rank);
        group.insert(rank);
        self.settle_conflicts(group)
    }

    /// Takes a pool away; the pools whose conflicts changed.
    pub(super) fn remove(&mut self, name: &PoolName) -> BTreeSet<PoolName> {
        let group = self.take_out(name);
        self.settle_conflicts(group)
    }

    /// The address is held from now on; tells the pools that cover it.
    pub(super) fn take(&mut self, address: IpAddr) {
        self.change(address, Pool::take);
    }

    /// The address is held no more.
    pub(super) fn give(&mut self, address: IpAddr) {
        self.change(address, Pool::give);
    }

    /// The address is held by others than before, and still held.
    pub(super) fn share(&mut self, address: IpAddr) {
        self.change(address, |_, _, _| ());
    }

    /// Something else is to be told of these pools.
    pub(super) fn note_changed(&mut self, names: &BTreeSet<PoolName>) {
        self.changed.extend(names.iter().cloned());
    }

    /// Pools of which something else is to be told since the last call.
    pub(super) fn take_changed(&mut self) -> BTreeSet<PoolName> {
        std::mem::take(&mut self.changed)
    }

    fn change(&mut self, address: IpAddr, change: impl Fn(&mut Pool, IpAddr, &[Cover])) {
        let family = Family::of(address);
        let covers = self.coverage.at(address);
        for covers in covers.chunk_by(|one, next| one.0 == next.0) {
            let Some((rank, _)) = covers.first() else { continue };
            let Some(pool) = self.by_rank.get_mut(rank) else {
                continue;
            };
            if !self.changed.contains(&pool.spec.name) {
                self.changed.insert(pool.spec.name.clone());
            }
            let had_free = pool.has_free(family);
            change(pool, address, covers);
            if pool.has_free(family) != had_free && pool.closed().is_none() {
                file_in(self.available.get_mut(family), rank, pool, |pool| {
                    pool.has_free(family)
                });
            }
        }
    }

    fn candidates<'a>(
        &'a self,
        buckets: &'a PerFamily<Buckets<Rank>>,
        service: &'a Service,
        family: Family,
    ) -> impl Iterator<Item = &'a Pool> {
        let named = service.pool.as_ref().map(|name| {
            let pool = self.get(name);
            pool.filter(|pool| pool.closed().is_none() && pool.has_family(family))
        });
        let any = match &named {
            Some(_) => None,
            None => Some(buckets.get(family).in_order(named_by(&service.labels), None)),
        };
        let any = any
            .into_iter()
            .flatten()
            .filter_map(|rank| self.by_rank.get(rank));
        named.flatten().into_iter().chain(any)
    }

    fn take_out(&mut self, name: &PoolName) -> BTreeSet<Rank> {
        let Some(rank) = self.ranks.remove(name) else {
            return BTreeSet::new();
        };
        let mut group = self.group([rank.clone()].into());
        group.remove(&rank);
        if let Some(pool) = self.by_rank.remove(&rank) {
            for (index, block) in pool.spec.blocks.iter().enumerate() {
                self.coverage.remove(&block.range, &(rank.clone(), index));
            }
            self.refile(&rank, &pool, |_| false);
        }
        group
    }

    /// The pools that overlap one of these, and so on.
    fn group(&self, mut open: BTreeSet<Rank>) -> BTreeSet<Rank> {
        let mut group = BTreeSet::new();
        while let Some(rank) = open.pop_first() {
            let blocks = self
                .by_rank
                .get(&rank)
                .into_iter()
                .flat_map(|pool| &pool.spec.blocks);
            let near = blocks.flat_map(|block| self.coverage.within(block.range));
            open.extend(
                near.map(|(near, _)| near)
                    .filter(|near| **near != rank && !group.contains(*near))
                    .cloned(),
            );
            group.insert(rank);
        }
        group
    }

    fn settle_conflicts(&mut self, near: BTreeSet<Rank>) -> BTreeSet<PoolName> {
        let group = self.group(near);
        let specs: Vec<_> = group
            .iter()
            .filter_map(|rank| self.by_rank.get(rank))
            .map(|pool| &pool.spec)
            .collect();
        let mut conflicts = conflicts(&specs, &self.coverage);
        let mut changed = BTreeSet::new();
        for rank in group {
            let Some(pool) = self.by_rank.get_mut(&rank) else {
                continue;
            };
            let conflict = conflicts.remove(&pool.spec.name);
            if pool.conflict != conflict {
                pool.conflict = conflict;
                changed.insert(pool.spec.name.clone());
                self.file(&rank);
            }
        }
        changed
    }

    /// Puts a pool where services find it.
    fn file(&mut self, rank: &Rank) {
        if let Some(pool) = self.by_rank.remove(rank) {
            self.refile(rank, &pool, |pool| pool.closed().is_none());
            self.by_rank.insert(rank.clone(), pool);
        }
    }

    fn refile(&mut self, rank: &Rank, pool: &Pool, open: impl Fn(&Pool) -> bool) {
        for family in Family::BOTH {
            file_in(self.serving.get_mut(family), rank, pool, |pool| {
                open(pool) && pool.has_family(family)
            });
            file_in(self.available.get_mut(family), rank, pool, |pool| {
                open(pool) && pool.has_free(family)
            });
        }
    }
}

/// Those of the covers that are one pool's.
fn of_rank<'a>(covers: &'a [Cover], rank: &Rank) -> &'a [Cover] {
    let start = covers.partition_point(|(one, _)| one < rank);
    let end = covers.partition_point(|(one, _)| one <= rank);
    covers.get(start..end).unwrap_or_default()
}

fn file_in(buckets: &mut Buckets<Rank>, rank: &Rank, pool: &Pool, belongs: impl Fn(&Pool) -> bool) {
    let Ok(selector) = &pool.spec.selector else { return };
    for place in pointed_at(selector) {
        if belongs(pool) {
            buckets.insert(place, rank);
        } else {
            buckets.remove(place, rank);
        }
    }
}

/// The ranges of a specification.
pub(super) fn ranges(spec: &PoolSpec) -> impl Iterator<Item = Range> + '_ {
    spec.blocks.iter().map(|block| block.range)
}
