//! What a node does about one group: holds it, leaves it, claims it, or waits.

use std::time::Duration;

use lightship_abi::order::Order;

use super::view::{GroupView, Target};
use crate::inventory::Mac;
use crate::names::NodeName;
use crate::time::Instant;

/// How long an address is silent before it goes by rank although the API server answers others: it may read and not write, as with
/// a store that is full. As long as this, who holds by rank waits for whom the lease names.
pub(super) const PASSED_OVER: Duration = Duration::from_secs(10);
/// How much longer each further standby waits before it claims.
pub(super) const STANDBY_STEP: Duration = Duration::from_millis(250);
/// How long a standby tries to write a claim before it goes by rank.
pub const API_PATIENCE: Duration = Duration::from_millis(600);
/// How long each rank listens for another answer before it takes an address without the API.
pub(super) const LISTEN_STEP: Duration = Duration::from_millis(300);
/// How often who holds without the API asks for its address and tries the lease.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The pause between two asks when a quick answer matters.
pub(super) const ASK_INTERVAL: Duration = Duration::from_millis(100);
/// How many asks in a row nobody may answer before an address counts as free.
pub(super) const ASKS: u32 = 3;
/// How long a former holder waits before it says that its successor does not answer.
pub(super) const LINGERING: Duration = Duration::from_secs(5);
/// No lease changes hands so often between two looks: a claim further ahead is forged.
const ABSURD_LEAD: u32 = 1000;

/// A group and this node's part in it.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) view: GroupView,
    pub(super) leaving: Option<Leaving>,
    pub(super) returning: Option<Returning>,
    pub(super) usurped: Option<Usurped>,
    pub(super) fence: Option<Fence>,
    /// The highest claim that this node gave way to and that an order can beat: who takes the address next has to beat it.
    pub(super) outdone: Option<Order>,
    pub(super) suspected: Option<Suspected>,
    pub(super) claim: Option<Claim>,
    /// Whom this node took it from, and since when that one was silent; until the claim's answer is heard.
    pub(super) won: Option<(NodeName, Option<Instant>)>,
    /// The start of the last read that told what the lease says.
    pub(super) read: Option<Instant>,
    /// The revision at which this node's part in it was last decided.
    pub(super) decided: u64,
}

/// The lease names this node since before it began, and it did not answer when it began: somebody may have taken the address
/// meanwhile whose claim it could not hear.
#[derive(Clone, Copy, Debug)]
pub(super) struct Returning {
    /// How often it asked since an answer was heard.
    pub(super) asked: u32,
    pub(super) next_ask: Instant,
    /// It answers then whatever is heard: who holds by a later order is heard by the kernel.
    pub(super) until: Instant,
}

impl Returning {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            asked: 0,
            next_ask: now,
            until: now + PASSED_OVER,
        }
    }
}

/// The binding went elsewhere; this node answers until the new holder does.
#[derive(Clone, Debug)]
pub(super) struct Leaving {
    pub(super) order: Order,
    pub(super) targets: Vec<Target>,
    pub(super) since: Instant,
    pub(super) is_told: bool,
}

/// Held without a lease, because the API server could not be asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usurped {
    pub(super) order: Order,
    pub(super) next_look: Instant,
    /// Since when the lease is known to be another's and not this node's to claim.
    pub(super) shut_out: Option<Instant>,
}

/// The kernel yielded to a claim that the lease does not know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fence {
    pub(super) order: Order,
    /// Who claimed, or was heard to answer since.
    pub(super) from: Mac,
    pub(super) at: Instant,
    pub(super) asked: u32,
    pub(super) next_ask: Instant,
    pub(super) api: Api,
    /// The start of the read by which the address is taken back although nothing beats the claim.
    pub(super) resumed: Option<Instant>,
}

impl Fence {
    /// Whether no order of ours can beat the claim.
    pub(super) fn is_absurd(&self, epoch: u32) -> bool {
        is_absurd(self.order, epoch)
    }

