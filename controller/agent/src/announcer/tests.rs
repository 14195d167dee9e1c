//! What is announced of what the kernel has no room for: nothing, until it has.

mod start;

use std::sync::{Arc, Mutex};

use k8s_openapi::api::coordination::v1::Lease;
use lightship_core::binding::{Announcement, WorkOrder};
use lightship_core::finding::Sight;
use lightship_core::watch::Action as Told;
use lightship_crd::annotation;
use lightship_datapath::plan::{Attachment, Fence, Kept};
use lightship_datapath::{ExecuteError, Failure, MapsError, ObserveError, Outcome};
use lightship_edge::Tracer;
use lightship_edge::watch::Seen;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::*;
use crate::server::{group, held};
use crate::wanted::tests::device;

const NIC: InterfaceIndex = InterfaceIndex(2);

/// A kernel with room for one entry; everything else it does.
#[derive(Clone, Default)]
struct Narrow {
    holds: Arc<Mutex<Observed>>,
    announced: Arc<Mutex<Vec<IpAddr>>>,
}

impl Narrow {
    fn take_announced(&self) -> Vec<IpAddr> {
        std::mem::take(&mut self.announced.lock().unwrap())
    }

    fn carry_out(&self, action: Action) -> Result<(), ExecuteError> {
        let mut holds = self.holds.lock().unwrap();
        match action {
            Action::SetMac(interface, mac) => drop(holds.interfaces.insert(interface, mac)),
            Action::Attach(interface) => drop(holds.attached.insert(interface, Attachment::Current)),
            Action::AddEntry(..) if !holds.entries.is_empty() => {
                return Err(MapsError::Missing("room").into());
            }
            Action::AddEntry(entry, hold) => {
                let fence = Fence {
                    hold: Some(hold),
                    tombstone: None,
                };
                let kept = Kept {
                    fence,
                    ..Kept::default()
                };
                holds.entries.insert(entry, kept);
            }
            Action::RemoveEntry(entry) => drop(holds.entries.remove(&entry)),
            Action::Announce(entry, ..) if holds.entries.contains_key(&entry) => {
                self.announced.lock().unwrap().push(entry.address);
            }
            Action::Announce(..) => return Err(MapsError::Missing("entry").into()),
            _ => {}
        }
        Ok(())
    }
}

impl Kernel for Narrow {
    fn observe(&self) -> Result<Observed, ObserveError> {
        Ok(self.holds.lock().unwrap().clone())
    }

    fn execute(&mut self, actions: &[Action]) -> Vec<Failure> {
        let attempts = actions.iter().filter_map(|&action| {
            let error = self.carry_out(action).err()?;
            Some(Failure { action, error })
        });
        attempts.collect()
    }

    fn beat(&mut self) -> Result<(), MapsError> {
        Ok(())
    }

    fn counters(&self) -> Result<BTreeMap<Outcome, u64>, MapsError> {
        Ok(BTreeMap::new())
    }

    fn entry_counters(&self) -> Result<BTreeMap<Entry, BTreeMap<Outcome, u64>>, MapsError> {
        Ok(BTreeMap::new())
    }

    fn claim_to(&self, _: Entry, _: Order, _: MacAddress) -> Result<(), ExecuteError> {
        Ok(())
    }
}

fn lease(name: &str, address: IpAddr) -> Lease {
    let mut lease = held(name, 1);
    let announcement = Announcement {
        policy: "policy1".into(),
        addresses: vec![address],
        interfaces: vec![],
    };
    let order = WorkOrder {
        service: group(name),
        primary: group(name),
        announcements: vec![announcement],
        standbys: vec![],
        former: None,
        deposed: None,
    };
    let annotations = lease.metadata.annotations.get_or_insert_default();
    annotations.insert(annotation::WORK_ORDER.into(), order.to_annotation().unwrap());
    lease
}

/// Node 1 with its agent's parts around a kernel.
struct Scene {
    announcer: Announcer,
    standing: Standing,
    traces: Traces,
    kernel: Narrow,
    registry: Registry,
    now: u64,
}

impl Scene {
    fn new() -> Self {
        let mut scene = Self::on(Narrow::default());
        scene.sees(&[]);
        scene
    }

    /// An agent that begins on a kernel as an earlier one left it.
    fn on(kernel: Narrow) -> Self {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let interval = Duration::from_mins(1);
        let mut announcer = Announcer::new(
            Selection::Automatic,
            Box::new(kernel.clone()),
            metrics,
            AddressMetrics::Hidden,
            interval,
        );
        let mut standing = Standing::new("node-1".into(), announcer.held().unwrap());
        let nics = announcer.observe_devices(vec![device(NIC.0, "eth0")]);
        standing.observe_nics(nics, Instant::default());
        Self {
            announcer,
            standing,
            traces: Traces::new(Tracer::default(), "node-1".into()),
            kernel,
            registry,
            now: 0,
        }
    }

