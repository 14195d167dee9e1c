//! What to do so that the kernel holds what it should: a pure comparison of what should be and what is.
//!
//! Order matters and is part of the contract. What answers comes first: an interface gets its hardware address before
//! the program, the program before groups, groups before entries, and an entry is announced once it is in the map. What is to go comes last.
//! An entry that stays is not touched, so its counter lives as long as the entry.

use std::collections::{BTreeMap, BTreeSet};

use lightship_abi::mac::MacAddress;

use crate::entry::{Entry, Group, InterfaceIndex};

/// Whether what should be is known in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Some of it may not have been heard of yet, as after a start: nothing is removed.
    Partial,
    /// All of it is known: what is not in it goes.
    Complete,
}

/// What should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The interfaces that answer, with the hardware address each answers with.
    pub interfaces: BTreeMap<InterfaceIndex, MacAddress>,
    /// The addresses answered. An entry on an interface that is not listed waits until it is.
    pub entries: BTreeSet<Entry>,
    /// Whether this is all.
    pub view: View,
}

/// How the program sits on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// This process's program runs there.
    Current,
    /// An earlier process's program runs there.
    Outdated,
    /// The pin is there, the interface it was made for is not.
    Dead,
}

/// What is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The interfaces that have a pinned link.
    pub attached: BTreeMap<InterfaceIndex, Attachment>,
    /// The interfaces whose hardware address the program knows.
    pub interfaces: BTreeMap<InterfaceIndex, MacAddress>,
    /// The entries, with the requests each has answered.
    pub entries: BTreeMap<Entry, u64>,
    /// The groups that interfaces are members of for our sake.
    pub groups: BTreeSet<Group>,
}

/// One change to the kernel, or one frame to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tell the program the hardware address of an interface.
    SetMac(InterfaceIndex, MacAddress),
    /// Attach the program, first in order.
    Attach(InterfaceIndex),
    /// Put this process's program in the place of an earlier one, with no frame in between unseen.
    Replace(InterfaceIndex),
    /// Become a member of the group that an IPv6 address is asked through.
    JoinGroup(Group),
    /// Make an address answered.
    AddEntry(Entry),
    /// Tell the segment by a gratuitous ARP or an unsolicited neighbour advertisement.
    Announce(Entry, MacAddress),
    /// Stop answering for an address.
    RemoveEntry(Entry),
    /// Give up membership of a group that no address is asked through any more.
    LeaveGroup(Group),
    /// Take the program off, or drop the pin of an interface that is gone.
    Detach(InterfaceIndex),
    /// Forget the hardware address of an interface.
    ForgetMac(InterfaceIndex),
}

/// Compares what should be with what is.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Vec<Action> {
    let mut actions = Vec::new();
    for (&interface, &mac) in &desired.interfaces {
        if observed.interfaces.get(&interface) != Some(&mac) {
            actions.push(Action::SetMac(interface, mac));
        }
        actions.extend(match observed.attached.get(&interface) {
            None | Some(Attachment::Dead) => Some(Action::Attach(interface)),
            Some(Attachment::Outdated) => Some(Action::Replace(interface)),
            Some(Attachment::Current) => None,
        });
    }
    let groups = desired.groups();
    actions.extend(
        groups
            .difference(&observed.groups)
            .copied()
            .map(Action::JoinGroup),
    );
    for &entry in &desired.entries {
        let Some(&mac) = desired.interfaces.get(&entry.interface) else {
            continue;
        };
        if !observed.entries.contains_key(&entry) {
            actions.extend([Action::AddEntry(entry), Action::Announce(entry, mac)]);
        }
    }
    if desired.view == View::Complete {
        actions.extend(removals(desired, observed, &groups));
    }
    actions
}

impl Desired {
    /// The groups that the entries which can be answered are asked through.
    fn groups(&self) -> BTreeSet<Group> {
        let answered = self
            .entries
            .iter()
            .filter(|entry| self.interfaces.contains_key(&entry.interface));
        answered.filter_map(Group::of).collect()
    }
}

fn removals<'a>(
    desired: &'a Desired,
    observed: &'a Observed,
    groups: &'a BTreeSet<Group>,
) -> impl Iterator<Item = Action> + 'a {
    let entries = observed
        .entries
        .keys()
        .filter(|entry| {
            !desired.entries.contains(entry) || !desired.interfaces.contains_key(&entry.interface)
        })
        .map(|entry| Action::RemoveEntry(*entry));
    let unwanted = |interface: &InterfaceIndex| !desired.interfaces.contains_key(interface);
    let links = observed
        .attached
        .keys()
        .copied()
        .filter(move |interface| unwanted(interface))
        .map(Action::Detach);
    let macs = observed
        .interfaces
        .keys()
        .copied()
        .filter(move |interface| unwanted(interface))
        .map(Action::ForgetMac);
    let groups = observed
        .groups
        .difference(groups)
        .copied()
        .map(Action::LeaveGroup);
    entries.chain(groups).chain(links).chain(macs)
}

#[cfg(test)]
#[path = "plan/tests.rs"]
mod tests;
