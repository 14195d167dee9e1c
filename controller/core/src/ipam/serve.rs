//! Serving those who wait: only those whom what changed could serve, the oldest first.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::machine::Ipam;
use super::pool::PoolSpec;
use super::range::Family;
use super::waiting::Waiter;
use crate::time::Instant;

impl Ipam {
    /// Serves until nothing that was set free could serve anybody.
    pub(super) fn serve(&mut self, now: Instant) {
        if self.is_collecting() {
            return;
        }
        loop {
            if let Some((_, id)) = self.returning.pop_first().or_else(|| self.resettle.pop_first()) {
                self.settle(&id, now);
            } else if self.waiting.is_empty() {
                self.loosened.clear();
                self.loosened_keys.clear();
                return;
            } else if let Some(key) = self.loosened_keys.pop_first() {
                let waiters = self.waiting.for_key(&key).cloned().collect();
                self.settle_all(waiters, now);
            } else if let Some(address) = self.loosened.pop_first() {
                self.serve_address(address, now);
            } else {
                return;
            }
        }
    }

    /// Who waits for an address of this pool, or for any of an address family that it serves.
    pub(super) fn waiters_of(&self, pool: &PoolSpec) -> BTreeSet<Waiter> {
        let mut waiters = BTreeSet::new();
        for family in Family::BOTH {
            let any = self.waiting.for_pool(pool, family, None);
            waiters.extend(any.filter(|waiter| self.is_served_by(waiter, pool)).cloned());
        }
        for block in &pool.blocks {
            for address in self.waiting.addresses_within(block.range) {
                waiters.extend(self.waiting.for_address(address).cloned());
            }
        }
        waiters
    }

    /// An address was set free, or those who have it changed: whoever waits for it is told, and if it is free, the
    /// oldest of those who would take any.
    fn serve_address(&mut self, address: IpAddr, now: Instant) {
        for (_, id) in self.showing(address) {
            self.settle(&id, now);
        }
        let mut naming: BTreeSet<Waiter> = self.waiting.for_address(address).cloned().collect();
        let mut after: Option<Waiter> = None;
        loop {
            let any = self.next_for_any(address, after.as_ref());
            let next = match (naming.first(), any) {
                (Some(named), Some(any)) if *named > any => {
                    after = Some(any.clone());
                    any
                }
                (Some(_), _) => match naming.pop_first() {
                    Some(named) => named,
                    None => return,
                },
                (None, Some(any)) => {
                    after = Some(any.clone());
                    any
                }
                (None, None) => return,
            };
            self.settle(&next.1, now);
        }
    }

    /// The next of those who would take any address, while a pool that covers this one has one to give.
    fn next_for_any(&self, address: IpAddr, after: Option<&Waiter>) -> Option<Waiter> {
        let family = Family::of(address);
        let covering = self.pools.covering(address).map(|(_, pool)| pool);
        let open = covering.filter(|pool| pool.closed().is_none() && pool.has_free(family));
        let oldest = open.filter_map(|pool| {
            let mut waiters = self.waiting.for_pool(&pool.spec, family, after);
            waiters.find(|waiter| self.is_served_by(waiter, &pool.spec))
        });
        oldest.min().cloned()
    }

    fn is_served_by(&self, waiter: &Waiter, pool: &PoolSpec) -> bool {
        let tracked = self.services.get(&waiter.1);
        tracked.is_some_and(|tracked| pool.missed_by(&tracked.service).is_none())
    }
}
