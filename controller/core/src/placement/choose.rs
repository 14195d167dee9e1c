//! The choice among suitable nodes: sticky, then who stands by, then balanced, then by rendezvous hash.

use std::collections::BTreeMap;

use super::eligible::{NodeTrait, Suitability, Trust};
use crate::binding::Binding;
use crate::names::{NodeName, ServiceId};

/// What speaks against a node, the worst first; the least is the best.
type Rank = (bool, bool, bool, usize, usize, usize);

/// The rank of a node that holds already (`Trust::Steady` whatever it did) or would be new.
fn rank(suitability: &Suitability, trust: Trust, most: usize) -> Rank {
    (
        suitability.is(NodeTrait::Silent),
        suitability.is(NodeTrait::Drained),
        trust != Trust::Steady,
        suitability.traits.len(),
        most - suitability.policies.len(),
        suitability.broken.len(),
    )
}

/// The ranks of the nodes that are suitable for one set of policies: what is judged once is not compared once per service.
#[derive(Debug)]
pub(super) struct Ranking {
    ranks: BTreeMap<NodeName, Ranks>,
    /// The least rank of a newcomer.
    least: Option<Rank>,
}

#[derive(Clone, Copy, Debug)]
struct Ranks {
    /// What counts against newcomers only does not count against it.
    as_holder: Rank,
    as_newcomer: Rank,
}

impl Ranking {
    /// Ranks the suitable nodes.
    pub(super) fn of(suitable: &BTreeMap<NodeName, Suitability>) -> Self {
        let most = suitable
            .values()
            .map(|one| one.policies.len())
            .max()
            .unwrap_or_default();
        let both = |one: &Suitability| Ranks {
            as_holder: rank(one, Trust::Steady, most),
            as_newcomer: rank(one, one.trust, most),
        };
        let ranks: BTreeMap<_, _> = suitable
            .iter()
            .map(|(name, one)| (name.clone(), both(one)))
            .collect();
        let least = ranks.values().map(|ranks| ranks.as_newcomer).min();
        Self { ranks, least }
    }

    /// The best of them for a group held by `holder`.
    pub(super) fn best<'a>(&'a self, holder: Option<&'a NodeName>) -> Best<'a> {
        let holding = holder.and_then(|name| self.ranks.get(name));
        let least = holding
            .map(|ranks| ranks.as_holder)
            .into_iter()
            .chain(self.least)
            .min();
        Best {
            ranking: self,
            holder,
            least,
        }
    }
}

/// The suitable nodes that have the least against them, for one group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Best<'a> {
    ranking: &'a Ranking,
    holder: Option<&'a NodeName>,
    least: Option<Rank>,
}

impl<'a> Best<'a> {
    /// Whether a node is one of them.
    pub(super) fn contains(&self, node: &NodeName) -> bool {
        let ranks = self.ranking.ranks.get(node);
        ranks.is_some_and(|ranks| self.is_least(node, ranks))
    }

    fn is_least(&self, node: &NodeName, ranks: &Ranks) -> bool {
        let rank = if self.holder == Some(node) {
            ranks.as_holder
        } else {
            ranks.as_newcomer
        };
        self.least == Some(rank)
    }

    /// The first standby of a binding that is one of them.
    pub(super) fn standby<'b>(&self, binding: &'b Binding) -> Option<&'b NodeName> {
        binding.order.standbys.iter().find(|name| self.contains(name))
    }

    /// The least loaded of them; of several, the one that this group falls to by hash.
    pub(super) fn least_loaded(
        &self,
        primary: &ServiceId,
        load: &BTreeMap<NodeName, usize>,
    ) -> Option<&'a NodeName> {
        let all = self.ranking.ranks.iter();
        let best = all.filter(|(name, ranks)| self.is_least(name, ranks));
        best.map(|(name, _)| name).min_by_key(|name| {
            (
                load.get(*name).copied().unwrap_or(0),
                std::cmp::Reverse(weight_of_service(primary, name)),
                *name,
            )
        })
    }
}

/// How much a group leans to a node.
pub(super) fn weight_of_service(primary: &ServiceId, node: &NodeName) -> u64 {
    weight([primary.namespace.as_str(), primary.name.as_str(), node.as_str()])
}

/// How much a holder leans to a peer.
pub(super) fn weight_of_peer(holder: &NodeName, peer: &NodeName) -> u64 {
    weight(["", holder.as_str(), peer.as_str()])
}

/// A number that is the same in every process and release: FNV-1a, then a finaliser that spreads its bits.
fn weight(parts: [&str; 3]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_do_not_change_with_releases() {
        assert_eq!(
            weight_of_service(&ServiceId::new("default", "web"), &"node-1".into()),
            0xbb55_2c9b_f3d2_5520
        );
    }
}
