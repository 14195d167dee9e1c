//! From a silence to a claim, by the lease where the API server answers and by rank where it does not.

use std::collections::{BTreeMap, BTreeSet};

use lightship_abi::order::Order;

use super::group::{
    API_PATIENCE, ASK_INTERVAL, Api, Claim, Group, LINGERING, LISTEN_STEP, LOOK_INTERVAL, PASSED_OVER,
    Suspected, due,
};
use super::pair::{ANSWER_DEADLINE, Silence};
use super::probing::{Purpose, beating};
use super::{Action, ClaimAnswer, ReadAnswer, Watch};
use crate::finding::{Arbiter, Sight};
use crate::names::{NodeName, ServiceId};
use crate::time::Instant;

/// How long a witness counts; while the silence lasts it is asked again every second.
const WITNESS_LASTS: std::time::Duration = std::time::Duration::from_millis(1500);

impl Watch {
    /// Judges the silences: whose groups may be claimed. A node's death is the silence of many groups, and most looks at it find
    /// nothing new: only what changed is touched.
    pub(super) fn suspect(&mut self, now: Instant) {
        let silent = self.silent(now);
        let is_suspected = |primary: &ServiceId| {
            let group = self.groups.get(primary);
            group.is_some_and(|group| group.suspected.is_some())
        };
        let cleared = self.busy.iter().filter(|one| !silent.contains_key(one));
        let cleared: Vec<ServiceId> = cleared.filter(|one| is_suspected(one)).cloned().collect();
        let raised = silent.iter().filter(|(one, _)| !is_suspected(one));
        let raised: Vec<(ServiceId, Instant)> = raised.map(|(one, since)| ((*one).clone(), *since)).collect();
        for primary in cleared {
            self.change(&primary, |group| group.suspected = None);
        }
        for (primary, since) in raised {
            let confirmed = now;
            self.change(&primary, |group| {
                group.suspected = Some(Suspected { since, confirmed });
            });
        }
    }

    /// The groups whose holders are silent while a witness is not, and since when.
    fn silent(&self, now: Instant) -> BTreeMap<&ServiceId, Instant> {
        let mut silent = BTreeMap::new();
        for (station, pair) in &self.probing.pairs {
            let Some(silence) = pair.silence().filter(|_| station.purpose == Purpose::Watch) else {
                continue;
            };
            if self.is_witnessed(silence, now) {
                let groups = pair.silenced(silence).filter_map(|one| self.index.group_of(one));
                silent.extend(groups.map(|primary| (primary, silence.since)));
            }
        }
        silent
    }

