//! What agents did and saw on their own, told once: takeovers by standbys, and the findings of heartbeats.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource as _;
use lightship_core::binding::Binding;
use lightship_core::finding::{Arbiter, Finding, Sight};
use lightship_core::inventory::Inventory;
use lightship_core::names::{NodeName, ServiceId};
use lightship_core::placement::Outcome;
use lightship_core::time::Instant;
use lightship_crd::event;
use lightship_edge::lease::trace_context;

use super::World;
use super::members::node_reference;
use crate::outbox::Target;
use crate::status::Note;

/// How long a claimed lease is left alone.
const AFTER_CLAIM: Duration = Duration::from_secs(2);

/// How long a takeover waits for the claimant's own account of it, which comes with its next heartbeat.
const PATIENCE: Duration = Duration::from_secs(7);

/// While one takeover follows another within this time, nothing is told: the API server is the claimants' first.
const LULL: Duration = Duration::from_millis(200);

/// What is to be told waits no longer than this for takeovers to end.
const LONGEST_WAVE: Duration = Duration::from_secs(5);

/// Something to be counted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Count {
    /// A service's addresses went to another node, for this cause.
    Moved(&'static str),
    /// A standby took over this long after the last answer of the holder.
    TookOver(Duration),
    /// An agent saw something of this kind.
    Found(&'static str),
}

/// A standby took a group from its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Takeover {
    service: ServiceId,
    from: NodeName,
    to: NodeName,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    silence: Duration,
    arbiter: Arbiter,
}

/// What was heard, and what is yet to be told.
#[derive(Clone, Debug, Default)]
pub(super) struct Stories {
    /// Takeovers seen in leases, with their addresses, that the claimant has not told of yet.
    untold: Vec<(Instant, Takeover, Vec<IpAddr>)>,
    /// What claimants told before their leases were seen.
    accounts: Vec<(Instant, Takeover, Account)>,
    /// The run of each node's agent and its latest finding that was told.
    heard: BTreeMap<NodeName, (String, u64)>,
    pub(super) counts: Vec<Count>,
    /// The takeovers that follow each other closely.
    wave: Option<Wave>,
}

/// The first and the last of takeovers that follow each other closely.
#[derive(Clone, Copy, Debug)]
struct Wave {
    first: Instant,
    last: Instant,
}

impl Wave {
    fn end(&self) -> Instant {
        (self.last + LULL).min(self.first + LONGEST_WAVE)
    }
}

impl Stories {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.untold.iter().map(|(until, ..)| *until).min()
    }

    /// Until when nothing is told, because many bindings are being claimed.
    pub(super) fn wave_end(&self, now: Instant) -> Option<Instant> {
        self.wave.map(|wave| wave.end()).filter(|end| now < *end)
    }

    fn takeover_seen(&mut self, now: Instant) {
        let followed = self.wave.filter(|wave| now < wave.last + LULL);
        let first = followed.map_or(now, |wave| wave.first);
        self.wave = Some(Wave { first, last: now });
    }

    /// The findings that were not told yet. What is there when an agent is first seen was told by an earlier operator.
    fn news(&mut self, node: &NodeName, inventory: &Inventory) -> Vec<Finding> {
        let latest = inventory.findings.iter().map(|one| one.number).max().unwrap_or(0);
        let known = self.heard.insert(node.clone(), (inventory.run.clone(), latest));
        let Some((run, told)) = known else {
            return vec![];
        };
        let told = if run == inventory.run { told } else { 0 };
        if let Some((_, kept)) = self.heard.get_mut(node) {
            *kept = latest.max(told);
        }
        let new = inventory.findings.iter().filter(|one| one.number > told);
        new.cloned().collect()
    }
}

impl World {
    /// The binding of a service is about to be known as another.
    pub(super) fn note_change(
        &mut self,
        id: &ServiceId,
        lease: &Lease,
        now_bound: Option<&Binding>,
        now: Instant,
    ) {
        let (Some(before), Some(after)) = (self.cluster.bindings.get(id), now_bound) else {
            return;
        };
        if before.holder == after.holder {
            return;
        }
        let claimed = after.order.primary == *id && after.order.deposed.as_ref() == Some(&before.holder);
        let cause = match self.placements.get(id) {
            _ if claimed => "claimed",
            Some(Outcome::Placed(placed)) if placed.holder == after.holder => {
                placed.moved.as_ref().map_or("edited", |(_, cause)| cause.word())
            }
            _ => "edited",
        };
        self.stories.counts.push(Count::Moved(cause));
        if claimed {
            self.causes.takeover_seen(id, trace_context(lease), now);
            // The claimant has what it needs; new standbys can wait until the rest of a dead node's bindings are claimed too.
            self.outbox.rest(Target::Lease(id.clone()), now + AFTER_CLAIM);
            let takeover = Takeover {
                service: id.clone(),
                from: before.holder.clone(),
                to: after.holder.clone(),
            };
            let addresses = after.order.addresses();
            self.cluster.steadiness.lost(&takeover.from, now);
            self.taken_over(takeover, addresses, now);
        }
    }