    /// The claim came again, or a lower one: the kernel believes only what is read from now on.
    pub(super) fn repeated(&mut self, epoch: u32, now: Instant) {
        self.at = now;
        if self.is_absurd(epoch)
            && let Api::Confirmed(_) = self.api
        {
            self.api = Api::Unasked;
        }
    }

    /// The lease was read, and names this node still.
    pub(super) fn confirm(&mut self, read: Instant, now: Instant) {
        let is_awaited = self.asked >= ASKS && !matches!(self.api, Api::Confirmed(_));
        if is_awaited {
            self.next_ask = now;
        }
        self.api = Api::Confirmed(read);
    }
}

/// Whether a claim is further ahead of a lease in this epoch than any that is not forged.
pub(super) fn is_absurd(order: Order, epoch: u32) -> bool {
    order.epoch > epoch.saturating_add(ABSURD_LEAD)
}

/// Whether the API server had its say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    Unasked,
    Confirmed(Instant),
    Away,
}

/// The holder is silent, a witness is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suspected {
    pub(super) since: Instant,
    pub(super) confirmed: Instant,
}

/// How far a claim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The API server is asked, for the first time at `at`, about a holder that has been silent since `silent`.
    Asked { at: Instant, silent: Instant },
    /// The API server is away: does anybody answer?
    Listening { until: Instant, next_ask: Instant },
    /// It failed; not again before that moment.
    Resting(Instant),
    /// It is about to be made again: does anybody answer meanwhile, who may have taken the address by rank?
    Asking { until: Instant, next_ask: Instant },
}

impl Group {
    pub(super) fn new(view: GroupView) -> Self {
        Self {
            view,
            leaving: None,
            returning: None,
            usurped: None,
            fence: None,
            outdone: None,
            suspected: None,
            claim: None,
            won: None,
            read: None,
            decided: 0,
        }
    }

    /// Whether time alone may change anything here.
    pub(super) fn is_busy(&self) -> bool {
        self.leaving.is_some()
            || self.returning.is_some()
            || self.usurped.is_some()
            || self.fence.is_some()
            || self.suspected.is_some()
            || self.claim.is_some()
    }

    /// When time alone may change something next.
    pub(super) fn next(&self, place: Option<usize>) -> Option<Instant> {
        let leaving = self
            .leaving
            .as_ref()
            .filter(|one| !one.is_told)
            .map(|one| one.since + LINGERING);
        let fence = self.fence.map(|fence| fence.next_ask);
        let returning = self.returning.map(|one| one.next_ask);
        let usurped = self.usurped.map(|one| one.next_look);
        let claim = match self.claim {
            Some(Claim::Listening { until, next_ask } | Claim::Asking { until, next_ask }) => {
                Some(until.min(next_ask))
            }
            Some(Claim::Resting(until)) => Some(until),
            Some(Claim::Asked { .. }) => None,
            None => self
                .suspected
                .zip(place)
                .map(|(suspected, place)| due(suspected, place)),
        };
        [leaving, returning, fence, usurped, claim]
            .into_iter()
            .flatten()
            .min()
    }

    /// A claim was heard that beats what this node answers by.
    pub(super) fn give_way_to(&mut self, order: Order) {
        let known = self.outdone;
        if !is_absurd(order, self.view.epoch) && known.is_none_or(|known| order.beats(known)) {
            self.outdone = Some(order);
        }
    }

    /// Whether something is to be done here, of which a claim that nothing speaks for any more is part.
    pub(super) fn is_due(&self, place: Option<usize>, now: Instant) -> bool {
        let is_idle = matches!(self.claim, None | Some(Claim::Asked { .. }));
        let has_lapsed = !is_idle && self.suspected.zip(place).is_none();
        has_lapsed || self.next(place).is_some_and(|next| next <= now)
    }
}

/// When the standby at a place claims from a suspected holder.
pub(super) fn due(suspected: Suspected, place: usize) -> Instant {
    let steps = u32::try_from(place).unwrap_or(u32::MAX);
    suspected.confirmed + STANDBY_STEP.saturating_mul(steps)
}
