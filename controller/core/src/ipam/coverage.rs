//! Which blocks cover an address: all pools' ranges cut into segments, so that a look-up is O(log ranges).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::range::{Family, Range, number};

/// For every segment between two ends of ranges what covers it, sorted.
#[derive(Clone, Debug)]
pub(super) struct Coverage<T> {
    segments: BTreeMap<(Family, u128), Vec<T>>,
}

impl<T> Default for Coverage<T> {
    fn default() -> Self {
        Self {
            segments: BTreeMap::new(),
        }
    }
}

impl<T: Ord + Clone> Coverage<T> {
    /// Everything that covers the address, sorted.
    pub(super) fn at(&self, address: IpAddr) -> &[T] {
        let family = Family::of(address);
        let before = self.segments.range(..=(family, number(address))).next_back();
        before
            .filter(|((of, _), _)| *of == family)
            .map_or(&[], |(_, covers)| covers)
    }

    /// What covers some address of the range; the same may come repeatedly.
    pub(super) fn within(&self, range: Range) -> impl Iterator<Item = &T> {
        let (first, last) = range.bounds();
        let family = range.family();
        let at_first = self.at(family.address(first)).iter();
        let behind = first.checked_add(1).filter(|next| *next <= last);
        let rest = behind.map(|next| self.segments.range((family, next)..=(family, last)));
        at_first.chain(rest.into_iter().flatten().flat_map(|(_, covers)| covers))
    }

    /// Notes that `item` covers the range.
    pub(super) fn insert(&mut self, range: &Range, item: &T) {
        self.each_segment(range, |covers| {
            let place = covers.partition_point(|one| one < item);
            covers.insert(place, item.clone());
        });
    }

    /// Undoes [`Self::insert`].
    pub(super) fn remove(&mut self, range: &Range, item: &T) {
        self.each_segment(range, |covers| covers.retain(|one| one != item));
        let (first, last) = range.bounds();
        self.join(range.family(), first);
        if let Some(behind) = last.checked_add(1) {
            self.join(range.family(), behind);
        }
    }

    fn each_segment(&mut self, range: &Range, mut change: impl FnMut(&mut Vec<T>)) {
        let (first, last) = range.bounds();
        let family = range.family();
        self.cut(family, first);
        if let Some(behind) = last.checked_add(1) {
            self.cut(family, behind);
        }
        for (_, covers) in self.segments.range_mut((family, first)..=(family, last)) {
            change(covers);
        }
    }

    /// Starts a segment at `start`, covered as before.
    fn cut(&mut self, family: Family, start: u128) {
        if self.segments.contains_key(&(family, start)) {
            return;
        }
        let before = self.segments.range(..(family, start)).next_back();
        let covers = before
            .filter(|((of, _), _)| *of == family)
            .map_or_else(Vec::new, |(_, covers)| covers.clone());
        self.segments.insert((family, start), covers);
    }

    /// Ends a cut that separates nothing.
    fn join(&mut self, family: Family, start: u128) {
        let Some(covers) = self.segments.get(&(family, start)) else {
            return;
        };
        let before = self.segments.range(..(family, start)).next_back();
        let same = before
            .filter(|((of, _), _)| *of == family)
            .map_or(covers.is_empty(), |(_, earlier)| earlier == covers);
        if same {
            self.segments.remove(&(family, start));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(family: Family, low: u8) -> IpAddr {
        // The upper end of the number space is part of what is tried.
        let top = match family {
            Family::V4 => u128::from(u32::MAX),
            Family::V6 => u128::MAX,
        };
        family.address(top - 23 + u128::from(low))
    }

    proptest! {
        #[test]
        fn knows_what_covers_an_address(steps in prop::collection::vec((0..2u8, 0..24u8, 0..24u8, 0..4u8), 0..60)) {
            let mut coverage = Coverage::default();
            let mut model: Vec<(Range, u8)> = Vec::new();
            for (family, one, other, item) in steps {
                let family = if family == 0 { Family::V4 } else { Family::V6 };
                let range = Range::new(address(family, one.min(other)), address(family, one.max(other))).unwrap();
                if let Some(known) = model.iter().position(|(_, known)| *known == item) {
                    let (range, _) = model.remove(known);
                    coverage.remove(&range, &item);
                } else {
                    coverage.insert(&range, &item);
                    model.push((range, item));
                }
                for low in 0..24 {
                    let at = address(family, low);
                    let mut covers: Vec<u8> = model.iter().filter(|(range, _)| range.contains(at)).map(|one| one.1).collect();
                    covers.sort_unstable();
                    prop_assert_eq!(coverage.at(at), covers);
                }
                let mut within: Vec<u8> = coverage.within(range).copied().collect();
                within.sort_unstable();
                within.dedup();
                let mut expected: Vec<u8> = model.iter().filter(|(known, _)| known.overlaps(&range)).map(|one| one.1).collect();
                expected.sort_unstable();
                prop_assert_eq!(within, expected);
                if model.is_empty() {
                    prop_assert!(coverage.segments.is_empty());
                }
            }
        }
    }
}
