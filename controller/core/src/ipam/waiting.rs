//! Services that lack something, filed by what could serve them, oldest first: at rest they cost nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Bound;

use super::buckets::{Buckets, named_by, pointed_at};
use super::pool::PoolSpec;
use super::range::{Family, PerFamily, Range};
use super::services::Id;
use super::sharing::SharingKey;
use super::verdict::{Kind, Reason, Verdict};
use crate::names::PoolName;
use crate::service::{Handling, Service};
use crate::time::Timestamp;

/// A service that waits; the older one comes first.
pub(super) type Waiter = (Timestamp, Id);

/// Everybody who waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    /// For any address of a family.
    any: PerFamily<Buckets<Waiter>>,
    /// For any address of a family from one pool.
    named: BTreeMap<(PoolName, Family), BTreeSet<Waiter>>,
    /// For one address.
    address: BTreeMap<IpAddr, BTreeSet<Waiter>>,
    /// For an address to share.
    key: BTreeMap<SharingKey, BTreeSet<Waiter>>,
    /// For a pool: what is said to them names pools.
    pool: BTreeSet<Waiter>,
    counts: BTreeMap<Kind, usize>,
    filed: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Filing {
    In,
    Out,
}

impl Waiting {
    /// Files a service by what it lacks.
    pub(super) fn insert(&mut self, waiter: &Waiter, service: &Service, verdict: Option<&Verdict>) {
        self.file(waiter, service, verdict, Filing::In);
    }

    /// Undoes [`Self::insert`], which was called with the same values.
    pub(super) fn remove(&mut self, waiter: &Waiter, service: &Service, verdict: Option<&Verdict>) {
        self.file(waiter, service, verdict, Filing::Out);
    }

    /// Whether nobody waits for anything.
    pub(super) fn is_empty(&self) -> bool {
        self.filed == 0
    }

    /// How many wait, by the first thing they lack.
    pub(super) fn counts(&self) -> &BTreeMap<Kind, usize> {
        &self.counts
    }

    /// Who waits for an address, oldest first.
    pub(super) fn for_address(&self, address: IpAddr) -> impl Iterator<Item = &Waiter> {
        self.address.get(&address).into_iter().flatten()
    }

    /// Addresses within a range for which somebody waits.
    pub(super) fn addresses_within(&self, range: Range) -> impl Iterator<Item = IpAddr> {
        let (first, last) = range.ends();
        self.address.range(first..=last).map(|(address, _)| *address)
    }

    /// Who could be waiting for any address of a family of this pool, oldest first.
    pub(super) fn for_pool<'a>(
        &'a self,
        pool: &'a PoolSpec,
        family: Family,
        after: Option<&Waiter>,
    ) -> impl Iterator<Item = &'a Waiter> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let places = pool.selector.as_ref().map(pointed_at).unwrap_or_default();
        let any = self.any.get(family).in_order(places, after).peekable();
        let named = self.named.get(&(pool.name.clone(), family));
        let named = named
            .into_iter()
            .flat_map(move |all| all.range((start, Bound::Unbounded)));
        Merged {
            one: any,
            other: named.peekable(),
        }
    }

    /// Who waits for an address to share with this key.
    pub(super) fn for_key(&self, key: &SharingKey) -> impl Iterator<Item = &Waiter> {
        self.key.get(key).into_iter().flatten()
    }

    /// Whether somebody waits for an address to share with this key.
    pub(super) fn waits_for_key(&self, key: &SharingKey) -> bool {
        self.key.contains_key(key)
    }

    /// Who waits for a pool.
    pub(super) fn for_any_pool(&self) -> impl Iterator<Item = &Waiter> {
        self.pool.iter()
    }

    fn file(&mut self, waiter: &Waiter, service: &Service, verdict: Option<&Verdict>, filing: Filing) {
        if matches!(verdict, Some(Verdict::Unsatisfied(_) | Verdict::Foreign { .. })) {
            match filing {
                Filing::In => self.filed += 1,
                Filing::Out => self.filed = self.filed.saturating_sub(1),
            }
        }
        let reasons = match verdict {
            Some(Verdict::Unsatisfied(reasons)) => reasons.as_slice(),
            Some(Verdict::Foreign { addresses, .. }) => {
                for address in addresses {
                    change(&mut self.address, address, waiter, filing);
                }
                // It is told which pool would serve it.
                if service.handling == Handling::Ours {
                    for family in Family::BOTH {
                        self.file_any(waiter, service, family, filing);
                    }
                }
                return;
            }
            Some(Verdict::Satisfied | Verdict::Deferred) | None => return,
        };
        for reason in reasons {
            match reason {
                Reason::NoPool { family, .. } => {
                    self.file_any(waiter, service, *family, filing);
                    match filing {
                        Filing::In => self.pool.insert(waiter.clone()),
                        Filing::Out => self.pool.remove(waiter),
                    };
                }
                Reason::OutOfAddresses { family, .. } => self.file_any(waiter, service, *family, filing),
                Reason::NotInAnyPool(address)
                | Reason::PoolMissed { address, .. }
                | Reason::Taken { address, .. }
                | Reason::CannotShare { address, .. }
                | Reason::Withheld { address, .. } => change(&mut self.address, address, waiter, filing),
                // Told, never decided: who waits for that is served by the next start.
                Reason::Frozen(_) | Reason::Unreadable(_) => {}
            }
        }
        if let Some(reason) = reasons.first() {
            let count = self.counts.entry(reason.kind()).or_default();
            match filing {
                Filing::In => *count += 1,
                Filing::Out => *count = count.saturating_sub(1),
            }
        }
    }

    fn file_any(&mut self, waiter: &Waiter, service: &Service, family: Family, filing: Filing) {
        if let Some(sharing) = &service.sharing {
            change(&mut self.key, &sharing.key, waiter, filing);
        }
        if let Some(pool) = &service.pool {
            return change(&mut self.named, &(pool.clone(), family), waiter, filing);
        }
        let buckets = self.any.get_mut(family);
        for place in named_by(&service.labels) {
            match filing {
                Filing::In => buckets.insert(place, waiter),
                Filing::Out => buckets.remove(place, waiter),
            }
        }
    }
}

fn change<K: Ord + Clone>(
    filed: &mut BTreeMap<K, BTreeSet<Waiter>>,
    key: &K,
    waiter: &Waiter,
    filing: Filing,
) {
    match filing {
        Filing::In => {
            filed.entry(key.clone()).or_default().insert(waiter.clone());
        }
        Filing::Out => {
            if let Some(waiters) = filed.get_mut(key) {
                waiters.remove(waiter);
                if waiters.is_empty() {
                    filed.remove(key);
                }
            }
        }
    }
}

/// Two ordered sequences as one.
struct Merged<I: Iterator, J: Iterator> {
    one: std::iter::Peekable<I>,
    other: std::iter::Peekable<J>,
}

impl<'a, I, J> Iterator for Merged<I, J>
where
    I: Iterator<Item = &'a Waiter>,
    J: Iterator<Item = &'a Waiter>,
{
    type Item = &'a Waiter;

    fn next(&mut self) -> Option<&'a Waiter> {
        match (self.one.peek(), self.other.peek()) {
            (Some(one), Some(other)) if other < one => self.other.next(),
            (Some(_), _) => self.one.next(),
            (None, _) => self.other.next(),
        }
    }
}
