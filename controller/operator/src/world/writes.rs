//! What is to be written: for each touched object the difference between what it says and what is decided.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::Resource as _;
use lightship_core::interfaces::InterfaceSelector;
use lightship_core::inventory::LinkState;
use lightship_core::names::{NodeName, PolicyName, PoolName, ServiceId};
use lightship_core::time::Instant;
use lightship_crd::{CiliumL2AnnouncementPolicy, CiliumLoadBalancerIPPool, Holder};
use lightship_edge::Clock;
use serde_json::Value;
use tracing::error;

use super::World;
use super::observe::version;
use crate::bindings::{LeaseWrite, lease_name};
use crate::definitions::Definition;
use crate::error::Error;
use crate::index;
use crate::members::MembersWrite;
use crate::outbox::{Lane, Target};
use crate::status::service::Decided;
use crate::status::{self, LONGEST_LIST, Note};

/// One write, with what to tell about whom once it is done.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    /// What is written.
    pub(crate) target: Target,
    /// How.
    pub(crate) content: Content,
    /// What to tell.
    pub(crate) notes: Vec<Note>,
    /// About whom, beside the lease that is written.
    pub(crate) regarding: Vec<ObjectReference>,
}

impl Write {
    /// What came of it once it is done, as metrics label it.
    pub(crate) fn done(&self) -> &'static str {
        match self.content {
            Content::Status(_) | Content::Lease(_) | Content::Members(_) => "written",
            Content::Read | Content::ReadLease(_) => "read",
        }
    }
}

/// The content of a write.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// A merge patch of the status.
    Status(Value),
    /// A write of a lease.
    Lease(LeaseWrite),
    /// A write of the members object.
    Members(MembersWrite),
    /// No write, but a read of an object of which it is not known what the last write did.
    Read,
    /// The same for the lease of this name.
    ReadLease(String),
}

/// What the API server answered to a write.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The service as it is now.
    Service(Box<Service>),
    /// The pool as it is now.
    Pool(Box<CiliumLoadBalancerIPPool>),
    /// The policy as it is now.
    Policy(Box<CiliumL2AnnouncementPolicy>),
    /// The lease as it is now.
    Lease(Box<Lease>),
    /// The lease is gone.
    LeaseDeleted(ServiceId),
    /// The members object as it is now.
    Members(Box<ConfigMap>),
    /// The object itself is gone; its watch will say so.
    Gone,
}

impl Answer {
    /// The lease that was written, for what is told about it.
    pub(crate) fn lease(&self) -> Option<ObjectReference> {
        match self {
            Self::Lease(lease) => Some(lease.object_ref(&())),
            _ => None,
        }
    }
}

impl World {
    /// The write to `target` is done.
    pub(crate) fn written(&mut self, target: Target, answer: Answer, now: Instant) {
        let target_is_members = target == Target::Members;
        self.trace_answer(&target, None);
        let leased = match &target {
            Target::Lease(id) => Some(id.clone()),
            _ => None,
        };
        self.outbox.written(target, now);
        match answer {
            Answer::Service(service) => {
                let over = self.claims.read(&index::service::id(&service), now);
                self.observe_service(*service, now);
                for address in over {
                    self.let_go(address);
                }
            }
            Answer::Pool(pool) => self.observe_pool(*pool),
            Answer::Policy(policy) => self.observe_policy(*policy),
            Answer::Lease(lease) => {
                if let Some(id) = leased {
                    self.lease_answered(&id, *lease, now);
                }
            }
            Answer::LeaseDeleted(id) => {
                self.lease_claims.read(&id, now);
                self.strangers.forget(&id);
                self.outbox.touch(Target::Service(id.clone()));
                self.forget_lease(&id);
            }
            Answer::Members(object) => self.observe_member_object(*object),
            Answer::Gone if target_is_members => self.forget_members(),
            // A write to what is gone did nothing: who waited for it waits no longer.
            Answer::Gone => {
                if leased.is_some_and(|id| !self.lease_claims.refused(&id).is_empty()) {
                    self.release_deferred_leases();
                }
            }
        }
    }

