//! The choice among suitable nodes: sticky, then balanced, then by rendezvous hash.

use std::collections::BTreeMap;

use super::eligible::Suitability;
use crate::names::{NodeName, ServiceId};

/// What a node has against it, least first: objections, then policies it cannot serve, then broken lines.
fn rank(suitability: &Suitability, most: usize) -> (usize, usize, usize) {
    (
        suitability.traits.len(),
        most - suitability.policies.len(),
        suitability.broken.len(),
    )
}

/// The node that should hold: the present holder unless another is better, else the least loaded of the best.
pub(super) fn choose<'a>(
    primary: &ServiceId,
    suitable: &'a BTreeMap<NodeName, Suitability>,
    holder: Option<&NodeName>,
    load: &BTreeMap<NodeName, usize>,
) -> Option<&'a NodeName> {
    let most = suitable.values().map(|one| one.policies.len()).max()?;
    let best = suitable.values().map(|one| rank(one, most)).min()?;
    let of_the_best = || {
        suitable
            .iter()
            .filter(|(_, one)| rank(one, most) == best)
            .map(|(name, _)| name)
    };
    of_the_best().find(|name| Some(*name) == holder).or_else(|| {
        of_the_best().min_by_key(|name| {
            (
                load.get(*name).copied().unwrap_or(0),
                std::cmp::Reverse(weight(primary, name)),
                *name,
            )
        })
    })
}

/// A number that is the same in every process and release: FNV-1a, then a finaliser that spreads its bits.
fn weight(primary: &ServiceId, node: &NodeName) -> u64 {
    let parts = [primary.namespace.as_str(), primary.name.as_str(), node.as_str()];
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
            weight(&ServiceId::new("default", "web"), &"node-1".into()),
            0xbb55_2c9b_f3d2_5520
        );
    }
}
