//! What to do so that the kernel holds what it should: a pure comparison of what should be and what is.
//!
//! Order matters and is part of the contract. What answers comes first: members are known before anything is answered, an
//! interface gets its hardware address before the program, the program before groups, groups before entries, and an
//! entry is announced once it is in the map. What is to go comes last. An entry that stays is not touched, so its counter
//! lives as long as the entry.
//!
//! An entry that yielded to a claim stays in the map, where the kernel neither answers it nor loses sight of the claims
//! that follow. It is answered and announced again only by a [`Hold`] whose order beats the claim's or whose lease was
//! read after the claim came in.

use std::collections::{BTreeMap, BTreeSet};

use lightship_abi::{fence::HoldValue, mac::MacAddress, order::Order};

use crate::entry::{Entry, Group, InterfaceIndex};

mod observed;

pub(crate) use observed::tombstones;
pub use observed::{Attachment, Fence, Kept, Member, Observed};

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
    /// The addresses answered, and by what binding. An entry on an interface that is not listed waits until it is.
    pub entries: BTreeMap<Entry, Hold>,
    /// The hardware addresses of the other members' interfaces: the stations whose claims count.
    pub members: BTreeSet<MacAddress>,
    /// Whether this is all.
    pub view: View,
}

/// By what right an entry is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The order of the binding; the announcements carry it.
    pub order: Order,
    /// When the binding was last known to be this node's.
    pub confirmed: Confirmation,
}

/// When a binding was last known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confirmation {
    /// At no time that is known: only a higher order ends a claim to which the entry yielded.
    Unconfirmed,
    /// By a lease whose reading began at this time, `CLOCK_MONOTONIC` in nanoseconds. It ends the claims that came in
    /// before.
    After(u64),
}

impl Hold {
    /// The hold of an order, known at no particular time.
    #[must_use]
    pub const fn unconfirmed(order: Order) -> Self {
        Self {
            order,
            confirmed: Confirmation::Unconfirmed,
        }
    }

    /// With the later of two confirmations: what was known once stays known.
    fn confirmed_no_earlier_than(self, before: Option<Self>) -> Self {
        let known = before.map_or(Confirmation::Unconfirmed, |before| before.confirmed);
        Self {
            confirmed: self.confirmed.max(known),
            ..self
        }
    }
}

impl From<Hold> for HoldValue {
    fn from(hold: Hold) -> Self {
        Self {
            order: hold.order,
            confirmed_ns: match hold.confirmed {
                Confirmation::Unconfirmed => 0,
                Confirmation::After(time_ns) => time_ns,
            },
        }
    }
}

impl From<HoldValue> for Hold {
    fn from(value: HoldValue) -> Self {
        Self {
            order: value.order,
            confirmed: match value.confirmed_ns {
                0 => Confirmation::Unconfirmed,
                time_ns => Confirmation::After(time_ns),
            },
        }
    }
}

/// One change to the kernel, or one frame to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Pin a map again, which the next process needs to go on with what it holds.
    Pin(&'static str),
    /// Tell the program the hardware address of an interface.
    SetMac(InterfaceIndex, MacAddress),
    /// Attach the program, first in order.
    Attach(InterfaceIndex),
    /// Put this process's program in the place of an earlier one, with no frame in between unseen.
    Replace(InterfaceIndex),
    /// Become a member of the group that an IPv6 address is asked through.
    JoinGroup(Group),
    /// Make an address answered, unless it yielded to a claim that stands against the hold.
    AddEntry(Entry, Hold),
    /// Tell the program by what right an entry is answered now.
    SetHold(Entry, Hold),
    /// Tell the segment by a gratuitous ARP or an unsolicited neighbour advertisement that carries the claim.
    Announce(Entry, MacAddress, Order),
    /// Stop answering for an address, and forget its hold and its tombstone.
    RemoveEntry(Entry),
    /// Give up membership of a group that no address is asked through any more.
    LeaveGroup(Group),
    /// Take the program off, or drop the pin of an interface that is gone.
    Detach(InterfaceIndex),
    /// Forget the hardware address of an interface.
    ForgetMac(InterfaceIndex),
    /// Tell the program whose a station is.
    SetMember(MacAddress, Member),
    /// Make a station a stranger.
    ForgetMember(MacAddress),
}

/// Compares what should be with what is.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Vec<Action> {
    let members = desired.stations();
    let news = members
        .iter()
        .filter(|(mac, member)| observed.members.get(mac) != Some(member));
    let mut actions: Vec<_> = observed.unpinned.iter().copied().map(Action::Pin).collect();
    actions.extend(news.map(|(&mac, &member)| Action::SetMember(mac, member)));
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
    for (&entry, hold) in &desired.entries {
        if let Some(&mac) = desired.interfaces.get(&entry.interface) {
            actions.extend(hold_entry(entry, *hold, mac, observed));
        }
    }
    if desired.view == View::Complete {
        actions.extend(removals(desired, observed, &groups, &members));
    }
    actions
}

/// Brings one entry about: it is announced when it begins to be answered, and when its order changes.
fn hold_entry(
    entry: Entry,
    wanted: Hold,
    mac: MacAddress,
    observed: &Observed,
) -> impl Iterator<Item = Action> + use<> {
    let kept = observed.entries.get(&entry);
    let fence = kept.map(|kept| kept.fence);
    let fence = fence
        .or_else(|| observed.strays.get(&entry).copied())
        .unwrap_or_default();
    let hold = wanted.confirmed_no_earlier_than(fence.hold);
    let is_answered = fence.standing_against(Some(hold)).is_none();
    let resumes = is_answered && fence.standing().is_some();
    let is_news = fence.hold.map(|before| before.order) != Some(hold.order) || resumes;
    let change = match kept {
        None => Some(Action::AddEntry(entry, hold)),
        Some(_) if is_news => Some(Action::SetHold(entry, hold)),
        Some(_) => None,
    };
    let announcement = change
        .filter(|_| is_answered)
        .map(|_| Action::Announce(entry, mac, hold.order));
    change.into_iter().chain(announcement)
}

impl Desired {
    /// Whose the stations are that the program should know.
    fn stations(&self) -> BTreeMap<MacAddress, Member> {
        let others = self.members.iter().map(|&mac| (mac, Member::Other));
        let own = self.interfaces.values().map(|&mac| (mac, Member::Own));
        others.chain(own).collect()
    }

    /// The groups that the entries which can be answered are asked through.
    fn groups(&self) -> BTreeSet<Group> {
        let answered = self
            .entries
            .keys()
            .filter(|entry| self.interfaces.contains_key(&entry.interface));
        answered.filter_map(Group::of).collect()
    }
}

fn removals<'a>(
    desired: &'a Desired,
    observed: &'a Observed,
    groups: &'a BTreeSet<Group>,
    members: &'a BTreeMap<MacAddress, Member>,
) -> impl Iterator<Item = Action> + 'a {
    let entries = observed
        .entries
        .keys()
        .chain(observed.strays.keys())
        .filter(|entry| {
            !desired.entries.contains_key(entry) || !desired.interfaces.contains_key(&entry.interface)
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
    let strangers = observed
        .members
        .keys()
        .filter(|mac| !members.contains_key(mac))
        .map(|mac| Action::ForgetMember(*mac));
    entries.chain(groups).chain(links).chain(macs).chain(strangers)
}

#[cfg(test)]
mod tests;
