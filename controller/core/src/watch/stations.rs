//! Which stations are to be asked for what: listed anew group by group, because a node's death changes hundreds of groups one
//! after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::pair::{Pace, Pair};
use super::probing::{Purpose, Station};
use super::{GroupView, Part, Watch};
use crate::names::{NodeName, ServiceId};
use crate::time::Instant;

/// What changed since the stations were listed.
#[derive(Clone, Debug, Default)]
pub(super) enum Unlisted {
    #[default]
    Nothing,
    /// These groups, or this node's part in them.
    Groups(BTreeSet<ServiceId>),
    /// Members or interfaces, which all groups are laid over.
    Everything,
}

/// Whom one group wants to be asked, and for which of its addresses.
pub(super) type Questions = BTreeMap<Station, Question>;

#[derive(Clone, Debug)]
pub(super) struct Question {
    node: NodeName,
    addresses: BTreeSet<IpAddr>,
}

impl Unlisted {
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    pub(super) fn add(&mut self, primary: &ServiceId) {
        match self {
            Self::Nothing => *self = Self::Groups(BTreeSet::from([primary.clone()])),
            Self::Groups(groups) => {
                if !groups.contains(primary) {
                    groups.insert(primary.clone());
                }
            }
            Self::Everything => {}
        }
    }
}

impl Watch {
    /// Brings the pairs in step with the groups.
    pub(super) fn list_stations(&mut self, now: Instant) {
        match std::mem::take(&mut self.probing.unlisted) {
            Unlisted::Nothing => {}
            Unlisted::Groups(groups) => self.list_groups(&groups, now),
            Unlisted::Everything => {
                let listed = self.probing.questions.keys();
                let all = self.groups.keys().chain(listed).cloned().collect();
                self.list_groups(&all, now);
            }
        }
    }

    fn list_groups(&mut self, groups: &BTreeSet<ServiceId>, now: Instant) {
        for primary in groups {
            self.list_group(primary, now);
        }
    }

    fn list_group(&mut self, primary: &ServiceId, now: Instant) {
        let questions = self.questions(primary);
        let before = self.probing.questions.remove(primary).unwrap_or_default();
        for (station, question) in before {
            let still = questions.get(&station).map(|question| &question.addresses);
            let unasked = question.addresses.into_iter().filter(|address| {
                !still.is_some_and(|still| still.contains(address)) && !self.is_asked(station, *address)
            });
            let unasked: Vec<IpAddr> = unasked.collect();
            if let Some(pair) = self.probing.pairs.get_mut(&station) {
                pair.forget(&unasked);
                if pair.is_done() {
                    self.probing.pairs.remove(&station);
                }
            }
        }
        for (station, question) in &questions {
            let pace = match station.purpose {
                Purpose::Watch => Pace::OnceHeard,
                Purpose::Chase | Purpose::Handover => Pace::Always,
            };
            let fresh = || Pair::new(question.node.clone(), pace, now);
            let pair = self.probing.pairs.entry(*station).or_insert_with(fresh);
            if pair.node != question.node {
                *pair = fresh();
            }
            pair.ask_for(&question.addresses, now);
        }
        if !questions.is_empty() {
            self.probing.questions.insert(primary.clone(), questions);
        }
    }

    /// Whether another group than the one being listed wants a station to be asked for an address: groups that merge or split
    /// share theirs for a moment.
    fn is_asked(&self, station: Station, address: IpAddr) -> bool {
        self.index.groups_of(address).any(|primary| {
            let questions = self.probing.questions.get(primary);
            let question = questions.and_then(|questions| questions.get(&station));
            question.is_some_and(|question| question.addresses.contains(&address))
        })
    }

    fn questions(&self, primary: &ServiceId) -> Questions {
        let mut questions = Questions::new();
        let Some(group) = self.groups.get(primary) else {
            return questions;
        };
        let view = &group.view;
        let mut ask = |purpose, node: &NodeName| {
            for (station, addresses) in self.stations(purpose, node, view) {
                let node = node.clone();
                questions.insert(station, Question { node, addresses });
            }
        };
        let part = self.part(primary);
        if view.holder != self.node && view.place_of(&self.node).is_some() && part.is_none() {
            ask(Purpose::Watch, &view.holder);
        }
        if part == Some(Part::Leaver) {
            ask(Purpose::Handover, &view.holder);
        }
        if matches!(part, Some(Part::Holder | Part::Usurper)) {
            let chases = self.probing.chases.iter();
            for (node, _) in chases.filter(|(_, chase)| chase.groups.contains(primary)) {
                ask(Purpose::Chase, node);
            }
        }
        questions
    }

    /// Every way from this node to another on which the group is announced by both.
    fn stations<'a>(
        &'a self,
        purpose: Purpose,
        node: &'a NodeName,
        view: &'a GroupView,
    ) -> impl Iterator<Item = (Station, BTreeSet<IpAddr>)> + 'a {
        let up = self.links.iter().filter(|(_, link)| link.nic.is_up());
        up.flat_map(move |(nic, link)| {
            let theirs = self.members.nodes.get(node).into_iter().flatten();
            theirs.filter_map(move |interface| {
                let station = Station {
                    purpose,
                    nic: *nic,
                    mac: interface.mac?,
                };
                let here: BTreeSet<IpAddr> = view.on(&link.nic.interface).collect();
                let both: BTreeSet<IpAddr> = view.on(interface).filter(|one| here.contains(one)).collect();
                (!both.is_empty()).then_some((station, both))
            })
        })
    }
}
