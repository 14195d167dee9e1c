//! The announcements to come on one interface, in the order in which they go when there is not room for all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::REPEATS;
use super::budget::{Budget, Urgency};
use crate::time::Instant;

/// What has to wait for room waits for room for as many: each look at what is due costs time.
const AT_ONCE: u32 = 20;

/// The golden ratio's fraction of 2⁶⁴: its multiples divide a circle evenly, however many they are.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What an announcement is for; the first goes before the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Clients and the former holder do not know yet.
    First,
    /// They may have missed it.
    Repeat,
    /// They may have forgotten it.
    Refresh,
}

impl Class {
    const ALL: [Self; 3] = [Self::First, Self::Repeat, Self::Refresh];

    /// How long it lets others go before it. Then it is urgent itself, and who comes later waits for it.
    fn patience(self) -> Duration {
        match self {
            Self::First => Duration::ZERO,
            Self::Repeat => Duration::from_secs(1),
            Self::Refresh => Duration::from_secs(10),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Planned {
    class: Class,
    due: Instant,
    /// When it was announced first, unless it was found held.
    begun: Option<Instant>,
    /// Where in the interval it is refreshed, as a fraction of 2⁶⁴.
    phase: u64,
}

/// One interface's announcements.
#[derive(Clone, Debug)]
pub(super) struct Line<K> {
    interval: Duration,
    planned: BTreeMap<K, Planned>,
    /// The same by class, and by when it is due.
    waiting: BTreeMap<Class, BTreeSet<(Instant, K)>>,
    budget: Budget,
    /// The phase of the address that came last.
    phase: u64,
}

impl<K: Ord + Clone> Line<K> {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            planned: BTreeMap::new(),
            waiting: BTreeMap::new(),
            budget: Budget::default(),
            phase: 0,
        }
    }

    pub(super) fn take(&mut self, key: K, from: Instant) {
        let known = self.planned.get(&key).copied();
        // Whose first announcement waits already keeps its place.
        if known.is_some_and(|known| known.class == Class::First) {
            return;
        }
        let taken = Planned {
            class: Class::First,
            due: from,
            begun: None,
            phase: known.map_or_else(|| self.next_phase(), |known| known.phase),
        };
        self.plan(key, taken);
    }

    pub(super) fn adopt(&mut self, key: K, now: Instant) {
        if self.planned.contains_key(&key) {
            return;
        }
        let phase = self.next_phase();
        let found = Planned {
            class: Class::Refresh,
            due: next_turn(phase, self.interval, now),
            begun: None,
            phase,
        };
        self.plan(key, found);
    }

    pub(super) fn again(&mut self, key: &K, now: Instant) {
        let known = self.planned.get(key).copied();
        if let Some(known) = known.filter(|known| known.due > now) {
            let again = Planned {
                class: Class::Repeat,
                due: now,
                ..known
            };
            self.plan(key.clone(), again);
        }
    }

    pub(super) fn retain(&mut self, held: impl Fn(&K) -> bool) {
        for (key, lost) in self.planned.extract_if(.., |key, _| !held(key)) {
            if let Some(waiting) = self.waiting.get_mut(&lost.class) {
                waiting.remove(&(lost.due, key));
            }
        }
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Vec<K> {
        let mut sent = Vec::new();
        while let Some((deadline, class)) = self.most_urgent(now) {
            let urgency = if deadline <= now {
                Urgency::Urgent
            } else {
                Urgency::Patient
            };
            if self.budget.room_at(urgency, 1) > now {
                break;
            }
            let Some((_, key)) = self.waiting.get_mut(&class).and_then(BTreeSet::pop_first) else {
                break;
            };
            self.budget.spend(now);
            if let Some(planned) = self.planned.get(&key).copied() {
                self.plan(key.clone(), self.after(planned, now));
            }
            sent.push(key);
        }
        sent
    }

    /// When [`Self::take_due`] has something next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let heads = Class::ALL.into_iter().filter_map(|class| {
            let due = self.head(class)?;
            let patiently = self.room_from(due, Urgency::Patient);
            Some(patiently.min(self.room_from(due + class.patience(), Urgency::Urgent)))
        });
        heads.min()
    }

    fn room_from(&self, earliest: Instant, urgency: Urgency) -> Instant {
        if self.budget.room_at(urgency, 1) <= earliest {
            return earliest;
        }
        self.budget.room_at(urgency, AT_ONCE)
    }

    /// Of what is due, the class of what others have to wait for, and until when it waits for others.
    fn most_urgent(&self, now: Instant) -> Option<(Instant, Class)> {
        let heads = Class::ALL.into_iter().filter_map(|class| {
            let due = self.head(class).filter(|due| *due <= now)?;
            Some((due + class.patience(), class))
        });
        heads.min()
    }

    fn head(&self, class: Class) -> Option<Instant> {
        let (due, _) = self.waiting.get(&class)?.first()?;
        Some(*due)
    }

    /// What follows on an announcement that is sent now. Repetitions whose time has passed meanwhile are not made up for.
    fn after(&self, sent: Planned, now: Instant) -> Planned {
        let begun = match sent.class {
            Class::First => Some(now),
            Class::Repeat | Class::Refresh => sent.begun,
        };
        let repeats = begun
            .into_iter()
            .flat_map(|begun| REPEATS.map(|after| begun + after));
        let repeat = repeats.into_iter().find(|due| *due > now);
        let (class, due) = match repeat {
            Some(due) => (Class::Repeat, due),
            None => (Class::Refresh, next_turn(sent.phase, self.interval, now)),
        };
        Planned {
            class,
            due,
            begun,
            ..sent
        }
    }

    fn plan(&mut self, key: K, planned: Planned) {
        let waiting = self.waiting.entry(planned.class).or_default();
        waiting.insert((planned.due, key.clone()));
        if let Some(before) = self.planned.insert(key.clone(), planned)
            && (before.class, before.due) != (planned.class, planned.due)
            && let Some(waiting) = self.waiting.get_mut(&before.class)
        {
            waiting.remove(&(before.due, key));
        }
    }

    fn next_phase(&mut self) -> u64 {
        self.phase = self.phase.wrapping_add(GOLDEN);
        self.phase
    }
}

/// The first moment after `now` that is at this phase of the interval.
fn next_turn(phase: u64, interval: Duration, now: Instant) -> Instant {
    let interval = interval.as_nanos().max(1);
    let offset = (u128::from(phase) * interval) >> 64;
    let since_start = (now - Instant::default()).as_nanos();
    let passed = (since_start + interval - offset) % interval;
    let left = u64::try_from(interval - passed).unwrap_or(u64::MAX);
    now + Duration::from_nanos(left)
}
