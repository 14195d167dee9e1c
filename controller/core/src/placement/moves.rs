//! Moves of addresses from one living node to another: paced, so that a drained node does not hand over everything in
//! one instant, and decided once, so that a second look before the lease is written does not choose again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::seat::Recency;
use crate::names::{NodeName, ServiceId};
use crate::time::Instant;

/// How many groups may be handed over within [`PACE`].
const MOST: usize = 50;

/// The time that [`MOST`] moves have.
const PACE: Duration = Duration::from_secs(1);

/// How long a new holder is new.
const LATELY: Duration = Duration::from_mins(1);

/// The moves of groups, by their primaries.
#[derive(Clone, Debug, Default)]
pub(super) struct Moves {
    /// Where groups are going that are still bound to somebody else.
    under_way: BTreeMap<ServiceId, UnderWay>,
    /// Who held each group when it was last looked at, and since when.
    held: BTreeMap<ServiceId, (NodeName, Option<Instant>)>,
    /// When moves were last let go, and how many since.
    window: Option<(Instant, usize)>,
    /// Groups that wait for their turn.
    waiting: BTreeSet<ServiceId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct UnderWay {
    from: NodeName,
    to: NodeName,
    need: Need,
}

/// Whether a move has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// The holder should not stay.
    Must,
    /// The holder could stay, but has more than its share.
    EvensOut,
}

impl Moves {
    /// A group is held so.
    pub(super) fn saw(&mut self, primary: &ServiceId, holder: Option<&NodeName>, now: Instant) {
        self.waiting.remove(primary);
        let Some(holder) = holder else {
            self.under_way.remove(primary);
            return;
        };
        if self.under_way.get(primary).is_some_and(|one| one.from != *holder) {
            self.under_way.remove(primary);
        }
        match self.held.get_mut(primary) {
            Some((known, _)) if known == holder => {}
            Some(known) => *known = (holder.clone(), Some(now)),
            None => {
                self.held.insert(primary.clone(), (holder.clone(), None));
            }
        }
    }

    /// Who held a group when it was last bound: a lease that somebody deleted is no reason to move.
    pub(super) fn last_holder(&self, primary: &ServiceId) -> Option<&NodeName> {
        self.held.get(primary).map(|(holder, _)| holder)
    }

    /// The group is no more, or no primary leads it.
    pub(super) fn forget(&mut self, primary: &ServiceId) {
        self.under_way.remove(primary);
        self.held.remove(primary);
        self.waiting.remove(primary);
    }

    /// The holder stays after all.
    pub(super) fn stays(&mut self, primary: &ServiceId) {
        self.under_way.remove(primary);
    }

    /// Where the group is going.
    pub(super) fn target(&self, primary: &ServiceId) -> Option<&NodeName> {
        self.under_way.get(primary).map(|one| &one.to)
    }

    /// A group is to leave a good holder that has more than its share.
    pub(super) fn even_out(&mut self, primary: &ServiceId, from: &NodeName, to: &NodeName) {
        let going = UnderWay {
            from: from.clone(),
            to: to.clone(),
            need: Need::EvensOut,
        };
        self.under_way.insert(primary.clone(), going);
    }

    /// Where the group is going to even out load.
    pub(super) fn evens_out(&self, primary: &ServiceId) -> Option<&NodeName> {
        let going = self
            .under_way
            .get(primary)
            .filter(|one| one.need == Need::EvensOut);
        going.map(|one| &one.to)
    }

    /// Whether a group was seen to change its holder lately.
    pub(super) fn recency(&self, primary: &ServiceId, now: Instant) -> Recency {
        let since = self.held.get(primary).and_then(|(_, since)| *since);
        match since {
            Some(since) if now < since + LATELY => Recency::Lately,
            _ => Recency::LongAgo,
        }
    }

    /// Whether a group may leave a living holder now; if not, it waits for its turn.
    pub(super) fn may_move(
        &mut self,
        primary: &ServiceId,
        from: &NodeName,
        to: &NodeName,
        now: Instant,
    ) -> bool {
        let going = UnderWay {
            from: from.clone(),
            to: to.clone(),
            need: Need::Must,
        };
        if self
            .under_way
            .get(primary)
            .is_some_and(|one| one.from == going.from)
        {
            self.under_way.insert(primary.clone(), going);
            return true;
        }
        let (start, let_go) = self
            .window
            .filter(|(start, _)| now < *start + PACE)
            .unwrap_or((now, 0));
        if let_go >= MOST {
            self.waiting.insert(primary.clone());
            return false;
        }
        self.window = Some((start, let_go + 1));
        self.under_way.insert(primary.clone(), going);
        true
    }

    /// When the next of those that wait have their turn.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let (start, _) = self.window.filter(|_| !self.waiting.is_empty())?;
        Some(start + PACE)
    }

    /// Groups whose turn it may be by now.
    pub(super) fn take_due(&mut self, now: Instant) -> BTreeSet<ServiceId> {
        if self.next_deadline().is_some_and(|at| at <= now) {
            std::mem::take(&mut self.waiting)
        } else {
            BTreeSet::new()
        }
    }
}
