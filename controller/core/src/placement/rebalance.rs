//! Evening out load: few groups at a time leave good holders that have clearly more than their share, until none has.
//!
//! Every move makes the loads of two nodes more alike and never turns them round, so that it ends, and what is nearly
//! even stays as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::seat::{Recency, Seat};
use crate::names::{NodeName, ServiceId};

/// How long each step has.
pub(super) const PACE: Duration = Duration::from_secs(10);

/// How many groups move in a step.
const MOST: usize = 5;

/// A difference of so many services is nothing to move for.
const TOLERATED: usize = 2;

/// Nor is one of this part of what the fuller node has: a fifth.
const TOLERATED_PART: usize = 5;

/// One step.
#[derive(Debug)]
pub(super) struct Evening {
    load: BTreeMap<NodeName, usize>,
    moving: BTreeSet<ServiceId>,
    /// Groups that should move, but not in this step.
    left: usize,
}

impl Evening {
    /// A step that starts from this load.
    pub(super) fn new(load: BTreeMap<NodeName, usize>) -> Self {
        Self {
            load,
            moving: BTreeSet::new(),
            left: 0,
        }
    }

    /// Where a group should go from its holder, if it should in this step.
    pub(super) fn weigh(&mut self, seat: &Seat<'_>, holder: &NodeName, recency: Recency) -> Option<NodeName> {
        let (primary, size) = (&seat.group.primary, seat.group.services.len());
        let best = seat.judged.ranking().best(Some(holder));
        let to = best
            .least_loaded(primary, &self.load)
            .filter(|_| best.contains(holder))?;
        let of = |node: &NodeName| self.load.get(node).copied().unwrap_or(0);
        let (fuller, emptier) = (of(holder), of(to));
        let difference = fuller.saturating_sub(emptier);
        if difference <= TOLERATED.max(fuller / TOLERATED_PART) || 2 * size > difference {
            return None;
        }
        if self.moving.len() >= MOST || recency == Recency::Lately {
            self.left += 1;
            return None;
        }
        self.load.insert(holder.clone(), fuller - size);
        self.load.insert(to.clone(), emptier + size);
        self.moving.insert(primary.clone());
        Some(to.clone())
    }

    /// Whether another step has to follow.
    pub(super) fn goes_on(&self) -> bool {
        self.left > 0 || !self.moving.is_empty()
    }

    /// The groups that move in this step.
    pub(super) fn into_moving(self) -> BTreeSet<ServiceId> {
        self.moving
    }
}
