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
/// How often witnesses are asked while a station stays silent.
const WITNESS_INTERVAL: Duration = Duration::from_millis(500);
/// How often a station is asked that has not been heard for so long.
const UNARMED_INTERVAL: Duration = Duration::from_secs(1);
/// How long a new binding may take to be answered for the first time, at a station that takes them up promptly.
const SETTLING: Duration = Duration::from_secs(2);
/// How long at one that does not: its heartbeat tells whether it lives.
const LONGEST_SETTLING: Duration = Duration::from_mins(2);
/// How many times as long as the slowest binding lately another one may take: whoever is behind with many loses a few of them, not
/// all, for every claim is one more thing for all agents to keep up with.
const SETTLING_FACTOR: u32 = 3;

#[derive(Clone, Debug)]
struct Address {
    since: Instant,
    taking_up: TakingUp,
    misses: u32,
    first_missed: Instant,
}

/// Whether a station answers for an address that it was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TakingUp {
    /// It was not asked for yet.
    Unasked,
    /// It was asked for and may not have been heard of there yet.
    Awaited,
    /// That took too long.
    Overdue,
    /// The station answered for it.
    Done,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    address: IpAddr,
    /// When it was sent; when that was decided, as long as nothing else is known.
    sent: Instant,
    is_sent: bool,
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
    /// When witnesses were last asked.
    witnesses_asked: Option<Instant>,
    next: Instant,
    /// Whether the last probe went to an address that is doubted alone; the next one goes to a sibling then.
    rechecked: bool,
    /// Whether it did not answer just now for an address that it may not have taken up yet.
    is_behind: bool,
    /// When it last answered for the first time for an address that was awaited.
    took_up: Option<Instant>,
    /// How long that took, at the slowest lately.
    slowest: Duration,
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
            witnesses_asked: None,
            next: now,
            rechecked: false,
            is_behind: false,
            took_up: None,
            slowest: Duration::ZERO,
        }
    }

    /// Addresses to ask for from now on, beside those it is asked for already.
    pub(super) fn ask_for(&mut self, addresses: &BTreeSet<IpAddr>, now: Instant) {
        for address in addresses {
            self.addresses.entry(*address).or_insert(Address {
                since: now,
                taking_up: TakingUp::Unasked,
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
            is_sent: false,
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
        // An address that was never answered for does not tell whether the station is there.
        let is_doubted = self.misses > 0 || self.is_behind;
        let next = self
            .following(|one| !is_doubted || one.taking_up == TakingUp::Done)
            .or_else(|| self.following(|_| true));
        self.cursor = next;
        next
    }

    /// The next address of a kind after the one asked for last, round robin.
    fn following(&self, is_meant: impl Fn(&Address) -> bool) -> Option<IpAddr> {
        use std::ops::Bound::{Excluded, Unbounded};
        let later = self
            .cursor
            .map(|cursor| self.addresses.range((Excluded(cursor), Unbounded)));
        let all = later.into_iter().flatten().chain(&self.addresses);
        all.filter(|(_, one)| is_meant(one))
            .map(|(address, _)| *address)
            .next()
    }

    /// The station answered for an address, however late; false when it was not asked for it.
    pub(super) fn answered(&mut self, address: IpAddr, now: Instant) -> bool {
        if !self.addresses.contains_key(&address) {
            return false;
        }
        if self.misses > 1 {
            // The whole station was away: what was missed says nothing of single addresses.
            self.addresses.values_mut().for_each(|one| one.misses = 0);
        }
        if let Some(one) = self.addresses.get_mut(&address) {
            if matches!(one.taking_up, TakingUp::Awaited | TakingUp::Overdue) {
                self.took_up = Some(now);
                self.slowest = (now - one.since).max(self.slowest / 8 * 7);
            }
            (one.taking_up, one.misses) = (TakingUp::Done, 0);
        }
        (self.heard, self.misses, self.is_behind) = (Some(now), 0, false);
        if self.pending.is_some_and(|pending| pending.address == address) {
            self.pending = None;
        }
        true
    }

    /// The probe that was to be sent has been sent by now.
    pub(super) fn sent(&mut self, now: Instant) {
        if let Some(pending) = self.pending.as_mut().filter(|one| !one.is_sent) {
            (pending.sent, pending.is_sent) = (now, true);
        }
    }

    #[cfg(test)]
    pub(super) fn awaits(&self, address: IpAddr) -> bool {
        self.pending.is_some_and(|pending| pending.address == address)
    }

    /// Counts the probe whose time is over; true when it was missed.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let due = self.pending.filter(|one| now >= one.sent + ANSWER_DEADLINE);
        let Some(Pending {
            address,
            sent,
            witness,
            ..
        }) = due
        else {
            return false;
        };
        self.pending = None;
        let settled = self.took_up;
        let patience = (self.slowest * SETTLING_FACTOR).clamp(SETTLING, LONGEST_SETTLING);
        let Some(one) = self.addresses.get_mut(&address) else {
            return false;
        };
        if matches!(one.taking_up, TakingUp::Unasked | TakingUp::Awaited) {
            // An agent that is behind with its bindings is not silent.
            let waited = now - settled.map_or(one.since, |at| at.max(one.since));
            if waited < patience {
                (self.is_behind, one.taking_up) = (true, TakingUp::Awaited);
                return false;
            }
            one.taking_up = TakingUp::Overdue;
            self.slowest = self.slowest.max(waited);
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
        (self.misses, self.is_behind) = (0, false);
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

    /// Whether witnesses should be asked after a miss: after the first ones, and now and then when it stays silent.
    pub(super) fn wants_witnesses(&mut self, now: Instant) -> bool {
        let is_due = self
            .witnesses_asked
            .is_none_or(|asked| now - asked >= WITNESS_INTERVAL);
        let wants = is_due || self.misses <= 2 * MISSES;
        if wants {
            self.witnesses_asked = Some(now);
        }
        wants
    }

    /// How many probes in a row were missed.
    pub(super) fn misses(&self) -> u32 {
        self.misses
    }

    fn is_armed(&self, at: Instant) -> bool {
        self.heard.is_some_and(|heard| at - heard <= ARMED)
    }
}
