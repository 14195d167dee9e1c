//! The announcer: what this node answers for and its devices in, entries in the kernel and frames on the wire out. It owns the
//! way into the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use lightship_core::announcing::Schedule;
use lightship_core::inventory::{Inventory, Mac};
use lightship_core::time::Instant;
use lightship_core::watch::{Heard, Nic, NicIndex, Yielded};
use lightship_datapath::devices::{Device, Selection};
use lightship_datapath::plan::{Action, Desired, Observed, View, plan};
use lightship_datapath::probe::{Question, To};
use lightship_datapath::{Entry, InterfaceIndex, MacAddress, Order, Tombstone, Wakeup, monotonic_ns};
use tracing::{info, warn};

use crate::error::Error;
use crate::host::Kernel;
use crate::inventory;
use crate::metrics::{AddressMetrics, Metrics};
use crate::standing::Standing;
use crate::step::Audit;
use crate::traces::Traces;
use crate::wanted::{Ground, wanted};
use carry_out::made_room;

mod carry_out;

/// How long a binding that was handed over is answered before it is claimed. A question that was under way to both as this node
/// began to answer must not reach the former holder behind the claim, which makes it silent, and this node before its entry.
const OVERTAKING: Duration = Duration::from_millis(5);

/// Keeps the kernel in step with what this node answers for.
pub(crate) struct Announcer {
    selection: Selection,
    kernel: Box<dyn Kernel>,
    metrics: Metrics,
    address_metrics: AddressMetrics,
    devices: Vec<Device>,
    /// What the kernel holds, as far as it is known without a look at it.
    known: Option<Observed>,
    desired: Desired,
    leaving: BTreeSet<Entry>,
    /// What the kernel could not be told to answer when it was last brought in step.
    refused: BTreeSet<Entry>,
    schedule: Schedule<InterfaceIndex, IpAddr>,
    /// Tombstones that were told already.
    told: BTreeMap<Entry, Tombstone>,
}

impl Announcer {
    /// An announcer that answers nothing yet; what the kernel holds stays until every lease was seen.
    pub(crate) fn new(
        selection: Selection,
        kernel: Box<dyn Kernel>,
        metrics: Metrics,
        address_metrics: AddressMetrics,
        announce_interval: Duration,
    ) -> Self {
        Self {
            selection,
            kernel,
            metrics,
            address_metrics,
            devices: Vec::new(),
            known: None,
            desired: Desired {
                interfaces: BTreeMap::new(),
                entries: BTreeMap::new(),
                members: BTreeSet::new(),
                view: View::Partial,
            },
            leaving: BTreeSet::new(),
            refused: BTreeSet::new(),
            schedule: Schedule::new(announce_interval),
            told: BTreeMap::new(),
        }
    }

    /// What an earlier run left in the kernel, by address.
    pub(crate) fn held(&self) -> Result<BTreeMap<IpAddr, Order>, Error> {
        let observed = self.kernel.observe().map_err(Error::Observe)?;
        let mut held: BTreeMap<IpAddr, Order> = BTreeMap::new();
        for (entry, kept) in observed.entries {
            let order = kept.fence.hold.map(|hold| hold.order).unwrap_or_default();
            let known = held.entry(entry.address).or_insert(order);
            if order.beats(*known) {
                *known = order;
            }
        }
        Ok(held)
    }

    /// Takes in the node's devices; returns the interfaces a policy may mean.
    pub(crate) fn observe_devices(&mut self, devices: Vec<Device>) -> BTreeMap<NicIndex, Nic> {
        self.devices = devices;
        let own = self.devices.iter().filter(|device| device.is_nodes_own());
        own.map(|device| {
            let nic = Nic {
                interface: inventory::interface(device, &self.selection),
                gateways: device.gateways.clone(),
            };
            (NicIndex(device.index.0), nic)
        })
        .collect()
    }

    /// A question for an address, to one station or to whoever has it; `None` if there is no such interface.
    pub(crate) fn question(&self, nic: NicIndex, to: Option<Mac>, address: IpAddr) -> Option<Question> {
        let device = self.devices.iter().find(|device| device.index.0 == nic.0)?;
        Some(Question {
            interface: device.index,
            source: device.mac?,
            to: to.map_or(To::Everybody, |to| To::Station(MacAddress(to.0))),
            address,
        })
    }

    /// What the heartbeat tells of the devices.
    pub(crate) fn inventory(&self) -> Inventory {
        inventory::inventory(&self.devices, &self.selection)
    }

    /// Tells the responder that this agent lives.
    pub(crate) fn beat(&mut self) -> Result<(), Error> {
        self.kernel.beat().map_err(Error::Beat)
    }

    /// Takes in what the responder counted.
    pub(crate) fn count(&mut self) -> Result<(), Error> {
        self.metrics
            .counted(&self.kernel.counters().map_err(Error::Beat)?);
        if self.address_metrics == AddressMetrics::Shown {
            self.metrics
                .counted_by_address(&self.kernel.entry_counters().map_err(Error::Beat)?);
        }
        Ok(())
    }

