//! What this node knows of the bindings, and its part in them: leases, members and what was heard go in, what is to be done
//! and answered comes out. It decides by [`Watch`] and touches neither the kernel nor the API server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use k8s_openapi::api::coordination::v1::Lease;
use lightship_core::binding::WorkOrder;
use lightship_core::finding::Sight;
use lightship_core::groups::Groups;
use lightship_core::members::Members;
use lightship_core::names::{NodeName, ServiceId};
use lightship_core::time::Instant;
use lightship_core::watch::{
    Action, Answer, ClaimAnswer, Evidence, Heard, Missed, Nic, NicIndex, Watch, Yielded,
};
use lightship_datapath::Order;
use lightship_datapath::plan::View;
use lightship_edge::lease;
use lightship_edge::watch::{Seen, forget_managers};
use tracing::warn;

use crate::api::Claimed;
use crate::leases::{Leases, Version};
use crate::reading::{Known, Read};

/// Bindings, members and this node's part in them.
pub(crate) struct Standing {
    watch: Watch,
    groups: Groups,
    node: NodeName,
    leases: Leases,
    members: Option<Members>,
    view: View,
    actions: Vec<Action>,
}

impl Standing {
    /// A node that knows no lease yet; `held` is what an earlier run left in the kernel.
    pub(crate) fn new(node: NodeName, held: BTreeMap<IpAddr, Order>) -> Self {
        let mut watch = Watch::new(node.clone());
        watch.adopt(held);
        Self {
            watch,
            groups: Groups::default(),
            node,
            leases: Leases::default(),
            members: None,
            view: View::Partial,
            actions: Vec::new(),
        }
    }

    /// Whether every lease was seen once.
    pub(crate) fn view(&self) -> View {
        self.view
    }

