//! Back to what the lease says: a holder that comes back or that a claim fenced which the lease does not know, and who holds by
//! rank while the lease names another.

use lightship_abi::order::Order;

use super::claiming::{claim, read};
use super::group::{ASK_INTERVAL, ASKS, Api, Fence, Group, LOOK_INTERVAL, PASSED_OVER, Usurped};
use super::{Action, Watch};
use crate::names::ServiceId;
use crate::time::Instant;

impl Watch {
    /// A holder that comes back asks before it answers: one that took the address by rank claims the lease meanwhile.
    pub(super) fn pursue_return(&mut self, group: &mut Group, now: Instant, actions: &mut Vec<Action>) {
        let Some(returning) = group.returning.as_mut().filter(|one| now >= one.next_ask) else {
            return;
        };
        if returning.asked < ASKS && now < returning.until {
            returning.asked += 1;
            returning.next_ask = now + ASK_INTERVAL;
            self.ask_all(group, actions);
        } else {
            group.returning = None;
            self.revision += 1;
            group.decided = self.revision;
        }
    }

    /// Who holds without a lease asks whether somebody else does, and whether the API server is back. Where it is, and the lease is
    /// another's for good, that one had time to take it back.
    pub(super) fn pursue_usurped(
        &mut self,
        primary: &ServiceId,
        group: &mut Group,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(usurped) = group.usurped.filter(|one| now >= one.next_look) else {
            return;
        };
        if usurped.shut_out.is_some_and(|since| now - since >= PASSED_OVER) {
            group.usurped = None;
            self.revision += 1;
            group.decided = self.revision;
            return;
        }
        self.ask_all(group, actions);
        actions.push(claim(primary, group, usurped.order.epoch));
        group.usurped = Some(Usurped {
            next_look: now + LOOK_INTERVAL,
            ..usurped
        });
    }

    /// A holder that yielded to a claim which the lease does not know: while somebody answers who can still write the lease, it
    /// stays silent; else it takes the address back by an order that beats the claim's.
    pub(super) fn pursue_fence(
        &mut self,
        primary: &ServiceId,
        group: &mut Group,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(fence) = group.fence.filter(|fence| now >= fence.next_ask) else {
            return;
        };
        let absurd = fence.is_absurd(group.view.epoch);
        let mut next = Fence {
            next_ask: now + ASK_INTERVAL,
            ..fence
        };
        if fence.asked < ASKS && !self.is_shut_out(group, fence) {
            self.ask_all(group, actions);
            next.asked += 1;
        } else {
            next.next_ask = now + LOOK_INTERVAL;
            match fence.api {
                Api::Unasked => actions.push(read(primary)),
                Api::Away if absurd => actions.push(read(primary)),
                // The read itself confirms what no order could, `Answer::confirmed` says so: unless an order could beat another
                // claim, whose node may answer by it again.
                Api::Confirmed(_) if absurd && let Some(outdone) = group.outdone => {
                    actions.push(claim(primary, group, outdone.epoch + 1));
                }
                Api::Confirmed(read) if absurd => {
                    if next.resumed != Some(read) {
                        next.resumed = Some(read);
                        self.revision += 1;
                        group.decided = self.revision;
                    }
                }
                Api::Confirmed(_) => {
                    let epoch = fence.order.epoch + 1;
                    actions.push(claim(primary, group, epoch));
                }
                Api::Away => {
                    let rank = u32::try_from(group.view.standbys.len()).unwrap_or(u32::MAX - 1) + 1;
                    let epoch = fence.order.epoch + 1;
                    self.usurp(primary, group, Order { epoch, rank }, now);
                    return;
                }
            }
        }
        group.fence = Some(next);
    }

    /// Whether the node that answers instead of this one cannot write the lease: it was deposed and did not hear of it.
    fn is_shut_out(&self, group: &Group, fence: Fence) -> bool {
        let usurper = self.members.node_of(fence.from);
        usurper.is_some_and(|one| group.view.place_of(one).is_none())
            && fence.api != Api::Away
            && !fence.is_absurd(group.view.epoch)
    }

    pub(super) fn usurp(&mut self, primary: &ServiceId, group: &mut Group, order: Order, now: Instant) {
        (group.fence, group.leaving, group.suspected) = (None, None, None);
        group.usurped = Some(Usurped {
            order,
            next_look: now + LOOK_INTERVAL,
            shut_out: None,
        });
        self.probing.unlisted.add(primary);
        self.revision += 1;
        group.decided = self.revision;
    }
}
