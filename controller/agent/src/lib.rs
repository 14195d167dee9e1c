//! The agent: carries out the leases of its node in the kernel.
//!
//! What answers is pinned and needs no agent for a lease duration; stopping the agent changes nothing. A new agent adopts
//! what it finds, and removes only what it knows to be stale once it has seen every lease.

mod announcer;
mod error;
mod heartbeat;
mod inventory;
mod metrics;
mod wanted;

use std::path::PathBuf;
use std::time::Duration;

use futures::stream::StreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::runtime::watcher;
use kube::{Api, Client};
use lightship_core::names::NodeName;
use lightship_core::timing::LeaseTimings;
use lightship_crd::label;
use lightship_datapath::Datapath;
use lightship_datapath::devices::{Device, Selection, Watch};
use lightship_edge::Clock;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use error::Error;
pub use lightship_datapath::{Hook, Ping};

use announcer::Announcer;
use heartbeat::{Heartbeat, beat_interval};
use metrics::Metrics;

/// How often what the kernel holds is compared anew although nothing was heard: somebody may have changed it.
const AUDIT_INTERVAL: Duration = Duration::from_secs(10);

/// How the agent is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The node it runs on.
    pub node: NodeName,
    /// Namespace of all leases.
    pub namespace: String,
    /// Timings of the heartbeat; the responder's liveness is the lease duration.
    pub timings: LeaseTimings,
    /// Devices that announce where a policy names none; empty means the node's own.
    pub devices: Vec<String>,
    /// How often a held address is announced when nothing changes.
    pub announce_interval: Duration,
    /// Where bpffs is mounted.
    pub bpffs: PathBuf,
    /// How many entries the responder's map of each family holds.
    pub map_capacity: u32,
    /// Whether pings to held addresses are answered.
    pub ping: Ping,
    /// Where the responder is put into the kernel's way of a frame.
    pub hook: Hook,
}

/// The agent of one node.
pub struct Agent {
    options: Options,
    client: Client,
    metrics: Metrics,
    ready: watch::Sender<bool>,
}

impl Agent {
    /// An agent that will use `client` and report to `registry`.
    #[must_use]
    pub fn new(options: Options, client: Client, registry: &mut Registry) -> Self {
        Self {
            options,
            client,
            metrics: Metrics::register(registry),
            ready: watch::Sender::new(false),
        }
    }

    /// True once every lease was seen and carried out.
    #[must_use]
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Runs until stopped. An API server that is away is no reason to end: what is held stays held.
    ///
    /// # Errors
    /// When the node lacks what the datapath needs.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let clock = Clock::start();
        let selection = selection(&self.options.devices);
        let datapath = Datapath::open(&lightship_datapath::Options {
            bpffs: self.options.bpffs.clone(),
            max_liveness: self.options.timings.lease_duration(),
            map_capacity: self.options.map_capacity,
            ping: self.options.ping,
            hook: self.options.hook,
        })
        .map_err(Error::Open)?;
        let mut announcer = Announcer::new(
            self.options.node.clone(),
            selection.clone(),
            datapath,
            self.metrics.clone(),
            self.options.announce_interval,
        );
        // Before anything is awaited: a responder that was about to fall silent goes on.
        announcer.beat()?;
        let watching = Watch::open().map_err(Error::Devices)?;
        let present = watching.list().await.map_err(Error::Devices)?;
        announcer.observe_devices(present.clone());
        let (inventory_sender, inventory) = watch::channel(inventory::inventory(&present, &selection));
        let (device_sender, devices) = watch::channel(present);
        let heartbeat = Heartbeat::new(
            self.client.clone(),
            &self.options.namespace,
            self.options.node.clone(),
            self.options.timings,
        );
        // Both end with this function, whichever way it ends.
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(heartbeat.run(inventory));
        tasks.spawn(follow(watching, selection, device_sender, inventory_sender));
        self.announce(announcer, devices, clock, &stop).await;
        info!("stops; the responder answers on until its liveness runs out or the next agent takes over");
        Ok(())
    }

    async fn announce(
        &self,
        mut announcer: Announcer,
        mut devices: watch::Receiver<Vec<Device>>,
        clock: Clock,
        stop: &CancellationToken,
    ) {
        let metrics = self.metrics.clone();
        let selected = format!("{}={}", label::LEASE, label::LEASE_SERVICE);
        let api = Api::namespaced(self.client.clone(), &self.options.namespace);
        let config = watcher::Config::default().labels(&selected);
        let mut leases =
            lightship_edge::watch::watch::<Lease>(api, config, "leases", move || metrics.undecodable());
        let mut beats = tokio::time::interval(beat_interval(self.options.timings.lease_duration()));
        let mut audits = tokio::time::interval(AUDIT_INTERVAL);
        // A frozen machine does not make up for the beats it missed.
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        audits.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = beats.tick() => {
                    log(announcer.beat());
                    continue;
                }
                () = clock.until(announcer.next_announcement()) => {
                    announcer.announce(clock.now());
                    continue;
                }
                Some(seen) = leases.next() => announcer.observe_leases(seen),
                Ok(()) = devices.changed() => {
                    let present = devices.borrow_and_update().clone();
                    announcer.observe_devices(present);
                }
                _ = audits.tick() => {}
            }
            log(announcer.reconcile(clock.now()));
            self.ready.send_replace(announcer.is_complete());
        }
    }
}

fn selection(devices: &[String]) -> Selection {
    if devices.is_empty() {
        Selection::Automatic
    } else {
        Selection::Named(devices.to_vec())
    }
}

/// Passes the devices on whenever they change; the inventory only when it does.
async fn follow(
    mut watching: Watch,
    selection: Selection,
    devices: watch::Sender<Vec<Device>>,
    inventory: watch::Sender<lightship_core::inventory::Inventory>,
) {
    loop {
        let present = match watching.changed().await {
            Ok(present) => present,
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to follow the node's devices; the watch is opened anew"
                );
                let Some((reopened, present)) = reopen().await else {
                    continue;
                };
                watching = reopened;
                present
            }
        };
        let told = inventory::inventory(&present, &selection);
        inventory.send_if_modified(|known| {
            let changed = *known != told;
            *known = told;
            changed
        });
        devices.send_if_modified(|known| {
            let changed = *known != present;
            *known = present;
            changed
        });
    }
}

async fn reopen() -> Option<(Watch, Vec<Device>)> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let watching = Watch::open().ok()?;
    let present = watching.list().await.ok()?;
    Some((watching, present))
}

fn log(result: Result<(), Error>) {
    if let Err(error) = result {
        error!(
            error = &error as &dyn std::error::Error,
            "the agent goes on and tries again"
        );
    }
}
