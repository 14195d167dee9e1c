//! What this node answers for, and how that changes with what the leases say.

use std::collections::BTreeSet;
use std::net::IpAddr;

use lightship_abi::order::Order;

use super::group::{Api, Claim, Fence, Group, LOOK_INTERVAL, Leaving, Returning, Usurped};
use super::view::{GroupView, Target};
use super::{Action, Heard, Watch, Yielded};
use crate::finding::Sight;
use crate::names::{NodeName, ServiceId};
use crate::time::Instant;

/// Why this node answers for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The lease names it.
    Holder,
    /// The API server could not be asked, and its rank was next.
    Usurper,
    /// The binding went elsewhere, and the new holder has not been heard yet.
    Leaver,
}

/// What this node answers for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The group.
    pub primary: &'a ServiceId,
    /// Why.
    pub part: Part,
    /// By which order.
    pub order: Order,
    /// What, and where.
    pub targets: &'a [Target],
    /// When a read of the lease was started that confirmed it although a claim beats it: nobody answers by that claim.
    pub confirmed: Option<Instant>,
    /// Who held it before the operator moved it, and answers until it hears this node's claim.
    pub former: Option<&'a NodeName>,
}

impl Answer<'_> {
    fn owned(self) -> (Part, Order, Vec<Target>, Option<Instant>) {
        (self.part, self.order, self.targets.to_vec(), self.confirmed)
    }
}

