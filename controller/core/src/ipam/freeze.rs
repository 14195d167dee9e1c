//! A time in which nothing is decided: what the pools say cannot be believed, and every decision could be wrong.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::adopt::is_left_to_others;
use super::machine::{Ipam, Phase, Tracked};
use super::range::Family;
use super::services::Id;
use super::verdict::{Kind, Reason, Verdict};
use crate::service::{Handling, Requested};

impl Ipam {
    /// Gives nothing and takes nothing away until [`Ipam::start`]: changes are taken in, what was decided before stands. `why`
    /// is what those are told who wait, with what to do.
    pub fn freeze(&mut self, why: String) {
        self.phase = Phase::Frozen(why);
    }

    /// What everybody had while nothing was decided; it is nobody's until it is adopted anew. Of two that may not share by
    /// now it would else be lost by the first that is looked at, and to one that loses it as well.
    pub(super) fn lay_down(&mut self) -> BTreeMap<Id, Vec<IpAddr>> {
        let holding = self.services.iter().filter(|tracked| !tracked.held.is_empty());
        let had: BTreeMap<_, _> = holding
            .map(|tracked| (tracked.id.clone(), tracked.held.clone()))
            .collect();
        for (id, held) in &had {
            for address in held {
                self.unhold(id, *address);
            }
            if let Some(tracked) = self.services.get_mut(id)
                && !std::mem::replace(&mut tracked.is_changed, true)
            {
                self.changed.push(id.clone());
            }
        }
        had
    }

    /// Whether a service has what it asks for, as it is to be told.
    pub(super) fn verdict(&self, tracked: &Tracked) -> Option<Verdict> {
        match &self.phase {
            Phase::Frozen(why) if waits(tracked) => {
                Some(Verdict::Unsatisfied(vec![Reason::Frozen(why.clone())]))
            }
            Phase::Frozen(_) => Some(tracked.verdict.clone().unwrap_or(Verdict::Deferred)),
            Phase::Collecting | Phase::Serving => tracked.verdict.clone(),
        }
    }

    pub(super) fn pending_frozen(&self) -> BTreeMap<Kind, usize> {
        let waiting = self.services.iter().filter(|tracked| waits(tracked)).count();
        let any = (waiting > 0).then_some((Kind::Frozen, waiting));
        any.into_iter().collect()
    }
}

/// Whether a service lacks something that it asks for. One that was not decided about yet may have all of it in its status.
fn waits(tracked: &Tracked) -> bool {
    let service = &tracked.service;
    if service.handling != Handling::Ours || is_left_to_others(service) {
        return false;
    }
    let has = |address| tracked.held.contains(address) || service.ingress.contains(address);
    if !service.requested.is_empty() {
        return service.requested.iter().any(|asked| match asked {
            Requested::Address(address) => !has(address),
            Requested::Unreadable(_) => true,
        });
    }
    let all = || tracked.held.iter().chain(&service.ingress);
    let lacks = |family: &Family| !all().any(|address| Family::of(*address) == *family);
    service.families.iter().any(lacks)
}
