//! What the kernel is known to hold: seen by a look at it, and carried on by what was done to it since.

use std::collections::{BTreeMap, BTreeSet};

use lightship_abi::{
    fence::{HoldValue, Tombstone},
    mac::MacAddress,
};

use super::{Action, Hold};
use crate::entry::{Entry, Group, InterfaceIndex};

/// What the kernel keeps beside an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fence {
    /// What it was told of the binding; none of an entry that an earlier version made.
    pub hold: Option<Hold>,
    /// The claim that the entry yielded to last.
    pub tombstone: Option<Tombstone>,
}

impl Fence {
    /// The claim that keeps the entry from being answered, if one does.
    #[must_use]
    pub fn standing(&self) -> Option<Tombstone> {
        self.standing_against(self.hold)
    }

    pub(super) fn standing_against(&self, hold: Option<Hold>) -> Option<Tombstone> {
        self.tombstone
            .filter(|tombstone| tombstone.stands(hold.map_or(HoldValue::UNKNOWN, HoldValue::from)))
    }
}

/// What the kernel holds of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The requests it has answered.
    pub responses_sent: u64,
    /// Whether it yielded.
    pub fence: Fence,
}

/// Whose a station is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// Another member's: its claims count.
    Other,
    /// This node's: what is heard of it came back to us.
    Own,
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
    /// The entries, whether or not they yielded.
    pub entries: BTreeMap<Entry, Kept>,
    /// What is left of entries that are no longer there.
    pub strays: BTreeMap<Entry, Fence>,
    /// The stations that the program knows.
    pub members: BTreeMap<MacAddress, Member>,
    /// The groups that interfaces are members of for our sake.
    pub groups: BTreeSet<Group>,
    /// The maps whose pin somebody took away.
    pub unpinned: BTreeSet<&'static str>,
}

impl Observed {
    /// The entries that yielded to a claim that stands: they are not answered.
    #[must_use]
    pub fn tombstones(&self) -> BTreeMap<Entry, Tombstone> {
        tombstones(&self.entries)
    }

    /// Takes in an action that was carried out. What the program and others changed meanwhile only another look shows.
    pub fn carried_out(&mut self, action: Action) {
        match action {
            Action::Pin(map) => drop(self.unpinned.remove(map)),
            Action::SetMac(interface, mac) => drop(self.interfaces.insert(interface, mac)),
            Action::ForgetMac(interface) => drop(self.interfaces.remove(&interface)),
            Action::Attach(interface) | Action::Replace(interface) => {
                self.attached.insert(interface, Attachment::Current);
            }
            Action::Detach(interface) => drop(self.attached.remove(&interface)),
            Action::JoinGroup(group) => drop(self.groups.insert(group)),
            Action::LeaveGroup(group) => drop(self.groups.remove(&group)),
            Action::SetMember(mac, member) => drop(self.members.insert(mac, member)),
            Action::ForgetMember(mac) => drop(self.members.remove(&mac)),
            Action::AddEntry(entry, hold) => {
                let left = self.strays.remove(&entry).unwrap_or_default();
                let kept = self.entries.entry(entry).or_insert(Kept {
                    responses_sent: 0,
                    fence: left,
                });
                kept.fence.hold = Some(hold);
            }
            Action::SetHold(entry, hold) => {
                if let Some(kept) = self.entries.get_mut(&entry) {
                    kept.fence.hold = Some(hold);
                }
            }
            Action::RemoveEntry(entry) => {
                self.entries.remove(&entry);
                self.strays.remove(&entry);
            }
            Action::Announce(..) => {}
        }
    }
}

/// The claims that stand against entries.
pub(crate) fn tombstones(entries: &BTreeMap<Entry, Kept>) -> BTreeMap<Entry, Tombstone> {
    let standing = |(entry, kept): (&Entry, &Kept)| Some((*entry, kept.fence.standing()?));
    entries.iter().filter_map(standing).collect()
}
