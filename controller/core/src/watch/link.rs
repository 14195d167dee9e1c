//! This node's interfaces. One that comes back may find that somebody else answers on its segment by now, so before this
//! node answers there again its leases are read, or where the API server is away the segment is asked.

use std::collections::BTreeMap;

use super::group::{ASK_INTERVAL, ASKS, LOOK_INTERVAL};
use super::stations::Unlisted;
use super::view::{Nic, NicIndex};
use super::{Action, ReadAnswer, Watch};
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
    /// It came back then; the leases have not been read since.
    Back(Instant),
    /// The API server is away: the segment is asked.
    Asking {
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
            State::Sure | State::Back(_) => None,
        }
    }

    pub(super) fn is_sure(&self) -> bool {
        self.state == State::Sure
    }

    /// Another station answered for an address here.
    pub(super) fn heard_other(&mut self, now: Instant) {
        if let State::Asking { asked, next } = &mut self.state {
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
        let mut came_back = false;
        let known = std::mem::take(&mut self.links);
        for (index, nic) in nics {
            let before = known.get(&index);
            let was_up = before.is_some_and(|link| link.nic.is_up());
            let state = match before {
                None if is_first => State::Sure,
                Some(link) if was_up || !nic.is_up() => link.state,
                None | Some(_) => State::Back(now),
            };
            came_back |= nic.is_up() && matches!(state, State::Back(_));
            let decided = match before {
                Some(link) if link.nic == nic && link.state == state => link.decided,
                _ => self.revision,
            };
            self.links.insert(index, Link { nic, state, decided });
        }
        if came_back {
            // Who was away has nothing to hand over there: its successor may answer by now.
            let leaving = self.busy.iter().cloned().collect::<Vec<_>>();
            for primary in leaving {
                self.change(&primary, |group| group.leaving = None);
            }
        }
        if came_back && self.answers().next().is_some() {
            vec![Action::Read]
        } else {
            self.links
                .values_mut()
                .filter(|link| link.nic.is_up())
                .for_each(|link| {
                    if let State::Back(_) = link.state {
                        link.become_sure(self.revision);
                    }
                });
            vec![]
        }
    }

    /// Whether this node may answer on an interface.
    #[must_use]
    pub fn is_sure_of(&self, nic: NicIndex) -> bool {
        self.links.get(&nic).is_some_and(Link::is_sure)
    }

    pub(super) fn links_read(&mut self, answer: ReadAnswer, started: Instant, now: Instant) {
        self.revision += 1;
        for link in self.links.values_mut() {
            match (link.state, answer) {
                (State::Back(since), ReadAnswer::Done) if started >= since => link.become_sure(self.revision),
                (State::Asking { .. }, ReadAnswer::Done) => link.become_sure(self.revision),
                (State::Back(_), ReadAnswer::Unreachable) => {
                    link.state = State::Asking { asked: 0, next: now };
                }
                _ => {}
            }
        }
    }

    pub(super) fn confirm_links(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let due: Vec<(NicIndex, u32)> = self
            .links
            .iter()
            .filter_map(|(index, link)| match link.state {
                State::Asking { asked, next } if next <= now => Some((*index, asked)),
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
            if asked < ASKS {
                let next = now + ASK_INTERVAL;
                let asked = asked + 1;
                link.state = State::Asking { asked, next };
            } else {
                link.become_sure(self.revision);
            }
        }
    }
}