    /// Fetches what is, decides what should be, and carries out the difference. Where the kernel yielded to a claim, that is
    /// told before; what the kernel holds then, afterwards. What it refused is not announced, and worth another look at once
    /// if something else made room meanwhile.
    ///
    /// What is known of the kernel does for what was decided, because a look at all of it takes the longer the more it can
    /// hold; an audit looks, and so does whatever follows a failure.
    pub(crate) fn reconcile(
        &mut self,
        standing: &mut Standing,
        traces: &mut Traces,
        audit: Audit,
        now: Instant,
    ) -> Result<Audit, Error> {
        let known = self.known.take().filter(|_| audit == Audit::IfChanged);
        let mut observed = match known {
            Some(known) => known,
            None => self.kernel.observe().map_err(Error::Observe)?,
        };
        self.tell_yields(standing, &observed, now);
        let revision = standing.revision();
        let kernel_now = monotonic_ns();
        let kernel_time = |moment: Instant| {
            let before = u64::try_from((now - moment).as_nanos()).unwrap_or(u64::MAX);
            kernel_now.saturating_sub(before)
        };
        let ground = Ground {
            devices: &self.devices,
            selection: &self.selection,
            observed: &observed,
            members: standing.members(),
            view: standing.view(),
        };
        let sure = |nic| standing.is_sure_of(nic);
        let wanted = wanted(standing.answers(), sure, kernel_time, ground);
        let mut actions = plan(&wanted.desired, &observed);
        (self.desired, self.leaving) = (wanted.desired, wanted.leaving);
        self.pace(&mut actions, &wanted.handed_over, now);
        let failures = self.carry_out_traced(&actions, traces);
        if failures.is_empty() {
            for action in &actions {
                observed.carried_out(*action);
            }
            self.known = Some(observed);
        }
        let refused = self.refused(&failures);
        self.refused = refused.keys().copied().collect();
        let refusals = refused
            .into_iter()
            .map(|(entry, why)| ((NicIndex(entry.interface.0), entry.address), why));
        standing.carried_out(revision, refusals.collect());
        let Self {
            schedule, refused, ..
        } = self;
        schedule.retain(|interface, address| {
            let (address, interface) = (*address, *interface);
            !refused.contains(&Entry { address, interface })
        });
        traces.in_step(now);
        self.metrics.holds(self.desired.entries.len(), self.refused.len());
        Ok(if self.refused.is_empty() || !made_room(&actions, &failures) {
            Audit::IfChanged
        } else {
            Audit::Now
        })
    }

    /// Leaves of the planned announcements those for which there is room now: they stay where they are, right behind the entry
    /// whose claim they carry. Others that are due too go last, the rest when [`Self::announce`] comes to them.
    fn pace(&mut self, actions: &mut Vec<Action>, handed_over: &BTreeSet<Entry>, now: Instant) {
        let Self {
            desired,
            leaving,
            schedule,
            ..
        } = self;
        let is_announced = |entry: &Entry| desired.entries.contains_key(entry) && !leaving.contains(entry);
        let entry = |interface: InterfaceIndex, address: IpAddr| Entry { address, interface };
        schedule.retain(|interface, address| is_announced(&entry(*interface, *address)));
        for action in &*actions {
            if let Action::Announce(entry, ..) = action
                && is_announced(entry)
            {
                let overtaking = if handed_over.contains(entry) {
                    OVERTAKING
                } else {
                    Duration::ZERO
                };
                schedule.taken(entry.interface, entry.address, now + overtaking);
            }
        }
        for entry in desired.entries.keys().filter(|entry| is_announced(entry)) {
            schedule.adopted(entry.interface, entry.address, now);
        }
        let due = schedule.take_due(now);
        let mut due: BTreeSet<_> = due
            .into_iter()
            .map(|(nic, address)| entry(nic, address))
            .collect();
        actions.retain(|action| match action {
            Action::Announce(entry, ..) => due.remove(entry),
            _ => true,
        });
        actions.extend(due.iter().filter_map(|entry| self.announcement(*entry)));
    }

    fn announcement(&self, entry: Entry) -> Option<Action> {
        let mac = self.desired.interfaces.get(&entry.interface)?;
        let hold = self.desired.entries.get(&entry)?;
        Some(Action::Announce(entry, *mac, hold.order))
    }

    fn tell_yields(&mut self, standing: &mut Standing, observed: &Observed, now: Instant) {
        let standing_now = observed.tombstones();
        // Before every lease was seen nobody knows whose the entry is: it is told then.
        if standing.view() == View::Partial {
            return;
        }
        for (entry, tombstone) in &standing_now {
            let yielded = Yielded {
                nic: NicIndex(entry.interface.0),
                from: Mac(tombstone.mac.0),
                address: entry.address,
                order: tombstone.order,
            };
            if self.told.get(entry) != Some(tombstone) || standing.is_unaware_of(&yielded) {
                info!(%entry, epoch = tombstone.order.epoch, claimant = %tombstone.mac, "yields to a claim");
                standing.observe_yield(yielded, now);
            }
        }
        self.told = standing_now;
    }

    /// Sends the announcements that are due.
    pub(crate) fn announce(&mut self, traces: &mut Traces, now: Instant) {
        let due = self.schedule.take_due(now).into_iter();
        let actions: Vec<_> = due
            .filter_map(|(interface, address)| self.announcement(Entry { address, interface }))
            .collect();
        self.carry_out_traced(&actions, traces);
    }

    /// When [`Self::announce`] has something to send next.
    pub(crate) fn next_announcement(&self) -> Option<Instant> {
        self.schedule.next_due()
    }

    /// Announces an address anew, as soon as there is room.
    pub(crate) fn defend(&mut self, entry: Entry, now: Instant) {
        self.schedule.again(entry.interface, &entry.address, now);
    }

    /// Sends the claim of an entry to one station.
    pub(crate) fn claim_to(&self, entry: Entry, order: Order, to: Mac) {
        if let Err(error) = self.kernel.claim_to(entry, order, MacAddress(to.0)) {
            let error = &error as &dyn std::error::Error;
            warn!(error, %entry, "a claim was not sent");
        }
    }
}

/// What the program tells of a conflict, in the watch's words.
pub(crate) fn conflict(wakeup: &Wakeup) -> Heard {
    Heard {
        nic: NicIndex(wakeup.entry.interface.0),
        from: Mac(wakeup.mac.0),
        address: wakeup.entry.address,
    }
}

#[cfg(test)]
mod tests;
