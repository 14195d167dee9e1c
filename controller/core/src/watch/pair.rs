//! One station on one of our interfaces: which of its addresses is asked for next, and what its silence means.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::names::NodeName;
use crate::time::Instant;

/// How often a station is asked.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(100);
/// How long an answer may take; kernels answer in microseconds.
pub const ANSWER_DEADLINE: Duration = Duration::from_millis(50);
/// How many misses in a row are suspicious.
pub const MISSES: u32 = 3;
/// How long ago a station may have been heard for its silence to mean anything: that is what "same segment" means.
pub const ARMED: Duration = Duration::from_mins(1);
/// How often a station is asked that has not been heard for so long.
const UNARMED_INTERVAL: Duration = Duration::from_secs(1);
/// How long a new binding may take to be answered for the first time.
const SETTLING: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
struct Address {
    since: Instant,
    answered: bool,
    misses: u32,
    first_missed: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    address: IpAddr,
    sent: Instant,
    /// When a witness was last heard before it was sent.
    witness: Option<Instant>,
}

/// How often a station is asked that may not be there at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Seldom, until it was heard.
    OnceHeard,
    /// As any other.
    Always,
}

/// A silence that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Silence {
    /// When the first missed probe was sent.
    pub(super) since: Instant,
    /// When a witness was last heard before the last missed probe was sent.
    pub(super) witness: Option<Instant>,
    /// The only address it is about; all of them when `None`.
    pub(super) address: Option<IpAddr>,
}

/// A station that is asked.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    /// Whose station it is.
    pub(super) node: NodeName,
    pace: Pace,
    addresses: BTreeMap<IpAddr, Address>,
    cursor: Option<IpAddr>,
    heard: Option<Instant>,
    pending: Option<Pending>,
    misses: u32,
    first_missed: Instant,
    witness: Option<Instant>,
    next: Instant,
    /// Whether the last probe went to an address that is doubted alone; the next one goes to a sibling then.
    rechecked: bool,
}

impl Pair {
    pub(super) fn new(node: NodeName, pace: Pace, now: Instant) -> Self {
        Self {
            node,
            pace,
            addresses: BTreeMap::new(),
            cursor: None,
            heard: None,
            pending: None,
            misses: 0,
            first_missed: now,
            witness: None,
            next: now,
            rechecked: false,
        }
    }

    /// Addresses to ask for from now on, beside those it is asked for already.
    pub(super) fn ask_for(&mut self, addresses: &BTreeSet<IpAddr>, now: Instant) {
        for address in addresses {
            self.addresses.entry(*address).or_insert(Address {
                since: now,
                answered: false,
                misses: 0,
                first_missed: now,
            });
        }
    }

    /// Addresses not to ask for any more.
    pub(super) fn forget(&mut self, addresses: &[IpAddr]) {
        for address in addresses {
            self.addresses.remove(address);
            if self.pending.is_some_and(|pending| pending.address == *address) {
                self.pending = None;
            }
        }
    }

    /// Whether there is nothing left to ask for.
    pub(super) fn is_done(&self) -> bool {
        self.addresses.is_empty()
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.keys().copied()
    }

    /// When [`Self::expire`] or [`Self::take_due`] has something to do next.
    pub(super) fn next(&self) -> Instant {
        match self.pending {
            Some(pending) => self.next.min(pending.sent + ANSWER_DEADLINE),
            None => self.next,
        }
    }

    /// The address to ask for now, if it is time; `witness` tells when anybody else was last heard here.
    pub(super) fn take_due(
        &mut self,
        now: Instant,
        witness: impl FnOnce(&NodeName) -> Option<Instant>,
    ) -> Option<IpAddr> {
        if now < self.next {
            return None;
        }
        let address = self.choose()?;
        // Who answers needs no witness, and looking for one is not for nothing.
        let witness = if self.misses > 0 {
            witness(&self.node)
        } else {
            None
        };
        self.pending = Some(Pending {
            address,
            sent: now,
            witness,
        });
        let interval = if self.pace == Pace::Always || self.is_armed(now) {
            PROBE_INTERVAL
        } else {
            UNARMED_INTERVAL
        };
        // From when it was due, so that probing neither drifts nor catches up.
        self.next = (self.next + interval).max(now + interval / 2);
        Some(address)
    }

