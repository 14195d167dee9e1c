//! Who is asked, by which interface, and who was heard. Three reasons to ask a station: this node stands by for it; this node
//! deposed it and has to be sure that it knows; it follows this node as a holder.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use lightship_abi::order::Order;

use super::pair::Pair;
use super::stations::{Questions, Unlisted};
use super::view::NicIndex;
use super::{Action, Heard, Watch};
use crate::inventory::Mac;
use crate::members::Members;
use crate::names::{NodeName, ServiceId};
use crate::time::Instant;

/// How many members are asked to bear witness at a time.
const WITNESSES: usize = 4;

/// How many stations are remembered, so that nobody can fill the memory with made-up ones.
const MOST_HEARD: usize = 4096;

/// How long ago a deposed node may have been heard to count as alive.
const LATELY: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    /// It holds what this node stands by for.
    Watch,
    /// It held what this node took by force.
    Chase,
    /// It holds what this node held before.
    Handover,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Station {
    pub(super) purpose: Purpose,
    pub(super) nic: NicIndex,
    pub(super) mac: Mac,
}

/// A node that was deposed, and what was taken from it.
#[derive(Clone, Debug, Default)]
pub(super) struct Chase {
    pub(super) groups: BTreeSet<ServiceId>,
    /// When it was last heard on an address of its own.
    alive: Option<Instant>,
}

/// All stations that are asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Probing {
    pub(super) unlisted: Unlisted,
    pub(super) pairs: BTreeMap<Station, Pair>,
    /// What every group wants to be asked.
    pub(super) questions: BTreeMap<ServiceId, Questions>,
    pub(super) chases: BTreeMap<NodeName, Chase>,
    /// Since when stations were last heard: an answer may have waited to be taken in, and came at the earliest when all others
    /// were last taken in.
    heard: BTreeMap<(NicIndex, Mac), Instant>,
    /// Until when everything that came in has been told.
    pub(super) taken_in: Instant,
    number: u32,
    /// How many probes were not answered in time.
    pub(super) missed: u64,
}

impl Probing {
    pub(super) fn next(&self) -> Option<Instant> {
        self.pairs.values().map(Pair::next).min()
    }

    pub(super) fn sent(&mut self, now: Instant) {
        self.pairs.values_mut().for_each(|pair| pair.sent(now));
    }

    pub(super) fn void(&mut self) {
        self.pairs.values_mut().for_each(Pair::void);
    }
}

impl Watch {
    /// Brings the list of stations up to date and counts what was missed.
    pub(super) fn look(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.list_stations(now);
        let mut doubted = BTreeSet::new();
        for (station, pair) in &mut self.probing.pairs {
            let is_missed = pair.expire(now);
            self.probing.missed += u64::from(is_missed);
            if is_missed && station.purpose == Purpose::Watch && pair.wants_witnesses(now) {
                doubted.insert((station.nic, pair.node.clone()));
            }
        }
        for (nic, node) in doubted {
            self.ask_witnesses(nic, &node, actions);
        }
        self.end_chases(now);
    }

    /// Sends what is due.
    pub(super) fn probe(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let Probing {
            pairs, number, heard, ..
        } = &mut self.probing;
        let mut chased = BTreeSet::new();
        for (station, pair) in pairs {
            let witness = |except: &NodeName| witness(heard, &self.members, station.nic, except);
            let Some(address) = pair.take_due(now, witness) else {
                continue;
            };
            *number = number.wrapping_add(1);
            actions.push(Action::Probe {
                nic: station.nic,
                to: station.mac,
                address,
                number: *number,
            });
            if station.purpose == Purpose::Chase {
                chased.insert((*station, pair.node.clone()));
            }
        }
        for (station, node) in chased {
            actions.extend(self.own_address(&node, station.mac).map(|address| Action::Ask {
                nic: station.nic,
                to: Some(station.mac),
                address,
            }));
        }
    }

    pub(super) fn answered(&mut self, heard: Heard, now: Instant, actions: &mut Vec<Action>) {
        let Heard { nic, from, address } = heard;
        let is_member = self.members.node_of(from).cloned();
        self.probing.heard.retain(|_, at| now - *at <= super::ARMED);
        if self.probing.heard.len() < MOST_HEARD {
            self.probing.heard.insert((nic, from), self.probing.taken_in);
        }
        if let Some(node) = &is_member
            && self.own_address(node, from) == Some(address)
            && let Some(chase) = self.probing.chases.get_mut(node)
        {
            chase.alive = Some(now);
        }
        #[cfg(test)]
        let broken = self.breaks(super::broken::Rule::LateAnswers);
        for purpose in [Purpose::Watch, Purpose::Chase, Purpose::Handover] {
            let station = Station {
                purpose,
                nic,
                mac: from,
            };
            let pair = self.probing.pairs.get_mut(&station);
            #[cfg(test)]
            let pair = pair.filter(|pair| !broken || pair.awaits(address));
            if !pair.is_some_and(|pair| pair.answered(address, now)) {
                continue;
            }
            match purpose {
                Purpose::Watch => {}
                Purpose::Chase => self.tell_deposed(station, actions),
                Purpose::Handover => self.has_followed(address),
            }
        }
    }

