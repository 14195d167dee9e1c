//! Pools that want the same addresses: the later one yields, whole.

use std::collections::BTreeMap;
use std::fmt;

use super::pool::PoolSpec;
use super::range::Range;
use crate::names::PoolName;

/// Why a pool gives nothing new: one of its ranges overlaps a range of a pool that comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The range of the pool that yields.
    pub range: Range,
    /// The pool that comes first; the pool itself when its own ranges overlap.
    pub with: PoolName,
    /// That pool's range.
    pub with_range: Range,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} overlaps {} of pool {}",
            self.range, self.with_range, self.with
        )
    }
}

/// The pools that yield. Earlier `creationTimestamp`, then lesser name, comes first; a pool that yields itself
/// takes no other down.
pub(super) fn conflicts<'a>(pools: impl Iterator<Item = &'a PoolSpec>) -> BTreeMap<PoolName, Conflict> {
    let mut in_order: Vec<&PoolSpec> = pools.collect();
    in_order.sort_by_key(|pool| (pool.created, &pool.name));
    let mut accepted: Vec<&PoolSpec> = Vec::new();
    let mut conflicts = BTreeMap::new();
    for pool in in_order {
        let conflict = own_overlap(pool).or_else(|| accepted.iter().find_map(|first| overlap(pool, first)));
        match conflict {
            Some(conflict) => {
                conflicts.insert(pool.name.clone(), conflict);
            }
            None => accepted.push(pool),
        }
    }
    conflicts
}

fn overlap(pool: &PoolSpec, first: &PoolSpec) -> Option<Conflict> {
    pool.blocks.iter().find_map(|block| {
        let other = first
            .blocks
            .iter()
            .find(|other| other.range.overlaps(&block.range))?;
        Some(Conflict {
            range: block.range,
            with: first.name.clone(),
            with_range: other.range,
        })
    })
}

fn own_overlap(pool: &PoolSpec) -> Option<Conflict> {
    pool.blocks.iter().enumerate().find_map(|(index, block)| {
        let other = pool
            .blocks
            .iter()
            .take(index)
            .find(|other| other.range.overlaps(&block.range))?;
        Some(Conflict {
            range: block.range,
            with: pool.name.clone(),
            with_range: other.range,
        })
    })
}
