//! Other stations that say, by no claim that counts, that they have an address held here.

use std::time::Duration;

use super::{Action, Heard, NicIndex, Watch};
use crate::finding::Sight;
use crate::inventory::Mac;
use crate::time::Instant;

/// How often an address is defended, whoever says that it has it: RFC 5227 §2.4 (c).
const DEFENCE_INTERVAL: Duration = Duration::from_secs(10);

/// How many stations are told of in that time: who makes them up should not fill the events with them.
const MOST_STATIONS: usize = 4;

/// An address that others say they have.
#[derive(Clone, Debug, Default)]
pub(super) struct Contest {
    defended: Option<Instant>,
    /// Where it is to be defended again as soon as it may be: who heard the last word of another believes it until then.
    owed: Option<NicIndex>,
    /// The stations that were told of lately, and when.
    told: Vec<(Mac, Instant)>,
}

impl Contest {
    /// Another has said so on an interface: it is to be defended there, now or later.
    fn owe(&mut self, nic: NicIndex) {
        self.owed = Some(nic);
    }

    /// Where it is to be defended now.
    fn defend(&mut self, now: Instant) -> Option<NicIndex> {
        let nic = self
            .owed
            .take_if(|_| self.defended.is_none_or(|last| is_past(last, now)))?;
        self.defended = Some(now);
        Some(nic)
    }

    /// When it is to be defended next, or forgotten.
    fn next(&self) -> Instant {
        self.defended
            .map_or(Instant::default(), |last| last + DEFENCE_INTERVAL)
    }

    /// Whether a station is to be told of now.
    fn tell(&mut self, station: Mac, now: Instant) -> bool {
        self.told.retain(|(_, last)| !is_past(*last, now));
        let is_known = self.told.iter().any(|(one, _)| *one == station);
        let is_news = !is_known && self.told.len() < MOST_STATIONS;
        if is_news {
            self.told.push((station, now));
        }
        is_news
    }

    /// Whether nothing of it matters any more.
    fn is_over(&self, now: Instant) -> bool {
        // Nobody is told of later than it was defended, or is owed to be.
        self.owed.is_none() && self.defended.is_none_or(|last| is_past(last, now))
    }
}

fn is_past(last: Instant, now: Instant) -> bool {
    now - last >= DEFENCE_INTERVAL
}

impl Watch {
    /// Another station says, by no claim that counts, that it has an address held here.
    pub fn contested(&mut self, heard: Heard, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.members.node_of(heard.from).is_some() {
            self.heard_other(heard, now, &mut actions);
        }
        let Heard { nic, from, address } = heard;
        let primary = self.index.group_of(address).cloned();
        let part = primary.as_ref().and_then(|primary| self.part(primary));
        if part.is_none() {
            return actions;
        }
        let contest = self.contests.entry(address).or_default();
        contest.owe(nic);
        if let Some(nic) = contest.defend(now) {
            actions.push(Action::Defend { nic, address });
        }
        if contest.tell(from, now)
            && let Some(link) = self.links.get(&nic)
        {
            let sight = Sight::Conflict {
                address,
                interface: link.nic.interface.name.clone(),
                mac: from,
            };
            actions.push(Action::Tell(primary, sight));
        }
        actions
    }

    /// Defends what was contested again before it might be defended.
    pub(super) fn defend(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let due = self.contests.iter_mut().filter_map(|(address, contest)| {
            let nic = contest.defend(now)?;
            Some((nic, *address))
        });
        let due: Vec<_> = due.collect();
        self.contests.retain(|_, contest| !contest.is_over(now));
        for (nic, address) in due {
            let primary = self.index.group_of(address);
            if primary.is_some_and(|primary| self.part(primary).is_some()) {
                actions.push(Action::Defend { nic, address });
            }
        }
    }

    /// When [`Self::defend`] has something to do next.
    pub(super) fn next_defence(&self) -> Option<Instant> {
        self.contests.values().map(Contest::next).min()
    }
}