    /// The write to `target` was refused; it is decided again.
    pub(crate) fn refused(&mut self, target: Target, now: Instant) {
        self.trace_answer(&target, Some("refused"));
        if let Target::Service(id) = &target {
            for address in self.claims.refused(id) {
                self.let_go(address);
            }
        }
        if let Target::Lease(id) = &target
            && !self.lease_claims.refused(id).is_empty()
        {
            self.release_deferred_leases();
        }
        self.outbox.failed(target, now);
    }

    /// The write to `target` was not answered, so that it may have been carried out or may be yet: the object is read
    /// before anything is decided about it.
    pub(crate) fn unanswered(&mut self, target: Target, now: Instant) {
        self.trace_answer(&target, Some("unanswered"));
        match &target {
            Target::Service(id) => self.claims.unanswered(id),
            Target::Lease(id) => self.lease_claims.unanswered(id),
            Target::Pool(_) | Target::Policy(_) | Target::Members => {}
        }
        self.outbox.failed(target.clone(), now);
        self.outbox.doubt(target);
    }

    /// The writes that may be sent now: of services and leases `most` at the most, of pools and policies a few.
    pub(super) fn writes(&mut self, now: Instant, most: usize) -> Vec<Write> {
        let mut writes = self.writes_of(Lane::Summaries, now, self.outbox.room_for_summaries());
        writes.extend(self.writes_of(Lane::Services, now, most));
        writes
    }

    /// Objects that say what they should already need no write, so more are looked at until enough are found.
    fn writes_of(&mut self, lane: Lane, now: Instant, most: usize) -> Vec<Write> {
        let wall = Clock::wall();
        let mut writes = Vec::new();
        while writes.len() < most {
            let due = self.outbox.take_due(lane, now, most - writes.len());
            if due.is_empty() {
                break;
            }
            let mut right = Vec::new();
            for target in due {
                match self.write(&target, now, wall) {
                    Ok(Some(write)) => {
                        self.outbox.sent(target);
                        writes.push(write);
                    }
                    Ok(None) => {
                        right.extend(self.is_traced().then(|| target.clone()));
                        self.outbox.found_right(target, now);
                    }
                    Err(error) => {
                        error!(error = &error as &dyn std::error::Error, %target, "nothing is written");
                    }
                }
            }
            self.trace_settled(&right);
        }
        writes
    }

    fn write(&mut self, target: &Target, now: Instant, wall: Timestamp) -> Result<Option<Write>, Error> {
        if self.outbox.is_doubted(target) {
            return Ok(Some(self.read(target)));
        }
        match target {
            Target::Service(id) => Ok(self.service_write(id, now, wall)),
            Target::Lease(id) => self.lease_write(id, now, wall),
            // A write under another's definition would lose for good what that one does not know.
            Target::Pool(_) if !self.keeps_what_is_written(Definition::Pools) => Ok(None),
            Target::Policy(_) if !self.keeps_what_is_written(Definition::Policies) => Ok(None),
            Target::Pool(name) => Ok(self.pool_write(name, wall)),
            Target::Policy(name) => Ok(self.policy_write(name, wall)),
            Target::Members => self.members_write(),
        }
    }

    fn read(&self, target: &Target) -> Write {
        let content = match target {
            Target::Lease(id) => Content::ReadLease(lease_name(id, self.leases.get(id), &self.lease_names)),
            Target::Service(_) | Target::Pool(_) | Target::Policy(_) | Target::Members => Content::Read,
        };
        Write {
            target: target.clone(),
            content,
            notes: vec![],
            regarding: vec![],
        }
    }

