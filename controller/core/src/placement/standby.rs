//! Who stands by for a holder: at most two nodes per group, out of few peers per holder, so that the probing that
//! standbys do is per pair of nodes whatever the number of groups.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::candidates::Judged;
use super::choose::{weight_of_peer, weight_of_service};
use super::eligible::{NodeTrait, Suitability, Trust};
use crate::names::{NodeName, ServiceId};

/// How many nodes stand by for a group.
const STANDBYS: usize = 2;

/// How many nodes may stand by for the groups of one holder, for the same policies.
const PEERS: usize = 8;

/// The nodes in the order in which a holder takes its peers among them.
#[derive(Debug, Default)]
pub(super) struct Peers(BTreeMap<NodeName, Rc<[NodeName]>>);

impl Peers {
    /// Every suitable node but the holder, in the holder's own order.
    pub(super) fn of(
        &mut self,
        holder: &NodeName,
        suitable: &BTreeMap<NodeName, Suitability>,
    ) -> Rc<[NodeName]> {
        if let Some(known) = self.0.get(holder) {
            return Rc::clone(known);
        }
        let others = suitable.keys().filter(|name| *name != holder);
        let mut others: Vec<_> = others.cloned().collect();
        others.sort_by_cached_key(|name| std::cmp::Reverse(weight_of_peer(holder, name)));
        let order: Rc<[NodeName]> = others.into();
        self.0.insert(holder.clone(), Rc::clone(&order));
        order
    }
}

/// What is known of a group's binding that its standbys depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing<'a> {
    /// The group's primary.
    pub(super) primary: &'a ServiceId,
    /// Its holder.
    pub(super) holder: &'a NodeName,
    /// Its standbys as they are bound, the holder's successor first.
    pub(super) present: &'a [NodeName],
    /// The living holder that hands over with this decision: it stands by first, for it answers until it is relieved.
    pub(super) hands_over: Option<&'a NodeName>,
    /// The holder that handed over lately: whatever made it do so, it goes on standing by for a while.
    pub(super) handed_over: Option<&'a NodeName>,
}

/// The standbys of a group. Who stands by stays, as long as nothing speaks against it.
pub(super) fn standbys(standing: Standing<'_>, judged: &Judged) -> Vec<NodeName> {
    let order = judged.peers(standing.holder);
    let present = standing.present.iter();
    let mut present = present.filter_map(|one| judged.suitable.get(one));
    let backing = if present.any(Suitability::is_good) {
        Backing::Another
    } else {
        Backing::Nobody
    };
    let mut candidates = Vec::new();
    let mut consider = |name| {
        let present = standing.present.iter().position(|one| one == name);
        let relieved = Relieved::of(standing, name, present);
        let suitability = judged.suitable.get(name)?;
        let objection = objection(suitability, present, relieved, backing)?;
        let leaning = std::cmp::Reverse(weight_of_service(standing.primary, name));
        let place = present.unwrap_or(usize::MAX);
        candidates.push((objection, relieved != Relieved::Now, place, leaning, name));
        Some(objection)
    };
    let (mut position, mut good) = (0, 0);
    while position < order.len() && (position < PEERS || good < STANDBYS) {
        good += usize::from(consider(&order[position]) == Some(Objection::None));
        position += 1;
    }
    // A lease that was edited by hand may say the same of both, or of the holder.
    let relieved = [standing.hands_over, standing.handed_over].into_iter().flatten();
    for name in relieved.collect::<BTreeSet<_>>() {
        if name != standing.holder && !order[..position].contains(name) {
            consider(name);
        }
    }
    candidates.sort_unstable();
    let first = candidates.into_iter().take(STANDBYS);
    first.map(|(.., name)| name.clone()).collect()
}

/// Whether a node held the group's addresses until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relieved {
    Now,
    Lately,
    No,
}

impl Relieved {
    fn of(standing: Standing<'_>, name: &NodeName, present: Option<usize>) -> Self {
        if standing.hands_over == Some(name) {
            Self::Now
        } else if standing.handed_over == Some(name) && present.is_some() {
            Self::Lately
        } else {
            Self::No
        }
    }
}

/// How much speaks against a standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Objection {
    None,
    LastResort,
    Silent,
}

/// Whether a group has a standby in good order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backing {
    Another,
    Nobody,
}

/// How much speaks against a node as a standby; `None` when it must not be one.
fn objection(
    suitability: &Suitability,
    present: Option<usize>,
    relieved: Relieved,
    backing: Backing,
) -> Option<Objection> {
    let silent = suitability.is(NodeTrait::Silent);
    let is_new = present.is_none() && relieved == Relieved::No;
    let unfit = silent || suitability.trust != Trust::Steady;
    if suitability.is(NodeTrait::Drained) || (is_new && unfit) {
        return None;
    }
    // Of a heartbeat that is late for a while nothing follows where another stands by: each lease that is written for it is news
    // to every agent, and where an API server has much to do many are late.
    let falters = present.is_some()
        && backing == Backing::Another
        && matches!(suitability.trust, Trust::Steady | Trust::Late)
        && suitability.broken.is_empty()
        && suitability.traits.iter().all(|one| *one == NodeTrait::Silent);
    Some(if falters {
        Objection::None
    } else if silent {
        Objection::Silent
    } else if relieved == Relieved::No && !suitability.is_good() {
        Objection::LastResort
    } else {
        Objection::None
    })
}
