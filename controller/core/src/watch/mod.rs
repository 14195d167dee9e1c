//! Who answers for an address when nobody has the time to ask the operator: a node watches the holders it stands by for,
//! takes over from one that falls silent, yields to whoever took over from it, and knows what to do without the API.
//!
//! [`Watch`] is one node's part in it. What it sees goes in with the time, [`Action`]s come out, and
//! [`Watch::answers`] says at any moment what this node should answer for. Rules (design §4):
//! - A holder is asked ten times a second for one of its addresses after the other. Three misses in a row are a suspicion if the
//!   station was heard within a minute, a witness answered since the first miss and a probe sent after the witness was heard
//!   was missed too. A loop that is late forgets nothing: what came in is told before what was missed is counted, and an
//!   answer that comes late counts.
//! - A claim is a compare-and-swap on the primary lease; it starts a new epoch. Only where the API server does not answer,
//!   and nobody answers for the address, does a standby take it by its rank.
//! - Who is told by a later order than its own yields. Who lost a binding that the operator moved goes on answering until the
//!   new holder does.

mod action;
#[cfg(test)]
pub(crate) mod broken;
mod carried;
mod claiming;
mod conflict;
mod evidence;
mod group;
mod holding;
mod index;
mod link;
mod pair;
mod probing;
mod returning;
mod stations;
mod succession;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use lightship_abi::order::Order;

pub use action::{Action, ClaimAnswer, Heard, ReadAnswer, Yielded};
pub use evidence::{Evidence, Missed};
pub use group::API_PATIENCE;
pub use holding::{Answer, Part};
pub use pair::{ANSWER_DEADLINE, ARMED, MISSES, PROBE_INTERVAL};
pub use view::{GroupView, Nic, NicIndex, Target};

use carried::Carried;
use conflict::Contest;
use group::Group;
use index::Index;
use link::Link;
use probing::Probing;
use stations::Unlisted;

use crate::members::Members;
use crate::names::{NodeName, ServiceId};
use crate::time::Instant;

/// How late a tick is when the machine stood still: what was on its way to here meanwhile may be lost.
const STANDSTILL: Duration = Duration::from_secs(1);

/// One node's part in holding addresses.
#[derive(Clone, Debug)]
pub struct Watch {
    node: NodeName,
    members: Members,
    links: BTreeMap<NicIndex, Link>,
    groups: BTreeMap<ServiceId, Group>,
    index: Index,
    /// Groups of which time alone may change something.
    busy: BTreeSet<ServiceId>,
    /// What an earlier run of this agent left in the kernel, until the lease of its group is seen.
    adopted: BTreeMap<IpAddr, Order>,
    /// Whether leases that are told were there before this node's agent began.
    begins: bool,
    probing: Probing,
    contests: BTreeMap<IpAddr, Contest>,
    /// When a tick was promised.
    expected: Option<Instant>,
    /// Counts the changes to [`Self::answers`] and [`Self::is_sure_of`].
    revision: u64,
    /// What of them the kernel holds.
    carried: Carried,
    #[cfg(test)]
    broken: Option<broken::Rule>,
}

impl Watch {
    /// A node that knows nothing yet.
    #[must_use]
    pub fn new(node: NodeName) -> Self {
        Self {
            node,
            members: Members::default(),
            links: BTreeMap::new(),
            groups: BTreeMap::new(),
            index: Index::default(),
            busy: BTreeSet::new(),
            adopted: BTreeMap::new(),
            begins: false,
            probing: Probing::default(),
            contests: BTreeMap::new(),
            expected: None,
            revision: 0,
            carried: Carried::default(),
            #[cfg(test)]
            broken: None,
        }
    }

    /// Another number than before when what this node should answer may be other than before.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Who the members are.
    pub fn observe_members(&mut self, members: Members) {
        self.members = members;
        self.probing.unlisted = Unlisted::Everything;
    }

    /// What an earlier run of this agent left in the kernel; before the first lease is told.
    pub fn adopt(&mut self, held: BTreeMap<IpAddr, Order>) {
        self.adopted = held;
        self.begins = true;
    }

    /// Every lease was told that was there when this node's agent began.
    pub fn begun(&mut self) {
        self.begins = false;
    }

    /// When [`Self::tick`] is to be called next, if nothing is observed before; a moment that is past means at once.
    pub fn next_tick(&mut self) -> Option<Instant> {
        self.expected = self.probing.next();
        let busy = self.busy.iter().filter_map(|id| {
            let group = self.groups.get(id)?;
            group.next(group.view.place_of(&self.node))
        });
        let links = self.links.values().filter_map(Link::next);
        if !self.probing.unlisted.is_nothing() {
            return Some(Instant::default());
        }
        let defence = self.next_defence();
        busy.chain(links).chain(defence).chain(self.expected).min()
    }

    /// Does what is due. Everything received until now has to be told before, or else [`Self::void`].
    pub fn tick(&mut self, now: Instant) -> Vec<Action> {
        let standstill = STANDSTILL;
        #[cfg(test)]
        let standstill = if self.breaks(broken::Rule::LateMisses) {
            Duration::from_millis(30)
        } else {
            standstill
        };
        if self.expected.is_some_and(|expected| now - expected > standstill) {
            self.void();
        }
        self.probing.taken_in = now;
        let mut actions = Vec::new();
        self.look(now, &mut actions);
        self.defend(now, &mut actions);
        self.suspect(now);
        self.pursue(now, &mut actions);
        self.confirm_links(now, &mut actions);
        self.probe(now, &mut actions);
        actions
    }

    /// The probes that were to be sent have been sent by now: a silence, and the time that an answer has, begins here.
    pub fn sent(&mut self, now: Instant) {
        self.probing.sent(now);
    }

    /// Frames may have been lost on the way to here: what was missed does not count.
    pub fn void(&mut self) {
        self.probing.void();
    }

    /// The kernel yielded to a claim.
    pub fn yielded(&mut self, yielded: Yielded, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some(primary) = self.index.group_of(yielded.address).cloned() {
            self.yield_group(&primary, yielded, now, &mut actions);
        }
        actions
    }

    /// Whether nobody here knows that the kernel yields: the group that was told of the claim is no more, and its heir's is another.
    #[must_use]
    pub fn is_unaware_of(&self, yielded: &Yielded) -> bool {
        let primary = self.index.group_of(yielded.address);
        let group = primary.and_then(|primary| self.groups.get(primary));
        group.is_some_and(|group| {
            let is_holder = group.view.holder == self.node && group.usurped.is_none();
            let beaten = yielded.order.beats(Order::of_holder(group.view.epoch));
            is_holder && beaten && group.fence.is_none()
        })
    }

    /// An answer was heard.
    pub fn heard(&mut self, heard: Heard, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        self.answered(heard, now, &mut actions);
        self.heard_other(heard, now, &mut actions);
        actions
    }

    fn is_own(&self, heard: &Heard) -> bool {
        let mac = |link: &Link| link.nic.interface.mac;
        self.links.values().any(|link| mac(link) == Some(heard.from))
    }
}

#[cfg(test)]
mod tests;
