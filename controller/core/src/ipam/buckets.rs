//! Items in order, found by a label: what a selector can match is found without looking at what it cannot.
//!
//! Pools lie where their selector points, and services look at the places their labels name; services that wait lie
//! at all places their labels name, and pools look where their selector points.

use std::collections::{BTreeMap, BTreeSet, btree_set};
use std::iter::Peekable;
use std::ops::Bound;

use crate::selector::{Labels, Selector};

/// Where an item lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// With those that no label finds.
    Any,
    /// With those of one label and value.
    Label(&'a str, &'a str),
}

/// The places a selector points at: those of one requirement that names values, or the one for all.
pub(super) fn pointed_at(selector: &Selector) -> Vec<Place<'_>> {
    match selector.anchor() {
        Some((key, values)) => values.iter().map(|value| Place::Label(key, value)).collect(),
        None => vec![Place::Any],
    }
}

/// The places at which everything lies that could match these labels.
pub(super) fn named_by(labels: &Labels) -> impl Iterator<Item = Place<'_>> {
    let labelled = labels.iter().map(|(key, value)| Place::Label(key, value));
    std::iter::once(Place::Any).chain(labelled)
}

/// Items by place.
#[derive(Clone, Debug)]
pub(super) struct Buckets<T> {
    any: BTreeSet<T>,
    labelled: BTreeMap<String, BTreeMap<String, BTreeSet<T>>>,
}

impl<T> Default for Buckets<T> {
    fn default() -> Self {
        Self {
            any: BTreeSet::new(),
            labelled: BTreeMap::new(),
        }
    }
}

impl<T: Ord + Clone> Buckets<T> {
    /// Lays the item down.
    pub(super) fn insert(&mut self, place: Place<'_>, item: &T) {
        let bucket = match place {
            Place::Any => &mut self.any,
            Place::Label(key, value) => {
                let values = self.labelled.entry(key.to_owned()).or_default();
                values.entry(value.to_owned()).or_default()
            }
        };
        bucket.insert(item.clone());
    }

    /// Takes the item away.
    pub(super) fn remove(&mut self, place: Place<'_>, item: &T) {
        let (key, value) = match place {
            Place::Any => {
                self.any.remove(item);
                return;
            }
            Place::Label(key, value) => (key, value),
        };
        let Some(values) = self.labelled.get_mut(key) else {
            return;
        };
        if let Some(bucket) = values.get_mut(value) {
            bucket.remove(item);
            if bucket.is_empty() {
                values.remove(value);
            }
        }
        if values.is_empty() {
            self.labelled.remove(key);
        }
    }

    /// The items of several places behind `after`, in one order.
    pub(super) fn in_order<'a>(
        &'a self,
        places: impl IntoIterator<Item = Place<'a>>,
        after: Option<&T>,
    ) -> InOrder<'a, T> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut buckets: Vec<_> = Vec::with_capacity(1);
        // Labels, which come behind, are not even looked at where they find nothing.
        let worth = if self.labelled.is_empty() { 1 } else { usize::MAX };
        for place in places.into_iter().take(worth) {
            let bucket = match place {
                Place::Any => Some(&self.any),
                Place::Label(key, value) => self.labelled.get(key).and_then(|values| values.get(value)),
            };
            if let Some(bucket) = bucket.filter(|bucket| !bucket.is_empty()) {
                buckets.push(bucket.range((start, Bound::Unbounded)).peekable());
            }
        }
        InOrder { buckets }
    }
}

/// Several ordered buckets as one.
pub(super) struct InOrder<'a, T> {
    buckets: Vec<Peekable<btree_set::Range<'a, T>>>,
}

impl<'a, T: Ord> Iterator for InOrder<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        let mut first: Option<(usize, &'a T)> = None;
        for (index, bucket) in self.buckets.iter_mut().enumerate() {
            if let Some(item) = bucket.peek().copied()
                && first.is_none_or(|(_, before)| item < before)
            {
                first = Some((index, item));
            }
        }
        let (index, _) = first?;
        self.buckets.get_mut(index)?.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_finds_the_pools_that_could_match_in_their_order() {
        let blue = Selector::everything().with_label("color", "blue");
        let either = Selector::everything()
            .with_expression("color", "In", &["blue".into(), "red".into()])
            .unwrap();
        let mut pools = Buckets::default();
        for (rank, selector) in [(3, &blue), (2, &either), (1, &Selector::everything())] {
            for place in pointed_at(selector) {
                pools.insert(place, &rank);
            }
        }
        let found = |pools: &Buckets<i32>, color: &str, after: Option<&i32>| {
            let labels: Labels = [("color".to_owned(), color.to_owned())].into();
            pools
                .in_order(named_by(&labels), after)
                .copied()
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&pools, "blue", None), [1, 2, 3]);
        assert_eq!(found(&pools, "red", Some(&1)), [2]);
        assert_eq!(found(&pools, "green", None), [1]);
        for place in pointed_at(&either) {
            pools.remove(place, &2);
        }
        assert_eq!(found(&pools, "red", None), [1]);
        assert_eq!(found(&pools, "blue", None), [1, 3]);
    }
}
