//! Everything the leader knows and has decided: watches feed it, writes come out of it. Nothing here awaits.

mod by_address;
mod causes;
mod claims;
mod definitions;
mod endpoints;
mod leases;
mod members;
mod observe;
mod rehearsed;
mod source;
mod stories;
mod strangers;
#[cfg(test)]
mod tests;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ObjectReference, Service};
use lightship_core::heartbeat::Census;
use lightship_core::ipam::{Ipam, Kind};
use lightship_core::names::{NodeName, PolicyName, PoolName, ServiceId};
use lightship_core::placement::{Cluster, Placements, Rebalancing, Scope};
use lightship_core::selector::Labels;
use lightship_core::service::DefaultClass;
use lightship_core::succession::Succession;
use lightship_core::time::Instant;
use lightship_crd::standing::Replaced;
use lightship_crd::{CiliumL2AnnouncementPolicy, CiliumLoadBalancerIPPool};

use by_address::ByAddress;
use causes::Causes;
use claims::Claims;
pub(crate) use claims::lateness;
use endpoints::EndpointIndex;
use members::Register;
use source::Source;
pub(crate) use stories::Count;
use stories::Stories;
use strangers::Strangers;

pub(crate) use writes::{Answer, Content, Write};

use crate::bindings::LeaseForm;
use crate::definitions::Definition;
use crate::index;
use crate::index::policy::Reading;
use crate::outbox::{Outbox, Target};
use crate::status::Note;

/// Numbers for the metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Available and used addresses by pool.
    pub(crate) pools: BTreeMap<PoolName, (u128, u128)>,
    /// Pools that overlap another.
    pub(crate) conflicting: usize,
    /// Services that wait for an address, by the first thing they lack.
    pub(crate) waiting: BTreeMap<Kind, usize>,
    /// Services by holder.
    pub(crate) held: BTreeMap<NodeName, usize>,
    /// Definitions that somebody else's stand in place of.
    pub(crate) replaced: usize,
}

/// Events, and the objects they are about.
pub(crate) type Tale = (Vec<Note>, Vec<ObjectReference>);

/// The leader's view.
#[derive(Debug)]
pub(crate) struct World {
    form: LeaseForm,
    default_class: DefaultClass,
    ipam: Ipam,
    cluster: Cluster,
    placements: Placements,
    /// What placement has to look at again.
    stale: Scope,
    /// Which agents were there when last looked at.
    census: Census,
    missing: BTreeSet<Source>,
    /// Definitions that are not ours at the moment.
    replaced: BTreeMap<Definition, Replaced>,
    services: BTreeMap<ServiceId, Service>,
    /// The labels of Gateways for their services, by namespace and name.
    gateways: BTreeMap<(String, String), Labels>,
    /// Which services show an address in their status.
    shown: ByAddress,
    /// Which services may come to show an address, or do so unseen.
    claims: Claims,
    /// Which services may come to have a lease that binds an address, or have one unseen.
    lease_claims: Claims,
    /// Who was to hold by the last lease that was sent, and its primary.
    sent_leases: BTreeMap<ServiceId, (NodeName, ServiceId)>,
    /// Nothing is given or bound anew before then: a dead leader's last writes may arrive until that.
    held_back: Option<Instant>,
    /// Which services have a lease that binds an address.
    bound: ByAddress,
    pools: BTreeMap<PoolName, CiliumLoadBalancerIPPool>,
    policies: BTreeMap<PolicyName, (CiliumL2AnnouncementPolicy, Reading)>,
    leases: BTreeMap<ServiceId, Lease>,
    /// Services by the name of their lease.
    lease_names: BTreeMap<String, ServiceId>,
    /// Leases that wait until another lease lets an address go.
    deferred_leases: BTreeSet<ServiceId>,
    /// Nodes by the name of their heartbeat.
    heartbeats: BTreeMap<String, NodeName>,
    /// Whose lease is the authority, and the epochs of addresses.
    succession: Succession,
    /// Leases of others that have a name we need.
    strangers: Strangers,
    stories: Stories,
    causes: Causes,
    endpoints: EndpointIndex,
    register: Register,
    /// What is to be told that no write stands for.
    tales: Vec<Tale>,
    outbox: Outbox,
}