    fn service_write(&mut self, id: &ServiceId, now: Instant, wall: Timestamp) -> Option<Write> {
        let service = self.services.get(id)?;
        let allocation = self.ipam.allocation(id)?;
        let given = allocation.given.iter().map(|given| given.address);
        let (shown_elsewhere, to_show): (BTreeSet<_>, BTreeSet<_>) =
            given.partition(|one| self.shown_elsewhere(id, *one));
        let owner = index::service::ingress_owner(service);
        let outcome = self.placements.get(id);
        let decided = Decided {
            allocation: &allocation,
            owner,
            outcome,
            shown_elsewhere: &shown_elsewhere,
            stranger: self.strangers.holder(id),
        };
        let update = status::service::update(service, decided, wall)?;
        let write = Write {
            target: Target::Service(id.clone()),
            content: Content::Status(update.patch),
            notes: update.notes,
            regarding: vec![service.object_ref(&())],
        };
        let version = version(service);
        self.claims.sent(id, version, to_show.into_iter().collect());
        self.trace_status(id, &allocation.given, now);
        Some(write)
    }

    fn pool_write(&self, name: &PoolName, wall: Timestamp) -> Option<Write> {
        let pool = self.pools.get(name)?;
        let update = status::pool::update(pool, &self.ipam.report(name, LONGEST_LIST)?, wall)?;
        Some(Write {
            target: Target::Pool(name.clone()),
            content: Content::Status(update.patch),
            notes: update.notes,
            regarding: vec![pool.object_ref(&())],
        })
    }

    fn policy_write(&self, name: &PolicyName, wall: Timestamp) -> Option<Write> {
        let (policy, reading) = self.policies.get(name)?;
        let holders = self.holders(name);
        let update = status::policy::update(
            policy,
            reading,
            holders,
            self.placements.iter().map(|(_, outcome)| outcome),
            wall,
        )?;
        Some(Write {
            target: Target::Policy(name.clone()),
            content: Content::Status(update.patch),
            notes: update.notes,
            regarding: vec![policy.object_ref(&())],
        })
    }

    /// Who answers because of a policy, by the leases as they are.
    fn holders(&self, policy: &PolicyName) -> Vec<Holder> {
        let mut holders = Vec::new();
        // Hundreds of services share one policy's expressions.
        let mut selectors = BTreeMap::new();
        for (id, binding) in &self.cluster.bindings {
            let mine = binding
                .order
                .announcements
                .iter()
                .filter(|one| one.policy == *policy);
            for announcement in mine {
                let spec = self.leases.get(id).and_then(|lease| lease.spec.as_ref());
                let since = spec.and_then(|spec| spec.acquire_time.as_ref());
                holders.push(Holder {
                    service: id.to_string(),
                    addresses: announcement.addresses.iter().map(ToString::to_string).collect(),
                    node: binding.holder.to_string(),
                    interfaces: selectors
                        .entry(&announcement.interfaces)
                        .or_insert_with_key(|expressions| InterfaceSelector::compile(expressions).ok())
                        .as_ref()
                        .map(|selector| self.interfaces(&binding.holder, selector))
                        .unwrap_or_default(),
                    since: since.and_then(whole_seconds),
                });
            }
        }
        holders
    }

    fn interfaces(&self, node: &NodeName, selector: &InterfaceSelector) -> Vec<String> {
        let inventory = self.cluster.heartbeats.inventory(node);
        let all = inventory.into_iter().flat_map(|inventory| &inventory.interfaces);
        let meant = all.filter(|one| one.link == LinkState::Up && selector.selects(one));
        meant.map(|interface| interface.name.clone()).collect()
    }
}

/// A moment as a status keeps it: with a fraction, what is read back would never equal what was written.
fn whole_seconds(moment: &MicroTime) -> Option<Time> {
    Timestamp::from_second(moment.0.as_second()).ok().map(Time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_a_status() {
        let moment = MicroTime("2026-11-21T19:48:13.899542Z".parse().unwrap());
        let kept = whole_seconds(&moment).unwrap();
        let read: Time = serde_json::from_value(serde_json::to_value(&kept).unwrap()).unwrap();
        assert_eq!(read, kept);
    }
}
