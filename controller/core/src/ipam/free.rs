//! The free addresses of one range, as intervals: every operation is O(log intervals), a /64 costs nothing.

use std::collections::BTreeMap;

/// Free numbers as disjoint, non-adjacent intervals, by their first number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FreeSet {
    intervals: BTreeMap<u128, u128>,
    /// One less than the count, so that all of IPv6 fits; `None` when nothing is free.
    count_less_one: Option<u128>,
}

impl FreeSet {
    /// Everything from `first` to `last` is free.
    pub(super) fn new(first: u128, last: u128) -> Self {
        Self {
            intervals: BTreeMap::from([(first, last)]),
            count_less_one: Some(last - first),
        }
    }

    /// The lowest free number.
    pub(super) fn lowest(&self) -> Option<u128> {
        self.intervals.first_key_value().map(|(first, _)| *first)
    }

    /// How many are free, the highest number for all of IPv6.
    pub(super) fn count(&self) -> u128 {
        self.count_less_one
            .map_or(0, |less_one| less_one.saturating_add(1))
    }

    /// Takes one number out; false when it was not free.
    pub(super) fn take(&mut self, number: u128) -> bool {
        self.take_range(number, number)
    }

    /// Takes what is free of `first..=last` out; false when nothing of it was.
    pub(super) fn take_range(&mut self, first: u128, last: u128) -> bool {
        let mut taken = false;
        while let Some((from, to)) = self
            .intervals
            .range(..=last)
            .next_back()
            .map(|(from, to)| (*from, *to))
        {
            if to < first {
                break;
            }
            taken = true;
            self.intervals.remove(&from);
            if to > last {
                self.intervals.insert(last + 1, to);
            }
            if from < first {
                self.intervals.insert(from, first - 1);
            }
            let gone = to.min(last) - from.max(first);
            self.count_less_one = self
                .count_less_one
                .and_then(|all| all.checked_sub(gone)?.checked_sub(1));
        }
        taken
    }

    /// Gives one number back; false when it was free already.
    pub(super) fn give(&mut self, number: u128) -> bool {
        let before = self
            .intervals
            .range(..=number)
            .next_back()
            .map(|(from, to)| (*from, *to));
        if before.is_some_and(|(_, to)| to >= number) {
            return false;
        }
        let first = match before {
            Some((from, to)) if to + 1 == number => from,
            _ => number,
        };
        let last = number
            .checked_add(1)
            .and_then(|next| self.intervals.remove(&next))
            .unwrap_or(number);
        self.intervals.insert(first, last);
        self.count_less_one = Some(self.count_less_one.map_or(0, |all| all.saturating_add(1)));
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_of_the_number_space_hold() {
        let mut all = FreeSet::new(0, u128::MAX);
        assert_eq!(all.count(), u128::MAX);
        assert!(all.take(u128::MAX) && all.take(0));
        assert_eq!(all.lowest(), Some(1));
        assert!(all.give(u128::MAX) && all.give(0) && !all.give(0));
        assert_eq!(all, FreeSet::new(0, u128::MAX));
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_of_numbers(steps in prop::collection::vec((0..4u8, 0..24u128, 0..6u128), 0..200)) {
            let mut free = FreeSet::new(2, 21);
            let mut model: BTreeSet<u128> = (2..=21).collect();
            for (kind, number, length) in steps {
                match kind {
                    0 => prop_assert_eq!(free.take(number), model.remove(&number)),
                    1 => {
                        let gone: Vec<_> = model.range(number..=number + length).copied().collect();
                        prop_assert_eq!(free.take_range(number, number + length), !gone.is_empty());
                        model.retain(|one| !gone.contains(one));
                    }
                    _ if (2..=21).contains(&number) => prop_assert_eq!(free.give(number), model.insert(number)),
                    _ => {}
                }
                prop_assert_eq!(free.lowest(), model.first().copied());
                prop_assert_eq!(free.count(), model.len() as u128);
            }
        }
    }
}