    fn choose(&mut self) -> Option<IpAddr> {
        let doubted = self.addresses.iter().find(|(_, one)| one.misses > 0);
        if let (Some((address, _)), 0, false) = (doubted, self.misses, self.rechecked) {
            self.rechecked = true;
            return Some(*address);
        }
        self.rechecked = false;
        let after = |cursor: IpAddr| {
            let later = (std::ops::Bound::Excluded(cursor), std::ops::Bound::Unbounded);
            self.addresses.range(later).next()
        };
        let next = self
            .cursor
            .and_then(after)
            .or_else(|| self.addresses.iter().next())
            .map(|(address, _)| *address);
        self.cursor = next;
        next
    }

    /// The station answered for an address; false when it was not asked for it.
    pub(super) fn answered(&mut self, address: IpAddr, now: Instant) -> bool {
        if !self.addresses.contains_key(&address) {
            return false;
        }
        if self.misses > 1 {
            // The whole station was away: what was missed says nothing of single addresses.
            self.addresses.values_mut().for_each(|one| one.misses = 0);
        }
        if let Some(one) = self.addresses.get_mut(&address) {
            (one.answered, one.misses) = (true, 0);
        }
        (self.heard, self.misses) = (Some(now), 0);
        if self.pending.is_some_and(|pending| pending.address == address) {
            self.pending = None;
        }
        true
    }

    /// Counts the probe whose time is over; true when it was missed.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let due = self.pending.filter(|one| now >= one.sent + ANSWER_DEADLINE);
        let Some(Pending {
            address,
            sent,
            witness,
        }) = due
        else {
            return false;
        };
        self.pending = None;
        let Some(one) = self.addresses.get_mut(&address) else {
            return false;
        };
        if !one.answered && now - one.since < SETTLING {
            return false;
        }
        if one.misses == 0 {
            one.first_missed = sent;
        }
        if self.misses == 0 {
            self.first_missed = sent;
        }
        one.misses += 1;
        self.misses += 1;
        self.witness = witness;
        true
    }

    /// Forgets what was missed: the counting cannot be trusted.
    pub(super) fn void(&mut self) {
        self.pending = None;
        self.misses = 0;
        self.addresses.values_mut().for_each(|one| one.misses = 0);
    }

    /// The silence that is long enough to mean something, of the station or else of one address.
    pub(super) fn silence(&self) -> Option<Silence> {
        if self.misses >= MISSES && self.is_armed(self.first_missed) {
            return Some(Silence {
                since: self.first_missed,
                witness: self.witness,
                address: None,
            });
        }
        let (address, one) = self.addresses.iter().find(|(_, one)| one.misses >= MISSES)?;
        self.is_armed(one.first_missed).then_some(Silence {
            since: one.first_missed,
            witness: self.witness,
            address: Some(*address),
        })
    }

    /// The addresses that a silence is about. One that the station got since it was last heard is not among them: who never
    /// heard it as that holder cannot tell whether it is gone, or out of earshot since.
    pub(super) fn silenced(&self, silence: Silence) -> impl Iterator<Item = IpAddr> + '_ {
        let meant = move |address: IpAddr| silence.address.is_none_or(|only| only == address);
        let addresses = self.addresses.iter();
        addresses
            .filter(move |(address, one)| {
                meant(**address) && self.heard.is_some_and(|heard| heard >= one.since)
            })
            .map(|(address, _)| *address)
    }

    /// Whether witnesses should be asked: at the first misses, and now and then when it stays silent.
    pub(super) fn wants_witnesses(&self) -> bool {
        (1..=2 * MISSES).contains(&self.misses) || self.misses % 10 == 1
    }

    /// How many probes in a row were missed.
    pub(super) fn misses(&self) -> u32 {
        self.misses
    }

    fn is_armed(&self, at: Instant) -> bool {
        self.heard.is_some_and(|heard| at - heard <= ARMED)
    }
}