    pub(super) fn change(&mut self, primary: &ServiceId, change: impl FnOnce(&mut Group)) {
        if let Some(mut group) = self.groups.remove(primary) {
            change(&mut group);
            self.keep(primary, group);
        }
    }

    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "tests switch the rule off"))]
    fn is_witnessed(&self, silence: Silence, now: Instant) -> bool {
        #[cfg(test)]
        if self.breaks(super::broken::Rule::Witness) {
            return true;
        }
        // Who is asked to bear witness is asked after the first miss; what is heard before may have waited on this machine.
        let missed = silence.since + ANSWER_DEADLINE;
        // One address alone is silent: the station itself bears witness with its others.
        silence.address.is_some()
            || silence
                .witness
                .is_some_and(|heard| heard >= missed && now - heard <= WITNESS_LASTS)
    }

    /// Takes the next step in every group where one is due. Who stands behind others begins where they come to last: where many
    /// bindings are to be claimed it helps them, and does not try for the very ones that are being claimed.
    pub(super) fn pursue(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let (mut first, mut behind) = (vec![], vec![]);
        for primary in &self.busy {
            let Some(group) = self.groups.get(primary) else {
                continue;
            };
            let place = group.view.place_of(&self.node);
            if group.is_due(place, now) {
                let turn = if place > Some(0) { &mut behind } else { &mut first };
                turn.push(primary.clone());
            }
        }
        for primary in first.into_iter().chain(behind.into_iter().rev()) {
            let Some(mut group) = self.groups.remove(&primary) else {
                continue;
            };
            self.pursue_return(&mut group, now, actions);
            self.pursue_claim(&primary, &mut group, now, actions);
            self.pursue_usurped(&primary, &mut group, now, actions);
            self.pursue_fence(&primary, &mut group, now, actions);
            if let Some(leaving) = &mut group.leaving
                && !leaving.is_told
                && now >= leaving.since + LINGERING
            {
                leaving.is_told = true;
                let to = group.view.holder.clone();
                let sight = group
                    .view
                    .addresses()
                    .next()
                    .map(|address| Sight::Lingers { address, to });
                actions.extend(sight.map(|sight| Action::Tell(Some(primary.clone()), sight)));
            }
            self.keep(&primary, group);
        }
    }

    fn pursue_claim(
        &mut self,
        primary: &ServiceId,
        group: &mut Group,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let (Some(suspected), Some(place)) = (group.suspected, group.view.place_of(&self.node)) else {
            group.claim = group.claim.filter(|claim| match claim {
                Claim::Asked { .. } => true,
                Claim::Resting(until) => now < *until,
                Claim::Listening { .. } | Claim::Asking { .. } => false,
            });
            return;
        };
        if let Some(Claim::Resting(until)) = group.claim
            && now >= until
        {
            let until = now + ASK_INTERVAL + ANSWER_DEADLINE;
            group.claim = Some(Claim::Asking { until, next_ask: now });
        }
        match group.claim {
            None if now >= due(suspected, place) => ask_server(primary, group, suspected, now, actions),
            Some(Claim::Asking { until, .. }) if now >= until => {
                ask_server(primary, group, suspected, now, actions);
            }
            Some(Claim::Listening { until, .. }) if now >= until => {
                let rank = u32::try_from(place).unwrap_or(u32::MAX - 1) + 1;
                let epoch = next_epoch(group);
                group.claim = None;
                self.usurp(primary, group, Order { epoch, rank }, now);
                self.chase(group.view.holder.clone(), primary.clone());
                actions.push(told(
                    primary,
                    group.view.holder.clone(),
                    suspected.since,
                    Arbiter::Rank,
                    now,
                ));
            }
            Some(Claim::Listening { ref mut next_ask, .. } | Claim::Asking { ref mut next_ask, .. })
                if now >= *next_ask =>
            {
                *next_ask = *next_ask + ASK_INTERVAL;
                self.ask_all(group, actions);
            }
            _ => {}
        }
    }

    /// What became of a claim. What the lease says now was told before.
    pub fn claim_answered(&mut self, primary: &ServiceId, answer: ClaimAnswer, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        let Some(mut group) = self.groups.remove(primary) else {
            return actions;
        };
        let tried = match group.claim {
            Some(Claim::Asked { at, silent }) => Some((at, silent)),
            _ => None,
        };
        match (answer, tried, group.view.place_of(&self.node)) {
            (ClaimAnswer::Won, ..) => {
                group.claim = None;
                if let Some((from, since)) = group.won.take() {
                    self.chase(from.clone(), primary.clone());
                    let news = since.map(|since| told(primary, from, since, Arbiter::Lease, now));
                    actions.extend(news);
                }
            }
            (ClaimAnswer::Postponed, Some((_, silent)), Some(place)) if now - silent >= PASSED_OVER => {
                group.claim = Some(listening(place, now));
            }
            (ClaimAnswer::Lost | ClaimAnswer::Postponed, Some(_), _) => {
                group.claim = Some(Claim::Resting(now + LOOK_INTERVAL));
            }
            (ClaimAnswer::Unreachable, Some((at, _)), Some(place)) => {
                if now - at < API_PATIENCE && group.suspected.is_some() {
                    actions.push(claim(primary, &group, next_epoch(&group)));
                } else {
                    group.claim = Some(listening(place, now));
                }
            }
            (ClaimAnswer::Unreachable, ..) => {
                if let Some(fence) = &mut group.fence {
                    fence.api = Api::Away;
                }
            }
            (ClaimAnswer::Lost, None, place) => {
                let is_shut_out = place.is_none() && group.view.holder != self.node;
                if let Some(usurped) = &mut group.usurped {
                    usurped.shut_out = usurped.shut_out.or(Some(now)).filter(|_| is_shut_out);
                }
            }
            (ClaimAnswer::Postponed, None, _) => {}
        }
        self.keep(primary, group);
        actions
    }

    /// What became of a read. What the leases say was told before.
    pub fn read_answered(&mut self, answer: ReadAnswer, now: Instant) {
        self.links_read(answer, now);
        if answer == ReadAnswer::Unreachable {
            for primary in &self.busy {
                let fence = self
                    .groups
                    .get_mut(primary)
                    .and_then(|group| group.fence.as_mut());
                if let Some(fence) = fence.filter(|fence| fence.api == Api::Unasked) {
                    fence.api = Api::Away;
                }
            }
        }
    }

    pub(super) fn ask_all(&self, group: &Group, actions: &mut Vec<Action>) {
        for (index, link) in self.links.iter().filter(|(_, link)| link.nic.is_up()) {
            actions.extend(group.view.on(&link.nic.interface).map(|address| Action::Ask {
                nic: *index,
                to: None,
                address,
            }));
        }
    }
}

fn ask_server(
    primary: &ServiceId,
    group: &mut Group,
    suspected: Suspected,
    now: Instant,
    actions: &mut Vec<Action>,
) {
    group.claim = Some(Claim::Asked {
        at: now,
        silent: suspected.since,
    });
    actions.push(claim(primary, group, next_epoch(group)));
}

/// The epoch of a claim that beats all that is known.
fn next_epoch(group: &Group) -> u32 {
    let known = group.fence.map(|fence| fence.order).or(group.outdone);
    beating(Order::of_holder(group.view.epoch), known)
}

/// Each rank listens for those before it.
fn listening(place: usize, now: Instant) -> Claim {
    let steps = u32::try_from(place).unwrap_or(u32::MAX).saturating_add(1);
    Claim::Listening {
        until: now + LISTEN_STEP.saturating_mul(steps),
        next_ask: now,
    }
}

pub(super) fn read(primary: &ServiceId) -> Action {
    Action::Read(BTreeSet::from([primary.clone()]))
}

pub(super) fn claim(primary: &ServiceId, group: &Group, epoch: u32) -> Action {
    Action::Claim {
        primary: primary.clone(),
        holder: group.view.holder.clone(),
        seen: group.view.epoch,
        epoch,
    }
}

fn told(primary: &ServiceId, from: NodeName, since: Instant, arbiter: Arbiter, now: Instant) -> Action {
    let silence_ms = milliseconds(now - since);
    let sight = Sight::Claimed {
        from,
        silence_ms,
        arbiter,
    };
    Action::Tell(Some(primary.clone()), sight)
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