    /// From now on a node is asked until it is sure that it does not answer any more.
    pub(super) fn chase(&mut self, node: NodeName, primary: ServiceId) {
        self.probing.unlisted.add(&primary);
        self.probing
            .chases
            .entry(node)
            .or_default()
            .groups
            .insert(primary);
    }

    /// The new holder answers: this node is done.
    fn has_followed(&mut self, address: IpAddr) {
        let Some(primary) = self.index.group_of(address).cloned() else {
            return;
        };
        self.change(&primary, |group| group.leaving = None);
        self.probing.unlisted.add(&primary);
        self.decided(&primary);
    }

    /// A deposed node answers still: it is told of everything that was taken from it, not only of what it answered for.
    fn tell_deposed(&self, station: Station, actions: &mut Vec<Action>) {
        let Some(pair) = self.probing.pairs.get(&station) else {
            return;
        };
        let Station { nic, mac: from, .. } = station;
        actions.extend(
            pair.addresses()
                .filter_map(|address| self.claim_to(Heard { nic, from, address })),
        );
    }

    /// A deposed node that answers for its own addresses and not for those that were taken from it has understood.
    fn end_chases(&mut self, now: Instant) {
        let Probing {
            pairs,
            chases,
            unlisted,
            ..
        } = &mut self.probing;
        let members = &self.members;
        chases.retain(|node, chase| {
            let mut its = pairs
                .iter()
                .filter(|(station, pair)| station.purpose == Purpose::Chase && pair.node == *node)
                .peekable();
            let is_asked = its.peek().is_some();
            let is_silent = its.all(|(_, pair)| pair.misses() >= super::MISSES);
            let is_alive = chase.alive.is_some_and(|at| now - at <= LATELY);
            let knows = is_asked && is_silent && is_alive;
            let goes_on = members.nodes.contains_key(node) && !knows;
            if !goes_on {
                chase.groups.iter().for_each(|primary| unlisted.add(primary));
            }
            goes_on
        });
    }

    fn ask_witnesses(&self, nic: NicIndex, suspect: &NodeName, actions: &mut Vec<Action>) {
        let Some(link) = self.links.get(&nic) else {
            return;
        };
        let others = self.members.nodes.iter();
        let others = others.filter(|(node, _)| *node != suspect && **node != self.node);
        let mut stations: Vec<(Option<Instant>, Mac, IpAddr)> = others
            .flat_map(|(_, interfaces)| interfaces)
            .filter_map(|one| {
                let mac = one.mac?;
                let address = one.addresses.iter().min_by_key(|address| address.is_ipv6())?;
                Some((self.probing.heard.get(&(nic, mac)).copied(), mac, *address))
            })
            .collect();
        // Who was heard here lately is on this segment.
        stations.sort_by_key(|(heard, ..)| std::cmp::Reverse(*heard));
        let members = stations.into_iter().take(WITNESSES);
        actions.extend(members.map(|(_, mac, address)| Action::Ask {
            nic,
            to: Some(mac),
            address,
        }));
        actions.extend(link.nic.gateways.iter().map(|address| Action::Ask {
            nic,
            to: None,
            address: *address,
        }));
    }

    fn own_address(&self, node: &NodeName, mac: Mac) -> Option<IpAddr> {
        let mut interfaces = self.members.nodes.get(node)?.iter();
        let interface = interfaces.find(|one| one.mac == Some(mac))?;
        interface.addresses.iter().copied().min_by_key(IpAddr::is_ipv6)
    }
}

/// When anybody else than a node was last heard on an interface.
fn witness(
    heard: &BTreeMap<(NicIndex, Mac), Instant>,
    members: &Members,
    nic: NicIndex,
    except: &NodeName,
) -> Option<Instant> {
    let here = (nic, Mac([0; 6]))..=(nic, Mac([255; 6]));
    heard
        .range(here)
        .filter(|((_, mac), _)| members.node_of(*mac) != Some(except))
        .map(|(_, at)| *at)
        .max()
}

/// The epoch of a claim that beats both.
pub(super) fn beating(one: Order, other: Option<Order>) -> u32 {
    other.map_or(one.epoch, |other| one.epoch.max(other.epoch)) + 1
}
