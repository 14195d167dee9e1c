//! The announcer: this node's leases and devices in, entries in the kernel out. It owns the datapath.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use lightship_core::announcing::Schedule;
use lightship_core::binding::Binding;
use lightship_core::names::{NodeName, ServiceId};
use lightship_core::time::Instant;
use lightship_datapath::devices::{Device, Selection};
use lightship_datapath::plan::{Action, Desired, View, plan};
use lightship_datapath::{Datapath, Entry};
use lightship_edge::lease;
use lightship_edge::watch::Seen;
use tracing::{debug, info, warn};

use crate::error::Error;
use crate::metrics::Metrics;
use crate::wanted::wanted;

/// Keeps the kernel in step with leases and devices.
pub(crate) struct Announcer {
    node: NodeName,
    selection: Selection,
    datapath: Datapath,
    metrics: Metrics,
    view: View,
    bindings: BTreeMap<ServiceId, Binding>,
    devices: Vec<Device>,
    desired: Desired,
    schedule: Schedule<Entry>,
}

impl Announcer {
    /// An announcer that knows no lease yet; what the kernel holds stays until it does.
    pub(crate) fn new(
        node: NodeName,
        selection: Selection,
        datapath: Datapath,
        metrics: Metrics,
        announce_interval: Duration,
    ) -> Self {
        Self {
            node,
            selection,
            datapath,
            metrics,
            view: View::Partial,
            bindings: BTreeMap::new(),
            devices: Vec::new(),
            desired: Desired {
                interfaces: BTreeMap::new(),
                entries: [].into(),
                members: [].into(),
                view: View::Partial,
            },
            schedule: Schedule::new(announce_interval),
        }
    }

    /// Whether all leases have been seen once.
    pub(crate) fn is_complete(&self) -> bool {
        self.view == View::Complete
    }

    /// Takes in what the watch of service leases saw.
    pub(crate) fn observe_leases(&mut self, seen: Seen<Lease>) {
        if seen.is_everything() {
            self.view = View::Complete;
        }
        let difference = seen.difference(self.bindings.keys().cloned(), lease::bound_service);
        for lease in difference.applied {
            let service = lease::bound_service(&lease);
            match lease::binding(&lease) {
                Ok(binding) => {
                    self.bindings.insert(service, binding);
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(error, %service, "a lease cannot be read; what it held before is kept");
                }
            }
        }
        for service in difference.deleted {
            self.bindings.remove(&service);
        }
    }

    /// Takes in the node's devices.
    pub(crate) fn observe_devices(&mut self, devices: Vec<Device>) {
        self.devices = devices;
    }

    /// Tells the responder that this agent lives, and takes in what it counted.
    pub(crate) fn beat(&mut self) -> Result<(), Error> {
        self.datapath.beat().map_err(Error::Beat)?;
        self.metrics
            .counted(&self.datapath.counters().map_err(Error::Beat)?);
        Ok(())
    }

    /// Fetches what is, decides what should be, and carries out the difference.
    pub(crate) fn reconcile(&mut self, now: Instant) -> Result<(), Error> {
        let observed = self.datapath.observe().map_err(Error::Observe)?;
        let wanted = wanted(
            &self.bindings,
            &self.node,
            &self.devices,
            &self.selection,
            &observed,
            self.view,
        );
        for (service, error) in &wanted.unreadable {
            warn!(%service, %error, "the lease names an interface expression that does not parse");
        }
        let actions = plan(&wanted.desired, &observed);
        self.desired = wanted.desired;
        self.carry_out(&actions);
        self.schedule
            .retain(|entry| self.desired.entries.contains_key(entry));
        for entry in self.desired.entries.keys() {
            if observed.entries.contains_key(entry) {
                self.schedule.adopted(*entry, now);
            } else {
                self.schedule.taken(*entry, now);
            }
        }
        self.metrics.holds(self.desired.entries.len());
        Ok(())
    }

    /// Sends the announcements that are due.
    pub(crate) fn announce(&mut self, now: Instant) {
        let due = self.schedule.take_due(now).into_iter().filter_map(|entry| {
            let mac = self.desired.interfaces.get(&entry.interface)?;
            let hold = self.desired.entries.get(&entry)?;
            Some(Action::Announce(entry, *mac, hold.order))
        });
        let actions: Vec<_> = due.collect();
        self.carry_out(&actions);
    }

    /// When [`Self::announce`] has something to send next.
    pub(crate) fn next_announcement(&self) -> Option<Instant> {
        self.schedule.next_due()
    }

    fn carry_out(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::AddEntry(entry, _) => info!(%entry, "answers"),
                Action::RemoveEntry(entry) => info!(%entry, "answers no more"),
                Action::Attach(interface) => info!(%interface, "attaches the responder"),
                Action::Replace(interface) => info!(%interface, "adopts the responder of an earlier agent"),
                Action::Detach(interface) => info!(%interface, "detaches the responder"),
                Action::JoinGroup(group) => debug!(%group, "joins a solicited-node group"),
                Action::LeaveGroup(group) => debug!(%group, "leaves a solicited-node group"),
                Action::SetHold(entry, hold) => debug!(%entry, ?hold, "answers by another binding"),
                Action::SetMac(..)
                | Action::ForgetMac(_)
                | Action::SetMember(..)
                | Action::ForgetMember(_)
                | Action::Announce(..) => {}
            }
        }
        let failures = self.datapath.execute(actions);
        for failure in &failures {
            let error = failure as &dyn std::error::Error;
            warn!(error, action = ?failure.action, "the kernel was not changed; it is tried again");
        }
        let sent = actions
            .iter()
            .filter(|action| matches!(action, Action::Announce(..)))
            .count();
        let unsent = failures
            .iter()
            .filter(|failure| matches!(failure.action, Action::Announce(..)))
            .count();
        self.metrics.announced(sent.saturating_sub(unsent));
        self.metrics.failed(failures.len());
    }
}