impl World {
    /// A leader that has seen nothing yet.
    pub(crate) fn new(form: LeaseForm, default_class: DefaultClass) -> Self {
        let limit = form.timings.write_limit();
        Self {
            form,
            default_class,
            ipam: Ipam::default(),
            cluster: Cluster::default(),
            placements: Placements::default(),
            stale: Scope::Everything,
            census: Census::default(),
            missing: BTreeSet::from(Source::ALL),
            replaced: BTreeMap::new(),
            services: BTreeMap::new(),
            gateways: BTreeMap::new(),
            shown: ByAddress::default(),
            claims: Claims::new(limit),
            lease_claims: Claims::new(limit),
            sent_leases: BTreeMap::new(),
            held_back: None,
            bound: ByAddress::default(),
            pools: BTreeMap::new(),
            policies: BTreeMap::new(),
            leases: BTreeMap::new(),
            lease_names: BTreeMap::new(),
            deferred_leases: BTreeSet::new(),
            heartbeats: BTreeMap::new(),
            succession: Succession::default(),
            strangers: Strangers::default(),
            stories: Stories::default(),
            causes: Causes::default(),
            endpoints: EndpointIndex::default(),
            register: Register::default(),
            tales: vec![],
            outbox: Outbox::default(),
        }
    }

    /// Evens out load, or does not.
    pub(crate) fn rebalance(&mut self, rebalancing: Rebalancing) {
        self.placements = Placements::new(rebalancing);
    }

    /// Gives and binds nothing anew until then. A leader that died may have sent writes that arrive late and that only
    /// it knew of: each is bound to a version and harms nothing where something was written since, but an address it
    /// puts into one service must not be another's by then.
    pub(crate) fn hold_back(&mut self, until: Instant) {
        self.held_back = Some(until);
    }

