//! Other stations that say, by no claim that counts, that they have an address held here.

use super::{Action, Heard, Watch};
use crate::finding::Sight;
use crate::inventory::Mac;
use crate::time::Instant;

/// How often an address is defended, whoever says that it has it: RFC 5227 §2.4 (c).
const DEFENCE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(10);

/// How many stations are told of in that time: who makes them up should not fill the events with them.
const MOST_STATIONS: usize = 4;

/// An address that others say they have.
#[derive(Clone, Debug, Default)]
pub(super) struct Contest {
    defended: Option<Instant>,
    /// The stations that were told of lately, and when.
    told: Vec<(Mac, Instant)>,
}

impl Contest {
    /// Whether it is to be defended now.
    fn defend(&mut self, now: Instant) -> bool {
        let is_due = self.defended.is_none_or(|last| is_past(last, now));
        if is_due {
            self.defended = Some(now);
        }
        is_due
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
        if contest.defend(now) {
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
}
