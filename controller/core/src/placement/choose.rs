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

/// The suitable nodes that have the least against them.
#[derive(Debug)]
pub(super) struct Best<'a>(BTreeMap<&'a NodeName, &'a Suitability>);

impl<'a> Best<'a> {
    /// The best of the suitable, for a group held by `holder`: what counts against newcomers only does not count
    /// against it.
    pub(super) fn of(suitable: &'a BTreeMap<NodeName, Suitability>, holder: Option<&NodeName>) -> Self {
        let most = suitable
            .values()
            .map(|one| one.policies.len())
            .max()
            .unwrap_or_default();
        let rank = |name: &NodeName, one: &Suitability| {
            let trust = if Some(name) == holder {
                Trust::Steady
            } else {
                one.trust
            };
            rank(one, trust, most)
        };
        let best = suitable.iter().map(|(name, one)| rank(name, one)).min();
        let of_the_best = suitable
            .iter()
            .filter(|(name, one)| Some(rank(name, one)) == best);
        Self(of_the_best.collect())
    }

    /// Whether a node is one of them.
    pub(super) fn contains(&self, node: &NodeName) -> bool {
        self.0.contains_key(node)
    }

    /// The first standby of a binding that is one of them.
    pub(super) fn standby(&self, binding: &Binding) -> Option<&'a NodeName> {
        let standbys = binding.order.standbys.iter();
        standbys
            .filter_map(|name| self.0.get_key_value(name))
            .map(|(name, _)| *name)
            .next()
    }

    /// The least loaded of them; of several, the one that this group falls to by hash.
    pub(super) fn least_loaded(
        &self,
        primary: &ServiceId,
        load: &BTreeMap<NodeName, usize>,
    ) -> Option<&'a NodeName> {
        self.0.keys().copied().min_by_key(|name| {
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