    /// Lets time pass: graces end, heartbeats expire.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.ipam.advance(now);
        if self.held_back.is_some_and(|until| until <= now) {
            self.held_back = None;
            let everybody: Vec<_> = self.services.keys().cloned().collect();
            for id in everybody {
                self.refresh_announceable(&id);
                self.outbox.touch(Target::Lease(id));
            }
        }
        for id in self.claims.advance(now) {
            self.outbox.doubt(Target::Service(id));
        }
        for id in self.lease_claims.advance(now) {
            self.outbox.doubt(Target::Lease(id));
        }
        self.weigh_heartbeats(now);
        if !self.cluster.steadiness.advance(now).is_empty() {
            self.replace_everything();
        }
        self.tell_overdue(now);
        for id in self.strangers.due(now) {
            self.outbox.touch(Target::Lease(id));
        }
        for id in self.placements.take_due(&self.cluster, now) {
            self.replace_service(id);
        }
    }

    /// When [`Self::advance`] or the outbox has something to do next.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let expiry = self.cluster.heartbeats.next_expiry(now);
        let deadlines = [
            self.ipam.next_deadline(),
            self.held_back,
            self.claims.next_deadline(),
            self.lease_claims.next_deadline(),
            self.outbox.next_due(now),
            self.cluster.steadiness.next_deadline(now),
            self.placements.next_deadline(),
            self.stories.next_deadline(),
            self.stories.wave_end(now).filter(|_| !self.tales.is_empty()),
            self.strangers.next_deadline(),
            expiry,
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Whether every watch has listed, so that decisions are taken.
    pub(crate) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Whether a write of this leader may still arrive of which it does not know what it did.
    pub(crate) fn leaves_writes_behind(&self) -> bool {
        self.claims.any_unanswered() || self.lease_claims.any_unanswered()
    }

    /// Whether no write is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.outbox.is_idle()
    }

    /// Decides what changed, and returns the writes that may be sent now, `most` at the most.
    pub(crate) fn decide(&mut self, now: Instant, most: usize) -> Vec<Write> {
        if !self.is_complete() {
            return vec![];
        }
        for id in self.ipam.take_changed() {
            self.refresh_announceable(id.name());
        }
        for name in self.ipam.take_changed_pools() {
            self.outbox.touch(Target::Pool(name));
        }
        self.place(now);
        self.writes(now, most)
    }

    /// What happened that no write stands for, and about whom it is to be told; nothing yet while many bindings are being
    /// claimed.
    pub(crate) fn take_tales(&mut self, now: Instant) -> Vec<Tale> {
        if self.stories.wave_end(now).is_some() {
            return vec![];
        }
        std::mem::take(&mut self.tales)
    }

    /// What happened since the last call, to be counted.
    pub(crate) fn take_counts(&mut self) -> Vec<Count> {
        std::mem::take(&mut self.stories.counts)
    }

    /// Numbers for the metrics.
    pub(crate) fn tally(&self) -> Tally {
        let mut held = BTreeMap::new();
        for binding in self.cluster.bindings.values() {
            *held.entry(binding.holder.clone()).or_default() += 1;
        }
        let mut tally = Tally {
            waiting: self.ipam.pending(),
            held,
            replaced: self.replaced.len(),
            ..Tally::default()
        };
        for (name, counts, conflict) in self.ipam.counts() {
            tally.conflicting += usize::from(conflict.is_some());
            tally.pools.insert(name.clone(), (counts.available, counts.used));
        }
        tally
    }

    /// What placement is to know of a service: the addresses it has or is about to show.
    fn refresh_announceable(&mut self, id: &ServiceId) {
        self.outbox.touch(Target::Service(id.clone()));
        self.replace_service(id.clone());
        let Some(service) = self.services.get(id) else {
            self.cluster.services.remove(id);
            return;
        };
        let allocation = self.ipam.allocation(id);
        let mut addresses = index::service::addresses(service);
        if let Some(allocation) = allocation {
            addresses.retain(|address| !allocation.released.iter().any(|lost| lost.address == *address));
            let given = allocation.given.iter().map(|given| given.address);
            addresses.extend(given.filter(|address| !self.shown_elsewhere(id, *address)));
        }
        addresses.sort_unstable();
        addresses.dedup();
        self.cluster.services.insert(
            id.clone(),
            index::service::announceable(
                service,
                self.inherited(service),
                addresses,
                self.endpoints.of(service),
            ),
        );
    }

    /// The labels a service has by its Gateway.
    fn inherited(&self, service: &Service) -> &Labels {
        static NONE: Labels = Labels::new();
        let gateway = index::service::gateway(service);
        gateway
            .and_then(|gateway| self.gateways.get(&gateway))
            .unwrap_or(&NONE)
    }

    /// Whether a service that does not share the address shows it, or may come to by a write that is under way or that
    /// nobody knows of.
    fn shown_elsewhere(&self, id: &ServiceId, address: IpAddr) -> bool {
        if self.held_back.is_some() && !self.shown.services(&address).any(|showing| showing == id) {
            return true;
        }
        let shares = |other: &ServiceId| self.ipam.holders(address).any(|holder| holder == other);
        let mut showing = self
            .shown
            .services(&address)
            .chain(self.claims.services(&address));
        showing.any(|other| other != id && !shares(other))
    }

    fn place(&mut self, now: Instant) {
        let scope = std::mem::replace(&mut self.stale, Scope::Services(BTreeSet::new()));
        if scope == Scope::Services(BTreeSet::new()) {
            return;
        }
        for id in self.placements.decide(&self.cluster, scope, now) {
            self.outbox.touch(Target::Service(id.clone()));
            self.outbox.touch(Target::Lease(id));
        }
        self.touch_policies();
    }

    /// Placement has to look at one service again.
    fn replace_service(&mut self, id: ServiceId) {
        if let Scope::Services(services) = &mut self.stale {
            services.insert(id);
        }
    }

    /// Placement has to look at everything again.
    fn replace_everything(&mut self) {
        self.stale = Scope::Everything;
    }

    /// Mere renewals decide nothing: with hundreds of nodes there are dozens a second.
    fn weigh_heartbeats(&mut self, now: Instant) {
        let census = self.cluster.heartbeats.advance(now);
        if census != self.census {
            let (before, steadiness) = (&self.census, &mut self.cluster.steadiness);
            for node in before.fresh.difference(&census.fresh) {
                steadiness.fell_silent(node, now);
            }
            for node in census.fresh.difference(&before.fresh) {
                steadiness.heard(node, now);
            }
            self.census = census;
            self.replace_everything();
        }
    }

    fn touch_pools(&mut self) {
        for name in self.pools.keys() {
            self.outbox.touch(Target::Pool(name.clone()));
        }
    }

    fn touch_policies(&mut self) {
        for name in self.policies.keys() {
            self.outbox.touch(Target::Policy(name.clone()));
        }
    }
}