impl Watch {
    /// What this node should answer for now.
    pub fn answers(&self) -> impl Iterator<Item = Answer<'_>> {
        // All of them are looked at for every change, so none is looked up.
        let all = self.groups.iter();
        all.filter_map(|(primary, group)| self.answer_for(primary, group))
    }

    pub(super) fn part(&self, primary: &ServiceId) -> Option<Part> {
        self.answer(primary).map(|answer| answer.part)
    }

    pub(super) fn answer<'a>(&'a self, primary: &ServiceId) -> Option<Answer<'a>> {
        let (primary, group) = self.groups.get_key_value(primary)?;
        self.answer_for(primary, group)
    }

    fn answer_for<'a>(&'a self, primary: &'a ServiceId, group: &'a Group) -> Option<Answer<'a>> {
        let (part, order, targets) = if let Some(usurped) = &group.usurped {
            (Part::Usurper, usurped.order, &group.view.targets)
        } else if group.view.holder == self.node {
            if group.returning.is_some() {
                return None;
            }
            (
                Part::Holder,
                Order::of_holder(group.view.epoch),
                &group.view.targets,
            )
        } else {
            let leaving = group.leaving.as_ref()?;
            (Part::Leaver, leaving.order, &leaving.targets)
        };
        let confirmed = group.fence.and_then(|fence| fence.resumed);
        let former = group.view.former.as_ref().filter(|_| part == Part::Holder);
        Some(Answer {
            primary,
            part,
            order,
            targets,
            confirmed,
            former,
        })
    }

    /// A primary lease as it was heard of or, with the start of the read, as it was read; `None` when it is gone.
    pub fn observe_group(
        &mut self,
        primary: &ServiceId,
        view: Option<GroupView>,
        read: Option<Instant>,
        now: Instant,
    ) {
        self.probing.unlisted.add(primary);
        let answered = self.answer(primary).map(Answer::owned);
        let before = self.groups.remove(primary);
        if let Some(group) = &before {
            for address in group.view.addresses() {
                self.index.remove(address, primary);
            }
        }
        let Some(view) = view else {
            self.busy.remove(primary);
            self.revision += u64::from(answered.is_some());
            return;
        };
        for address in view.addresses() {
            self.index.add(address, primary);
        }
        let held = before
            .as_ref()
            .is_some_and(|group| group.view.holder == self.node);
        let former = view.former.clone().filter(|_| view.holder == self.node && !held);
        let mut group = match before {
            Some(group) => self.succeed(group, view, now),
            None => self.take_up(view, now),
        };
        group.read = group.read.max(read);
        if let Some(fence) = &mut group.fence
            && let Some(read) = read.filter(|read| *read >= fence.at)
        {
            fence.confirm(read, now);
        }
        if let Some(former) = former {
            self.chase(former, primary.clone());
        }
        self.keep(primary, group);
        // Of most changes to most leases nothing follows here, and looking at the kernel costs time.
        if self.answer(primary).map(Answer::owned) != answered {
            self.decided(primary);
        }
    }

    pub(super) fn keep(&mut self, primary: &ServiceId, group: Group) {
        if group.is_busy() {
            self.busy.insert(primary.clone());
        } else {
            self.busy.remove(primary);
        }
        self.groups.insert(primary.clone(), group);
    }

    /// The same group, bound as before or otherwise.
    fn succeed(&self, mut group: Group, view: GroupView, now: Instant) -> Group {
        let held = group.view.holder == self.node && group.fence.is_none();
        let before = std::mem::replace(&mut group.view, view);
        let view = &group.view;
        let is_same = view.epoch == before.epoch && view.holder == before.holder;
        if !is_same && view.holder == self.node && before.holder != self.node {
            let since = match group.claim {
                Some(Claim::Asked { silent, .. }) => Some(silent),
                _ => group.suspected.map(|suspected| suspected.since),
            };
            let claimed = group.claim.is_some() || group.usurped.is_some();
            group.won = claimed.then(|| (before.holder.clone(), since));
        }
        if !is_same {
            (group.claim, group.suspected, group.returning) = (None, None, None);
        }
        if view.holder == self.node {
            group.leaving = None;
            // A lease that is older than what it holds by is still to be written.
            let own = Order::of_holder(view.epoch);
            group.usurped = group.usurped.filter(|one| one.order.beats(own));
        } else {
            group.fence = None;
            let given_up = group.usurped.take_if(|one| view.epoch >= one.order.epoch);
            if !is_same {
                let was_former = view.former.as_ref() == Some(&self.node);
                let is_here = self
                    .links
                    .values()
                    .all(|link| !link.nic.is_up() || link.is_sure());
                let held_by = (held && was_former).then_some(Order::of_holder(before.epoch));
                // Who holds by rank goes on too: the lease may name who has not read it yet.
                group.leaving = held_by
                    .or(given_up.map(|one| one.order))
                    .filter(|_| is_here)
                    .map(|order| leaving(order, &before.targets, view, now))
                    .or(group.leaving.filter(|_| was_former));
            } else if let Some(one) = &mut group.leaving {
                one.targets = narrowed(&one.targets, view);
            }
        }
        let own = Order::of_holder(view.epoch);
        group.fence = group.fence.filter(|fence| fence.order.beats(own));
        group.outdone = group.outdone.filter(|outdone| outdone.beats(own));
        group
    }

    /// A group that is seen for the first time: what an earlier run of this agent left in the kernel tells its part.
    fn take_up(&mut self, view: GroupView, now: Instant) -> Group {
        let left: Vec<Order> = view
            .addresses()
            .filter_map(|address| self.adopted.remove(&address))
            .collect();
        let mut group = Group::new(view);
        let Some(order) = left
            .into_iter()
            .reduce(|one, other| if one.beats(other) { one } else { other })
        else {
            let is_back = self.begins && group.view.holder == self.node;
            group.returning = is_back.then(|| Returning::new(now));
            return group;
        };
        let view = &group.view;
        if view.holder == self.node {
            return group;
        }
        if order.rank > 0 && order.beats(Order::of_holder(view.epoch)) {
            group.usurped = Some(Usurped {
                order,
                next_look: now,
                shut_out: None,
            });
        } else if view.former.as_ref() == Some(&self.node) {
            group.leaving = Some(leaving(order, &view.targets, view, now));
        }
        group
    }

    pub(super) fn yield_group(
        &mut self,
        primary: &ServiceId,
        yielded: Yielded,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(part) = self.part(primary) else { return };
        let Some(mut group) = self.groups.remove(primary) else {
            return;
        };
        let mut is_news = false;
        match part {
            Part::Leaver => group.leaving = None,
            Part::Usurper if group.usurped.is_some_and(|one| yielded.order.beats(one.order)) => {
                group.usurped = None;
                group.give_way_to(yielded.order);
                is_news = true;
            }
            Part::Usurper => {}
            Part::Holder => {
                let epoch = group.view.epoch;
                let beaten = yielded.order.beats(Order::of_holder(epoch));
                if beaten {
                    group.give_way_to(yielded.order);
                }
                let known = group
                    .fence
                    .as_mut()
                    .filter(|fence| !yielded.order.beats(fence.order));
                #[cfg(test)]
                let epoch = if self.breaks(super::broken::Rule::ReadAfterEveryClaim) {
                    u32::MAX
                } else {
                    epoch
                };
                if let Some(fence) = known {
                    fence.repeated(epoch, now);
                } else if beaten {
                    group.fence = Some(Fence {
                        order: yielded.order,
                        from: yielded.from,
                        at: now,
                        asked: 0,
                        next_ask: now,
                        api: Api::Unasked,
                        resumed: None,
                    });
                    actions.push(super::claiming::read(primary));
                    is_news = true;
                }
            }
        }
        self.keep(primary, group);
        self.probing.unlisted.add(primary);
        self.decided(primary);
        if is_news && let Some(link) = self.links.get(&yielded.nic) {
            let sight = Sight::Fenced {
                address: yielded.address,
                interface: link.nic.interface.name.clone(),
                by: self.members.node_of(yielded.from).cloned(),
                epoch: yielded.order.epoch,
            };
            actions.push(Action::Tell(Some(primary.clone()), sight));
        }
    }

    /// Somebody else answers for, or claims, an address that this node has a part in.
    pub(super) fn heard_other(&mut self, heard: Heard, now: Instant, actions: &mut Vec<Action>) {
        if self.is_own(&heard) {
            return;
        }
        let Some(primary) = self.index.group_of(heard.address).cloned() else {
            return;
        };
        if self.part(&primary).is_some()
            && let Some(link) = self.links.get_mut(&heard.nic)
        {
            link.heard_other(now);
        }
        let told = self.claim_to(heard);
        let Some(group) = self.groups.get_mut(&primary) else {
            return;
        };
        if let Some(returning) = &mut group.returning {
            let is_member = self.members.nodes.is_empty() || self.members.node_of(heard.from).is_some();
            if is_member {
                (returning.asked, returning.next_ask) = (0, now + LOOK_INTERVAL);
            }
        } else if let Some(fence) = &mut group.fence {
            fence.from = heard.from;
            // Where nothing was asked since, it was heard for another reason, as often as others ask.
            if fence.asked > 0 {
                (fence.asked, fence.next_ask) = (0, now + LOOK_INTERVAL);
            }
        } else {
            // It answers by an older order, or does not know of this one.
            actions.extend(told);
        }
        if let Some(Claim::Listening { .. } | Claim::Asking { .. }) = group.claim {
            group.claim = Some(Claim::Resting(now + LOOK_INTERVAL));
        }
    }
}

fn leaving(order: Order, before: &[Target], view: &GroupView, now: Instant) -> Leaving {
    Leaving {
        order,
        targets: narrowed(before, view),
        since: now,
        is_told: false,
    }
}

/// Only what is still to be announced at all.
fn narrowed(targets: &[Target], view: &GroupView) -> Vec<Target> {
    let still: BTreeSet<IpAddr> = view.addresses().collect();
    let narrow = |target: &Target| Target {
        addresses: target.addresses.intersection(&still).copied().collect(),
        interfaces: target.interfaces.clone(),
    };
    targets.iter().map(narrow).collect()
}
