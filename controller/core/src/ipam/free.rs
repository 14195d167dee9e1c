//! Free addresses as numbers. What is whole lies in intervals, so that all of IPv6 costs no more than one address; what is
//! scattered lies in words of bits, so that a million addresses taken all over cost no more than taken in order.

use std::collections::BTreeMap;

use super::intervals::Intervals;

/// So many numbers one word of bits stands for.
const PER_WORD: u128 = u64::BITS as u128;

/// The same as a power of two.
const WORD: u32 = PER_WORD.ilog2();

/// A set of numbers in which every operation is O(log) of the words and intervals it consists of.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Free {
    /// Words of which every number is free.
    whole: Intervals,
    /// Words of which some are: one bit for each.
    parts: BTreeMap<u128, u64>,
    in_parts: u128,
}

impl Free {
    /// The lowest number within `first..=last`.
    #[must_use]
    pub fn lowest_in(&self, first: u128, last: u128) -> Option<u128> {
        let (word, end) = (first >> WORD, last >> WORD);
        let here = self.bits(word) & from(first);
        let lowest = if here == 0 {
            let next = word.checked_add(1).filter(|next| *next <= end)?;
            let part = self.parts.range(next..=end).next();
            let part = part.map(|(word, bits)| lowest_of(*word, *bits));
            let whole = self.whole.lowest_in(next, end).map(|word| word << WORD);
            part.into_iter().chain(whole).min()?
        } else {
            lowest_of(word, here)
        };
        (lowest <= last).then_some(lowest)
    }

    /// How many there are, the highest number for all of IPv6.
    #[must_use]
    pub fn count(&self) -> u128 {
        let whole = self.whole.count().saturating_mul(PER_WORD);
        whole.saturating_add(self.in_parts)
    }

    /// Takes one number out; false when it was not there.
    pub fn take(&mut self, number: u128) -> bool {
        let (word, bit) = place(number);
        let before = self.bits(word);
        self.put(word, before, before & !bit);
        before & bit != 0
    }

    /// Puts one number in; false when it was there already.
    pub fn give(&mut self, number: u128) -> bool {
        let (word, bit) = place(number);
        let before = self.bits(word);
        self.put(word, before, before | bit);
        before & bit == 0
    }

    /// Takes all of `first..=last` out.
    pub(super) fn take_range(&mut self, first: u128, last: u128) {
        for (word, bits) in ends(first, last) {
            let before = self.bits(word);
            self.put(word, before, before & !bits);
        }
        if let Some((first, last)) = between(first, last) {
            self.clear(first, last);
        }
    }

    /// Puts all of `first..=last` in.
    pub fn give_range(&mut self, first: u128, last: u128) {
        for (word, bits) in ends(first, last) {
            let before = self.bits(word);
            self.put(word, before, before | bits);
        }
        if let Some((first, last)) = between(first, last) {
            self.clear(first, last);
            self.whole.give_range(first, last);
        }
    }

    fn bits(&self, word: u128) -> u64 {
        match self.parts.get(&word) {
            Some(bits) => *bits,
            None if self.whole.contains(word) => u64::MAX,
            None => 0,
        }
    }

    fn put(&mut self, word: u128, before: u64, after: u64) {
        if before == after {
            return;
        }
        match before {
            0 => {}
            u64::MAX => {
                self.whole.take(word);
            }
            part => self.in_parts -= u128::from(part.count_ones()),
        }
        match after {
            0 => {
                self.parts.remove(&word);
            }
            u64::MAX => {
                self.parts.remove(&word);
                self.whole.give(word);
            }
            part => {
                self.in_parts += u128::from(part.count_ones());
                self.parts.insert(word, part);
            }
        }
    }

    fn clear(&mut self, first: u128, last: u128) {
        self.whole.take_range(first, last);
        while let Some((word, bits)) = self.parts.range(first..=last).next() {
            let (word, bits) = (*word, *bits);
            self.put(word, bits, 0);
        }
    }
}

/// The word of a number, and its bit there.
fn place(number: u128) -> (u128, u64) {
    (number >> WORD, 1 << (number % PER_WORD))
}

/// The bits of a number and of those behind it in its word.
fn from(number: u128) -> u64 {
    u64::MAX << (number % PER_WORD)
}

/// The bits of a number and of those before it in its word.
fn up_to(number: u128) -> u64 {
    u64::MAX >> (PER_WORD - 1 - number % PER_WORD)
}

fn lowest_of(word: u128, bits: u64) -> u128 {
    (word << WORD) | u128::from(bits.trailing_zeros())
}

/// The words at both ends of a range, with their bits that lie in it.
fn ends(first: u128, last: u128) -> impl Iterator<Item = (u128, u64)> {
    let (low, high) = (first >> WORD, last >> WORD);
    let (low_bits, high_bits) = if low == high {
        (from(first) & up_to(last), None)
    } else {
        (from(first), Some((high, up_to(last))))
    };
    std::iter::once((low, low_bits)).chain(high_bits)
}

/// The words between those at the ends of a range.
fn between(first: u128, last: u128) -> Option<(u128, u128)> {
    let (low, high) = (first >> WORD, last >> WORD);
    (high - low > 1).then(|| (low + 1, high - 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn of(first: u128, last: u128) -> Free {
        let mut set = Free::default();
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

    #[test]
    fn what_was_scattered_and_is_whole_again_is_as_it_was() {
        let mut set = of(10, 4_000);
        let even = || (10..=4_000).step_by(2);
        assert!(even().all(|number| set.take(number)));
        assert_eq!(set.lowest_in(0, 4_000), Some(11));
        assert_eq!(set.count(), 1_995);
        assert!(even().all(|number| set.give(number)));
        assert_eq!(set, of(10, 4_000));
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_of_numbers(
            base in prop_oneof![Just(0), Just(1_000), Just(u128::MAX - 400)],
            steps in prop::collection::vec((0..4u8, 0..260u128, 0..140u128), 0..80),
        ) {
            let mut set = of(base + 2, base + 200);
            let mut model: BTreeSet<u128> = (base + 2..=base + 200).collect();
            for (kind, number, length) in steps {
                let number = base + number;
                let last = number + length;
                match kind {
                    0 => prop_assert_eq!(set.take(number), model.remove(&number)),
                    1 => {
                        set.take_range(number, last);
                        model.retain(|one| !(number..=last).contains(one));
                    }
                    2 => {
                        set.give_range(number, last);
                        model.extend(number..=last);
                    }
                    _ => prop_assert_eq!(set.give(number), model.insert(number)),
                }
                prop_assert_eq!(set.lowest_in(number, last), model.range(number..=last).next().copied());
                prop_assert_eq!(set.lowest_in(base, base + 400), model.first().copied());
                prop_assert_eq!(set.count(), model.len() as u128);
                prop_assert!(set.parts.values().all(|bits| *bits != 0 && *bits != u64::MAX));
            }
        }
    }
}
