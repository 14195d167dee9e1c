//! Sets of numbers as intervals: every operation is O(log intervals), all of IPv6 costs no more than one address.

use std::collections::BTreeMap;

/// Numbers as disjoint, non-adjacent intervals, by their first number.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Intervals {
    intervals: BTreeMap<u128, u128>,
    /// One less than the count, so that all of IPv6 fits; `None` for the empty set.
    count_less_one: Option<u128>,
}

impl Intervals {
    /// The lowest number within `first..=last`.
    pub(super) fn lowest_in(&self, first: u128, last: u128) -> Option<u128> {
        if self.contains(first) {
            return Some(first);
        }
        let (lowest, _) = self.intervals.range(first..=last).next()?;
        Some(*lowest)
    }

    /// Whether the number is in the set.
    pub(super) fn contains(&self, number: u128) -> bool {
        self.at_or_before(number).is_some_and(|(_, to)| to >= number)
    }

    /// Whether nothing is in the set.
    pub(super) fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    /// How many there are, the highest number for all of IPv6.
    pub(super) fn count(&self) -> u128 {
        self.count_less_one
            .map_or(0, |less_one| less_one.saturating_add(1))
    }

    /// The intervals in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u128, u128)> + '_ {
        self.intervals.iter().map(|(first, last)| (*first, *last))
    }

    /// Takes one number out; false when it was not there.
    pub(super) fn take(&mut self, number: u128) -> bool {
        let Some((from, to)) = self.intervals.range_mut(..=number).next_back() else {
            return false;
        };
        let (first, last) = (*from, *to);
        if last < number {
            return false;
        }
        if first == number {
            self.intervals.remove(&first);
        } else {
            *to = number - 1;
        }
        if last > number {
            self.intervals.insert(number + 1, last);
        }
        self.count_less_one = self.count_less_one.and_then(|all| all.checked_sub(1));
        true
    }

    /// Takes what there is of `first..=last` out; false when nothing of it was there.
    pub(super) fn take_range(&mut self, first: u128, last: u128) -> bool {
        let mut taken = false;
        while let Some((from, to)) = self.at_or_before(last) {
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

    /// Puts one number in; false when it was there already.
    pub(super) fn give(&mut self, number: u128) -> bool {
        let next = number.checked_add(1);
        let mut near = self
            .intervals
            .range_mut(..=next.unwrap_or(number))
            .rev()
            .peekable();
        // Where an interval starts right behind it, the number is not in the set.
        let behind = near.next_if(|(from, _)| Some(**from) == next).map(|(_, to)| *to);
        let last = behind.unwrap_or(number);
        let joins = match near.next() {
            Some((_, to)) if *to >= number => return false,
            Some((_, to)) if *to + 1 == number => {
                *to = last;
                true
            }
            _ => false,
        };
        if let Some(next) = next.filter(|_| behind.is_some()) {
            self.intervals.remove(&next);
        }
        if !joins {
            self.intervals.insert(number, last);
        }
        let all = self.count_less_one;
        self.count_less_one = Some(all.map_or(0, |all| all.saturating_add(1)));
        true
    }

    /// Puts all of `first..=last` in.
    pub(super) fn give_range(&mut self, first: u128, last: u128) {
        self.take_range(first, last);
        let start = first
            .checked_sub(1)
            .and_then(|before| self.at_or_before(before).filter(|(_, to)| *to == before))
            .map_or(first, |(from, _)| from);
        let end = last
            .checked_add(1)
            .and_then(|next| self.intervals.remove(&next))
            .unwrap_or(last);
        self.intervals.insert(start, end);
        let more = last - first;
        let all = self.count_less_one;
        self.count_less_one = Some(all.map_or(more, |all| all.saturating_add(more).saturating_add(1)));
    }

    fn at_or_before(&self, number: u128) -> Option<(u128, u128)> {
        let (from, to) = self.intervals.range(..=number).next_back()?;
        Some((*from, *to))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn of(first: u128, last: u128) -> Intervals {
        let mut set = Intervals::default();
        set.give_range(first, last);
        set
    }

    #[test]
    fn the_ends_of_the_number_space_hold() {
        let mut all = of(0, u128::MAX);
        assert_eq!(all.count(), u128::MAX);
        assert!(all.take(u128::MAX) && all.take(0));
        assert_eq!(all.lowest_in(0, u128::MAX), Some(1));
        assert!(all.give(u128::MAX) && all.give(0) && !all.give(0));
        assert_eq!(all, of(0, u128::MAX));
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_of_numbers(steps in prop::collection::vec((0..4u8, 0..24u128, 0..6u128), 0..200)) {
            let mut set = of(2, 21);
            let mut model: BTreeSet<u128> = (2..=21).collect();
            for (kind, number, length) in steps {
                let span = number..=number + length;
                match kind {
                    0 => prop_assert_eq!(set.take(number), model.remove(&number)),
                    1 => {
                        let before = model.len();
                        model.retain(|one| !span.contains(one));
                        prop_assert_eq!(set.take_range(number, number + length), before != model.len());
                    }
                    2 => {
                        set.give_range(number, number + length);
                        model.extend(span.clone());
                    }
                    _ => prop_assert_eq!(set.give(number), model.insert(number)),
                }
                prop_assert_eq!(set.lowest_in(number, number + length), model.range(span).next().copied());
                prop_assert_eq!(set.contains(number), model.contains(&number));
                prop_assert_eq!(set.count(), model.len() as u128);
                prop_assert!(set.iter().zip(set.iter().skip(1)).all(|(one, next)| one.1 + 1 < next.0));
            }
        }
    }
}
