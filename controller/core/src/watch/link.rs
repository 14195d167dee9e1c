//! This node's interfaces. One that comes back may find that somebody else answers on its segment by now, so before this
//! node answers there again its leases are read, or where the API server is away the segment is asked.

use std::collections::{BTreeMap, BTreeSet};

use super::group::{ASK_INTERVAL, ASKS, LOOK_INTERVAL};
use super::stations::Unlisted;
use super::view::{Nic, NicIndex};
use super::{Action, ReadAnswer, Watch};
use crate::names::ServiceId;
use crate::time::Instant;

/// An interface and whether this node may answer there.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) nic: Nic,
    state: State,
    /// The revision at which it was last another than before.
    pub(super) decided: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Sure,
    /// It came back; not every lease of this node's has been read since.
    Back {
        since: Instant,
        next_read: Instant,
    },
    /// The API server is away: the segment is asked.
    Asking {
        since: Instant,
        asked: u32,
        next: Instant,
    },
}

impl Link {
    fn become_sure(&mut self, revision: u64) {
        (self.state, self.decided) = (State::Sure, revision);
    }

    /// When it has something to do next.
    pub(super) fn next(&self) -> Option<Instant> {
        match self.state {
            State::Asking { next, .. } => Some(next),
            State::Back { next_read, .. } if self.nic.is_up() => Some(next_read),
            State::Sure | State::Back { .. } => None,
        }
    }

    pub(super) fn is_sure(&self) -> bool {
        self.state == State::Sure
    }

    /// Another station answered for an address here.
    pub(super) fn heard_other(&mut self, now: Instant) {
        if let State::Asking { asked, next, .. } = &mut self.state {
            (*asked, *next) = (0, now + LOOK_INTERVAL);
        }
    }
}

impl Watch {
    /// This node's interfaces as they are now.
    pub fn observe_nics(&mut self, nics: BTreeMap<NicIndex, Nic>, now: Instant) -> Vec<Action> {
        self.probing.unlisted = Unlisted::Everything;
        self.revision += 1;
        let is_first = self.links.is_empty();
        let known = std::mem::take(&mut self.links);
        for (index, nic) in nics {
            let before = known.get(&index);
            let was_up = before.is_some_and(|link| link.nic.is_up());
            let state = match before {
                None if is_first => State::Sure,
                Some(link) if was_up || !nic.is_up() => link.state,
                None | Some(_) => State::Back {
                    since: now,
                    next_read: now + LOOK_INTERVAL,
                },
            };
            let decided = match before {
                Some(link) if link.nic == nic && link.state == state => link.decided,
                _ => self.revision,
            };
            self.links.insert(index, Link { nic, state, decided });
        }
        if self.back_since().is_some() {
            // Who was away has nothing to hand over there: its successor may answer by now.
            for primary in self.busy.iter().cloned().collect::<Vec<_>>() {
                self.change(&primary, |group| group.leaving = None);
            }
        }
        self.read_unread().into_iter().collect()
    }

    /// The read that the interfaces that came back wait for; where nothing is left to read, they wait no longer.
    fn read_unread(&mut self) -> Option<Action> {
        let unread = self.unread_since(self.back_since()?);
        if !unread.is_empty() {
            return Some(Action::Read(unread));
        }
        self.revision += 1;
        for link in self.links.values_mut().filter(|link| link.nic.is_up()) {
            if let State::Back { .. } = link.state {
                link.become_sure(self.revision);
            }
        }
        None
    }

    /// When the last of the interfaces came back that wait for a read.
    fn back_since(&self) -> Option<Instant> {
        let up = self.links.values().filter(|link| link.nic.is_up());
        let back = up.filter_map(|link| match link.state {
            State::Back { since, .. } => Some(since),
            State::Sure | State::Asking { .. } => None,
        });
        back.max()
    }

    /// Whether this node may answer on an interface.
    #[must_use]
    pub fn is_sure_of(&self, nic: NicIndex) -> bool {
        self.links.get(&nic).is_some_and(Link::is_sure)
    }

    /// The groups that this node answers for by a lease that was not read since a moment.
    fn unread_since(&self, moment: Instant) -> BTreeSet<ServiceId> {
        let unread = self.answers().filter(|answer| {
            let group = self.groups.get(answer.primary);
            group.is_none_or(|group| group.read.is_none_or(|read| read < moment))
        });
        unread.map(|answer| answer.primary.clone()).collect()
    }

    pub(super) fn links_read(&mut self, answer: ReadAnswer, now: Instant) {
        for index in self.links.keys().copied().collect::<Vec<_>>() {
            let Some(State::Back { since, .. } | State::Asking { since, .. }) =
                self.links.get(&index).map(|link| link.state)
            else {
                continue;
            };
            let is_read = answer == ReadAnswer::Done && self.unread_since(since).is_empty();
            self.revision += 1;
            let Some(link) = self.links.get_mut(&index) else {
                continue;
            };
            if is_read {
                link.become_sure(self.revision);
            } else if let (State::Back { .. }, ReadAnswer::Unreachable) = (link.state, answer) {
                let (asked, next) = (0, now);
                link.state = State::Asking { since, asked, next };
            }
        }
    }

    /// Reads what was not read yet, or asks the segment.
    pub(super) fn confirm_links(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.read_again(now, actions);
        let due: Vec<(NicIndex, u32)> = self
            .links
            .iter()
            .filter_map(|(index, link)| match link.state {
                State::Asking { asked, next, .. } if next <= now => Some((*index, asked)),
                _ => None,
            })
            .collect();
        for (index, asked) in due {
            let Some(nic) = self.links.get(&index).map(|link| link.nic.clone()) else {
                continue;
            };
            if asked < ASKS {
                let held = self
                    .answers()
                    .flat_map(|answer| super::view::on(answer.targets, &nic.interface).collect::<Vec<_>>());
                actions.extend(held.map(|address| Action::Ask {
                    nic: index,
                    to: None,
                    address,
                }));
            } else {
                self.revision += 1;
            }
            let Some(link) = self.links.get_mut(&index) else {
                continue;
            };
            match &mut link.state {
                State::Asking { asked, next, .. } if *asked < ASKS => {
                    (*asked, *next) = (*asked + 1, now + ASK_INTERVAL);
                }
                _ => link.become_sure(self.revision),
            }
        }
    }

    /// A lease that came meanwhile, or an answer that did not come, leaves something to read.
    fn read_again(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let mut is_due = false;
        for link in self.links.values_mut().filter(|link| link.nic.is_up()) {
            if let State::Back { next_read, .. } = &mut link.state
                && *next_read <= now
            {
                *next_read = now + LOOK_INTERVAL;
                is_due = true;
            }
        }
        if is_due {
            actions.extend(self.read_unread());
        }
    }
}