    fn taken_over(&mut self, takeover: Takeover, addresses: Vec<IpAddr>, now: Instant) {
        self.stories.takeover_seen(now);
        let accounts = &mut self.stories.accounts;
        accounts.retain(|(until, ..)| *until > now);
        match accounts.iter().position(|(_, one, _)| *one == takeover) {
            Some(place) => {
                let (.., account) = accounts.swap_remove(place);
                self.tell_takeover(&takeover, &addresses, Some(account));
            }
            None => self.stories.untold.push((now + PATIENCE, takeover, addresses)),
        }
    }

    /// Tells of takeovers without their claimants' accounts, which do not come any more.
    pub(super) fn tell_overdue(&mut self, now: Instant) {
        let untold = std::mem::take(&mut self.stories.untold);
        let (overdue, waiting) = untold.into_iter().partition(|(until, ..)| *until <= now);
        self.stories.untold = waiting;
        let overdue: Vec<(Instant, Takeover, Vec<IpAddr>)> = overdue;
        for (_, takeover, addresses) in overdue {
            self.tell_takeover(&takeover, &addresses, None);
        }
    }

    fn tell_takeover(&mut self, takeover: &Takeover, addresses: &[IpAddr], account: Option<Account>) {
        let Takeover { service, from, to } = takeover;
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let how = account.map_or_else(String::new, |account| {
            let by = match account.arbiter {
                Arbiter::Lease => "",
                Arbiter::Rank => ", without the API server, which did not answer",
            };
            format!(" after {} ms{by}", account.silence.as_millis())
        });
        let note = Note::normal(
            event::MOVED,
            format!(
                "Node {to} answers for {} instead of {from}: {from} fell silent, {to} took over{how}",
                addresses.join(", ")
            ),
        );
        let lease = self.leases.get(service).map(|lease| lease.object_ref(&()));
        let about = self.services.get(service).map(|one| one.object_ref(&()));
        self.tales
            .push((vec![note], about.into_iter().chain(lease).collect()));
    }

    /// Tells what is new in a heartbeat.
    pub(super) fn hear(&mut self, node: &NodeName, inventory: &Inventory, now: Instant) {
        for finding in self.stories.news(node, inventory) {
            let about = finding.service.as_ref();
            let told = match finding.saw {
                Sight::Claimed {
                    from,
                    silence_ms,
                    arbiter,
                } => {
                    let account = Account {
                        silence: Duration::from_millis(silence_ms),
                        arbiter,
                    };
                    self.account(node, &from, about, account, now);
                    continue;
                }
                saw => self.found(node, &saw),
            };
            let regarding = self.regarding(about, node);
            self.tales.push((vec![told], vec![regarding]));
        }
    }

    fn account(
        &mut self,
        node: &NodeName,
        from: &NodeName,
        service: Option<&ServiceId>,
        account: Account,
        now: Instant,
    ) {
        self.stories.counts.push(Count::TookOver(account.silence));
        let Some(service) = service else {
            return;
        };
        let takeover = Takeover {
            service: service.clone(),
            from: from.clone(),
            to: node.clone(),
        };
        let untold = &mut self.stories.untold;
        match untold.iter().position(|(_, one, _)| *one == takeover) {
            Some(place) => {
                let (_, takeover, addresses) = untold.swap_remove(place);
                self.tell_takeover(&takeover, &addresses, Some(account));
            }
            None => self.stories.accounts.push((now + PATIENCE, takeover, account)),
        }
    }

    fn found(&mut self, node: &NodeName, saw: &Sight) -> Note {
        let (kind, told) = match saw {
            Sight::Conflict {
                address,
                interface,
                mac,
            } => {
                let message = format!(
                    "Station {mac} on {interface} of node {node} says that it has {address}: give it another address, \
                     or take this one out of the pool"
                );
                ("conflict", Note::warning(event::ADDRESS_CONFLICT, message))
            }
            Sight::Fenced {
                address, by, epoch, ..
            } => {
                let by = by
                    .as_ref()
                    .map_or("another member".to_owned(), |by| format!("node {by}"));
                let message =
                    format!("Node {node} fell silent for {address}: {by} claimed it in epoch {epoch}");
                ("fence", Note::normal(event::FENCED, message))
            }
            Sight::Lingers { address, to } => {
                let message = format!(
                    "Node {node} goes on answering for {address}: node {to}, which should, does not answer; look at \
                     the agent and the network there"
                );
                ("lingers", Note::warning(event::LINGERS, message))
            }
            Sight::Refused {
                address,
                interface,
                why,
            } => {
                let message = format!(
                    "Node {node} holds {address} and cannot be made to answer for it on {interface}, where it is not \
                     announced: {why}"
                );
                ("refused", Note::warning(event::NOT_ANSWERED, message))
            }
            Sight::Claimed { from, .. } => (
                "claim",
                Note::normal(event::CLAIMED, format!("Node {node} took over from {from}")),
            ),
        };
        self.stories.counts.push(Count::Found(kind));
        told
    }

    fn regarding(&self, service: Option<&ServiceId>, node: &NodeName) -> ObjectReference {
        let service = service.and_then(|id| self.services.get(id));
        service.map_or_else(|| node_reference(node.as_str()), |one| one.object_ref(&()))
    }
}