    fn now(&self) -> Instant {
        Instant::after_start(Duration::from_millis(self.now))
    }

    fn sees(&mut self, leases: &[(&str, IpAddr)]) {
        let leases = leases.iter().map(|(name, address)| lease(name, *address));
        let now = self.now();
        self.standing.observe_leases(Seen::Listed(leases.collect()), now);
    }

    fn reconcile(&mut self) -> Audit {
        self.reconcile_with(Audit::IfChanged)
    }

    fn reconcile_with(&mut self, audit: Audit) -> Audit {
        let now = self.now();
        let reconciled = self
            .announcer
            .reconcile(&mut self.standing, &mut self.traces, audit, now);
        reconciled.unwrap()
    }

    /// Time passes, and what is due is announced.
    fn pass(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds {
            self.now += 1;
            let now = self.now();
            if self.announcer.next_announcement().is_some_and(|due| due <= now) {
                self.announcer.announce(&mut self.traces, now);
            }
        }
    }

    fn told(&mut self) -> Vec<IpAddr> {
        let actions = self.standing.take_actions().into_iter();
        let told = actions.filter_map(|action| match action {
            Told::Tell(_, Sight::Refused { address, .. }) => Some(address),
            _ => None,
        });
        told.collect()
    }

    fn metric(&self, name: &str) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
        lines.next().unwrap_or_default().trim().to_owned()
    }
}

fn address(last: u8) -> IpAddr {
    [10, 0, 10, last].into()
}

#[test]
fn what_the_kernel_has_no_room_for_is_told_and_not_announced() {
    let mut scene = Scene::new();
    scene.sees(&[("a", address(0)), ("b", address(1))]);
    assert_eq!(scene.reconcile(), Audit::IfChanged, "nothing made room");
    assert_eq!(scene.told(), [address(1)]);
    scene.pass(70_000);
    let announced = scene.kernel.take_announced();
    assert!(announced.len() > 5, "{announced:?}");
    assert!(announced.iter().all(|one| *one == address(0)), "{announced:?}");
    assert_eq!(
        scene.metric("lightship_agent_datapath_failures_total"),
        "2",
        "once each"
    );
    assert_eq!(scene.metric("lightship_agent_entries"), "1");
    assert_eq!(scene.metric("lightship_agent_refused_entries"), "1");
    scene.reconcile();
    assert_eq!(scene.told(), [] as [IpAddr; 0], "it was told");
}

#[test]
fn it_is_tried_again_at_once_when_there_is_room_and_then_announced() {
    let mut scene = Scene::new();
    scene.sees(&[("a", address(0)), ("b", address(1))]);
    scene.reconcile();
    scene.kernel.take_announced();
    scene.sees(&[("b", address(1))]);
    assert_eq!(
        scene.reconcile(),
        Audit::Now,
        "an entry went, behind the one that found no room"
    );
    assert_eq!(scene.kernel.take_announced(), [] as [IpAddr; 0]);
    assert_eq!(scene.reconcile(), Audit::IfChanged);
    assert_eq!(scene.kernel.take_announced(), [address(1)]);
    assert_eq!(scene.metric("lightship_agent_refused_entries"), "0");
    scene.pass(3000);
    assert_eq!(scene.kernel.take_announced().len(), 4, "repeated like any other");
}

#[test]
fn what_somebody_took_from_the_kernel_comes_back_with_the_next_look_at_it() {
    let mut scene = Scene::new();
    scene.sees(&[("a", address(0))]);
    scene.reconcile();
    scene.kernel.holds.lock().unwrap().entries.clear();
    scene.reconcile();
    assert!(
        scene.kernel.holds.lock().unwrap().entries.is_empty(),
        "nobody looked"
    );
    scene.reconcile_with(Audit::Now);
    assert_eq!(scene.kernel.holds.lock().unwrap().entries.len(), 1);
}

#[test]
fn after_a_failure_the_kernel_is_looked_at_again() {
    let mut scene = Scene::new();
    scene.sees(&[("a", address(0)), ("b", address(1))]);
    scene.reconcile();
    scene.kernel.holds.lock().unwrap().entries.clear();
    scene.reconcile();
    assert_eq!(scene.kernel.holds.lock().unwrap().entries.len(), 1);
}
