//! A map by numbers many of which lie close together: found by the page they lie on and their place among those there.

use std::collections::BTreeMap;

/// How many numbers lie on one page, as a power of two.
const PAGE: u32 = u64::BITS.ilog2();

/// Values by number.
#[derive(Clone, Debug)]
pub(super) struct Pages<T> {
    pages: BTreeMap<u128, Page<T>>,
}

/// The values of some numbers of a page: one bit for each number, in the order of the values.
#[derive(Clone, Debug)]
struct Page<T> {
    present: u64,
    values: Vec<T>,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self {
            pages: BTreeMap::new(),
        }
    }
}

impl<T> Pages<T> {
    /// The value of a number.
    pub(super) fn get(&self, number: u128) -> Option<&T> {
        let page = self.pages.get(&(number >> PAGE))?;
        page.values.get(page.find(bit(number)).ok()?)
    }

    /// The values of all numbers from `first` to `last`, sorted.
    pub(super) fn range(&self, first: u128, last: u128) -> impl Iterator<Item = (u128, &T)> {
        let pages = self.pages.range(first >> PAGE..=last >> PAGE);
        let all = pages.flat_map(|(at, page)| {
            let present = (0..u64::BITS).filter(|place| page.present >> place & 1 == 1);
            let numbers = present.map(|place| (*at << PAGE) | u128::from(place));
            numbers.zip(&page.values)
        });
        all.filter(move |(number, _)| (first..=last).contains(number))
    }

    /// Gives a number a value; the one it had.
    pub(super) fn insert(&mut self, number: u128, value: T) -> Option<T> {
        let page = self.pages.entry(number >> PAGE).or_default();
        match page.find(bit(number)) {
            Ok(place) => page
                .values
                .get_mut(place)
                .map(|known| std::mem::replace(known, value)),
            Err(place) => {
                page.present |= bit(number);
                page.values.insert(place, value);
                None
            }
        }
    }

    /// Takes the value of a number away.
    pub(super) fn remove(&mut self, number: u128) -> Option<T> {
        let page = self.pages.get_mut(&(number >> PAGE))?;
        let place = page.find(bit(number)).ok()?;
        page.present &= !bit(number);
        let value = page.values.remove(place);
        if page.present == 0 {
            self.pages.remove(&(number >> PAGE));
        }
        Some(value)
    }
}

impl<T> Page<T> {
    /// Where the value of a bit is, or would be.
    fn find(&self, bit: u64) -> Result<usize, usize> {
        let before = (self.present & (bit - 1)).count_ones() as usize;
        if self.present & bit == 0 {
            Err(before)
        } else {
            Ok(before)
        }
    }
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            present: 0,
            values: Vec::new(),
        }
    }
}

fn bit(number: u128) -> u64 {
    1 << (number % u128::from(u64::BITS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_map(steps in prop::collection::vec((0..3u8, 0..200u128, any::<u8>()), 0..200)) {
            let mut pages = Pages::default();
            let mut model = BTreeMap::new();
            for (kind, number, value) in steps {
                // The upper end of the number space is part of what is tried.
                let number = u128::MAX - 199 + number;
                if kind == 0 {
                    prop_assert_eq!(pages.remove(number), model.remove(&number));
                } else {
                    prop_assert_eq!(pages.insert(number, value), model.insert(number, value));
                }
                prop_assert_eq!(pages.get(number), model.get(&number));
                let last = number.saturating_add(u128::from(value));
                prop_assert!(pages.range(number, last).eq(model.range(number..=last).map(|(at, one)| (*at, one))));
                prop_assert!(pages.pages.values().all(|page| page.present != 0));
            }
        }
    }
}