    /// What this node should answer for.
    pub(crate) fn answers(&self) -> impl Iterator<Item = Answer<'_>> {
        self.watch.answers()
    }

    /// Whether this node may answer on an interface.
    pub(crate) fn is_sure_of(&self, nic: NicIndex) -> bool {
        self.watch.is_sure_of(nic)
    }

    /// Another number when what this node should answer may have changed.
    pub(crate) fn revision(&self) -> u64 {
        self.watch.revision()
    }

    /// The kernel holds by now what was to be answered at a revision, all but what it `refused`, and why.
    pub(crate) fn carried_out(&mut self, revision: u64, refused: BTreeMap<(NicIndex, IpAddr), String>) {
        let actions = self.watch.carried_out(revision, refused);
        self.actions.extend(actions);
    }

    /// Whether what was seen is so still; `None` of what was seen at a moment.
    pub(crate) fn stands(&self, saw: &Sight) -> Option<bool> {
        self.watch.stands(saw)
    }

    /// The members as last told.
    pub(crate) fn members(&self) -> Option<&Members> {
        self.members.as_ref()
    }

    /// What is to be done since the last call.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The leases as they are seen from now on.
    pub(crate) fn leases(&self) -> Leases {
        self.leases.clone()
    }

    /// The leases of these groups, and how many there are of all.
    pub(crate) fn leases_of(&self, groups: &BTreeSet<ServiceId>) -> (Known, usize) {
        let known = groups.iter().filter_map(|primary| {
            let version = self.leases.version(primary)?;
            Some((primary.clone(), version))
        });
        (known.collect(), self.leases.count())
    }

    /// What speaks against the holder of a group.
    pub(crate) fn evidence(&self, primary: &ServiceId) -> Option<Evidence> {
        self.watch.evidence(primary)
    }

    /// The work order of a service's lease.
    pub(crate) fn order(&self, service: &ServiceId) -> Option<&WorkOrder> {
        self.groups.binding(service).map(|binding| &binding.order)
    }

    /// Takes in what the watch of service leases saw.
    pub(crate) fn observe_leases(&mut self, seen: Seen<Lease>, now: Instant) {
        let is_everything = seen.is_everything();
        if is_everything {
            self.view = View::Complete;
        }
        if let Seen::Deleted(lease) = &seen {
            self.leases
                .delete(lease::bound_service(lease), Version::of(lease), now);
        }
        let known = if is_everything {
            self.leases.services()
        } else {
            vec![]
        };
        let difference = seen.difference(known, lease::bound_service);
        let mut touched = BTreeSet::new();
        for lease in difference.applied {
            touched.extend(self.take_in(lease));
        }
        for service in difference.deleted {
            self.leases.forget(&service);
            touched.extend(self.groups.set(service, None));
        }
        self.tell_watch(touched, None, now);
        if is_everything {
            self.watch.begun();
        }
    }

    /// Takes in leases as they were read by a read of our own.
    pub(crate) fn observe_read(&mut self, read: Read, now: Instant) {
        let mut touched = BTreeSet::new();
        for lease in read.leases {
            // One that is kept because it is known better was confirmed all the same.
            touched.insert(lease::bound_service(&lease));
            touched.extend(self.take_in(lease));
        }
        for (service, known) in read.gone {
            // One that was written meanwhile is another.
            if self.leases.version(&service).as_ref() == Some(&known) {
                self.leases.forget(&service);
                touched.extend(self.groups.set(service, None));
            }
        }
        self.tell_watch(touched, Some(read.started), now);
        self.watch.read_answered(read.answer, now);
    }

    /// Takes in what became of a claim.
    pub(crate) fn observe_claim(&mut self, claimed: Claimed, now: Instant) {
        let primary = claimed.claim.primary;
        if let Some(lease) = claimed.lease {
            let touched = self.take_in(lease);
            self.tell_watch(touched, None, now);
        }
        if claimed.answer == ClaimAnswer::Won {
            tracing::info!(service = %primary, from = %claimed.claim.holder, "took the binding over");
        }
        let actions = self.watch.claim_answered(&primary, claimed.answer, now);
        self.actions.extend(actions);
    }

    /// Takes in who the members are.
    pub(crate) fn observe_members(&mut self, members: Members) {
        self.watch.observe_members(members.clone());
        self.members = Some(members);
    }

    /// Takes in this node's interfaces.
    pub(crate) fn observe_nics(&mut self, nics: BTreeMap<NicIndex, Nic>, now: Instant) {
        let actions = self.watch.observe_nics(nics, now);
        self.actions.extend(actions);
    }

    /// Takes in answers that were heard.
    pub(crate) fn observe_answers(&mut self, heard: impl IntoIterator<Item = Heard>, now: Instant) {
        for one in heard {
            let actions = self.watch.heard(one, now);
            self.actions.extend(actions);
        }
    }

    /// What was asked and not answered.
    pub(crate) fn missed(&self) -> Missed {
        self.watch.missed()
    }

    /// The probes that were to be sent are sent.
    pub(crate) fn sent(&mut self, now: Instant) {
        self.watch.sent(now);
    }

    /// Frames were lost between the wire and here.
    pub(crate) fn lost_frames(&mut self) {
        self.watch.void();
    }

    /// Whether a claim that the kernel yields to is to be told although it was told before.
    pub(crate) fn is_unaware_of(&self, yielded: &Yielded) -> bool {
        self.watch.is_unaware_of(yielded)
    }

    /// The kernel yielded to a claim.
    pub(crate) fn observe_yield(&mut self, yielded: Yielded, now: Instant) {
        let actions = self.watch.yielded(yielded, now);
        self.actions.extend(actions);
    }

    /// Another station says that it has an address held here.
    pub(crate) fn observe_conflict(&mut self, heard: Heard, now: Instant) {
        let actions = self.watch.contested(heard, now);
        self.actions.extend(actions);
    }

    /// Does what time alone asks for.
    pub(crate) fn tick(&mut self, now: Instant) {
        let actions = self.watch.tick(now);
        self.actions.extend(actions);
    }

    /// When [`Self::tick`] is to be called next.
    pub(crate) fn next_tick(&mut self) -> Option<Instant> {
        self.watch.next_tick()
    }

    /// Takes in a lease unless a later version of it is known: answers to writes and watches overtake each other.
    fn take_in(&mut self, mut lease: Lease) -> BTreeSet<ServiceId> {
        // A lease that is the answer to a write is whole.
        forget_managers(&mut lease);
        let service = lease::bound_service(&lease);
        if self.leases.knows_better(&service, &Version::of(&lease)) {
            return BTreeSet::new();
        }
        let binding = lease::binding(&lease);
        self.leases
            .keep(service.clone(), lease, binding.as_ref().ok(), &self.node);
        match binding {
            Ok(binding) => self.groups.set(service, Some(binding)),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, %service, "a lease cannot be read; what it said before is kept");
                BTreeSet::new()
            }
        }
    }

    fn tell_watch(&mut self, touched: BTreeSet<ServiceId>, read: Option<Instant>, now: Instant) {
        for old in &touched {
            if let Some(heir) = self.groups.heir(old) {
                self.watch.succeed_primary(old, heir);
            }
        }
        for primary in touched {
            let view = self.groups.group(&primary).map(|laid| {
                for (service, error) in laid.unreadable {
                    warn!(%service, %error, "the lease names an interface expression that does not parse");
                }
                laid.view
            });
            self.watch.observe_group(&primary, view, read, now);
        }
    }
}
