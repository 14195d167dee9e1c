//! Pools that want the same addresses: the later one yields, whole.

use std::collections::BTreeMap;
use std::fmt;

use super::block::Block;
use super::coverage::Coverage;
use super::pool::PoolSpec;
use super::pools::Cover;
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

/// Which of these pools yield. Earlier `creationTimestamp`, then lesser name, comes first; a pool that yields itself
/// takes no other down. Every pool that overlaps one of them must be among them.
pub(super) fn conflicts(group: &[&PoolSpec], coverage: &Coverage<Cover>) -> BTreeMap<PoolName, Conflict> {
    let mut in_order = group.to_vec();
    in_order.sort_by_key(|pool| (pool.created, &pool.name));
    let mut accepted: BTreeMap<&PoolName, &PoolSpec> = BTreeMap::new();
    let mut conflicts = BTreeMap::new();
    for pool in in_order {
        match conflict(pool, &accepted, coverage) {
            Some(conflict) => {
                conflicts.insert(pool.name.clone(), conflict);
            }
            None => {
                accepted.insert(&pool.name, pool);
            }
        }
    }
    conflicts
}

/// The first overlap of the pool with itself, or else with a pool that comes first.
fn conflict(
    pool: &PoolSpec,
    accepted: &BTreeMap<&PoolName, &PoolSpec>,
    coverage: &Coverage<Cover>,
) -> Option<Conflict> {
    let with = |block: &Block, other: &PoolSpec, index: usize| {
        Some(Conflict {
            range: block.range,
            with: other.name.clone(),
            with_range: other.blocks.get(index)?.range,
        })
    };
    let covers = |range: Range| coverage.within(range).map(|(rank, index)| (&rank.2, *index));
    let blocks = || pool.blocks.iter().enumerate();
    let itself = blocks().find_map(|(index, block)| {
        let (_, earlier) = covers(block.range).find(|(name, other)| **name == pool.name && *other < index)?;
        with(block, pool, earlier)
    });
    itself.or_else(|| {
        blocks().find_map(|(_, block)| {
            covers(block.range).find_map(|(name, other)| with(block, accepted.get(name)?, other))
        })
    })
}
