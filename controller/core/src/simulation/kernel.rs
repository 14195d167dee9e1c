//! What the kernel of a node does about addresses, with or without user space: it answers while the gate is open, and yields
//! to a member's claim that beats its own binding (the rule of `lightship_abi::fence`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use lightship_abi::order::Order;

use crate::inventory::Mac;
use crate::time::Instant;
use crate::watch::NicIndex;

pub(super) type Key = (IpAddr, NicIndex);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) order: Order,
    pub(super) confirmed: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tombstone {
    pub(super) order: Order,
    pub(super) from: Mac,
    pub(super) at: Instant,
}

/// What a frame about one of our addresses leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    Yielded,
    Conflict,
    Ignored,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Kernel {
    pub(super) entries: BTreeMap<Key, Entry>,
    pub(super) tombstones: BTreeMap<Key, Tombstone>,
    pub(super) members: BTreeSet<Mac>,
    pub(super) own: BTreeSet<Mac>,
    pub(super) beat: Option<Instant>,
}

impl Kernel {
    /// By which order it answers for an address.
    pub(super) fn answers(&self, key: &Key, now: Instant, most: Duration) -> Option<Order> {
        let entry = self.entries.get(key)?;
        let is_alive = self.beat.is_some_and(|beat| now - beat <= most);
        (is_alive && !self.is_fenced(key)).then_some(entry.order)
    }

    /// Whether a tombstone keeps an entry from being answered.
    pub(super) fn is_fenced(&self, key: &Key) -> bool {
        let (Some(entry), Some(left)) = (self.entries.get(key), self.tombstones.get(key)) else {
            return false;
        };
        let is_confirmed = entry.confirmed.is_some_and(|read| read > left.at);
        !entry.order.beats(left.order) && !is_confirmed
    }

    /// A frame tells that a station has one of our addresses.
    pub(super) fn told(&mut self, key: Key, from: Mac, claim: Option<Order>, now: Instant) -> Judgement {
        let Some(entry) = self.entries.get(&key) else {
            return Judgement::Ignored;
        };
        if self.own.contains(&from) {
            return Judgement::Ignored;
        }
        let claim = claim.filter(|_| self.members.contains(&from));
        if let Some(order) = claim.filter(|claim| claim.beats(entry.order)) {
            let before = self.tombstones.get(&key).copied();
            let left = match before {
                Some(before) if before.order.beats(order) => Tombstone { at: now, ..before },
                _ => Tombstone { order, from, at: now },
            };
            self.tombstones.insert(key, left);
            return Judgement::Yielded;
        }
        if self.is_fenced(&key) {
            return Judgement::Ignored;
        }
        Judgement::Conflict
    }
}
