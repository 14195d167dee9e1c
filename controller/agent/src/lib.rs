//! The agent: carries out the leases of its node in the kernel.
//!
//! What answers is pinned and needs no agent for longer than a lease duration; stopping the agent changes nothing. A new agent adopts
//! what it finds, and removes only what it knows to be stale once it has seen every lease.

mod announcer;
mod api;
mod error;
mod findings;
mod heartbeat;
mod host;
mod inventory;
mod leases;
mod metrics;
mod node;
mod reading;
#[cfg(test)]
mod server;
mod standing;
mod step;
mod succession;
mod traces;
mod wanted;

use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt as _};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher;
use kube::{Api, Client, Config};
use lightship_core::inventory::Inventory;
use lightship_core::names::NodeName;
use lightship_core::timing::{LeaseTimings, beat_interval};
use lightship_crd::{label, members};
use lightship_datapath::Wakeup;
use lightship_datapath::devices::{Device, Selection};
use lightship_datapath::plan::View;
use lightship_edge::watch::{Seen, forget_managers};
use lightship_edge::{Clock, Tracer};
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use error::Error;
pub use host::{Host, Kernel, Wire};
pub use lightship_datapath::{Hook, Ping};
pub use metrics::AddressMetrics;

use announcer::Announcer;
use api::{Arbiter, Connections};
use findings::Findings;
use heartbeat::Heartbeat;
use metrics::Metrics;
pub use metrics::sample as sample_metrics;
use node::Node;
use reading::Reading;
use standing::Standing;
use step::{Audit, Step};
use traces::Traces;

/// How many changes of leases are carried out together.
const MOST_AT_ONCE: usize = 512;

/// How often what the kernel holds is compared anew although nothing was heard: somebody may have changed it.
const AUDIT_INTERVAL: Duration = Duration::from_secs(10);

/// How the agent is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The node it runs on.
    pub node: NodeName,
    /// Namespace of all leases.
    pub namespace: String,
    /// Timings of the heartbeat, and of the responder's liveness.
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
    /// Who collects traces, if anybody does.
    pub tracer: Tracer,
    /// Whether there are metrics of each address.
    pub address_metrics: AddressMetrics,
}

/// The agent of one node.
pub struct Agent {
    options: Options,
    connections: Arc<Connections>,
    metrics: Metrics,
    ready: watch::Sender<bool>,
}

impl Agent {
    /// An agent that will use `client`, make others of `config` where that one gets no answer, and report to `registry`.
    #[must_use]
    pub fn new(options: Options, config: Config, client: Client, registry: &mut Registry) -> Self {
        Self {
            options,
            connections: Arc::new(Connections::new(config, client)),
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
        let options = lightship_datapath::Options {
            bpffs: self.options.bpffs.clone(),
            max_liveness: self.options.timings.liveness(),
            map_capacity: self.options.map_capacity,
            ping: self.options.ping,
            hook: self.options.hook,
        };
        // They end with this function, whichever way it ends.
        let mut tasks = tokio::task::JoinSet::new();
        let host = Host::open(&options, &mut tasks).await?;
        self.run_on(host, stop).await
    }

    /// Runs until stopped on a host that may not be this process's node; nothing else of the node is touched.
    ///
    /// # Errors
    /// When the host cannot be read at the start.
    pub async fn run_on(self, host: Host, stop: CancellationToken) -> Result<(), Error> {
        let clock = Clock::start();
        let mut announcer = Announcer::new(
            selection(&self.options.devices),
            host.kernel,
            self.metrics.clone(),
            self.options.address_metrics,
            self.options.announce_interval,
        );
        let standing = Standing::new(self.options.node.clone(), announcer.held()?);
        // Whole from the first word: a node that told of no interface would lose what it holds.
        let nics = announcer.observe_devices(host.devices.borrow().clone());
        let inventory = Inventory {
            run: Clock::wall().to_string(),
            ..announcer.inventory()
        };
        let (inventory_sender, inventory) = watch::channel(inventory);
        let namespace = self.options.namespace.clone();
        let heartbeat = Heartbeat::new(
            Arc::clone(&self.connections),
            namespace.clone(),
            self.options.node.clone(),
            self.options.timings,
        );
        // It ends with this function, whichever way it ends.
        let mut tasks = tokio::task::JoinSet::new();
        let (beaten_sender, beaten) = watch::channel(None);
        tasks.spawn(heartbeat.run(inventory, beaten));
        let mut node = Node {
            name: self.options.node.clone(),
            announcer,
            standing,
            metrics: self.metrics.clone(),
            findings: Findings::default(),
            traces: Traces::new(self.options.tracer.clone(), self.options.node.clone()),
            inventory: inventory_sender,
            beaten: beaten_sender,
            arbiter: Arbiter::new(Arc::clone(&self.connections), namespace),
            requests: tokio::task::JoinSet::new(),
            reading: Reading::default(),
            step: Step::default(),
        };
        let mut ends = Ends {
            devices: host.devices,
            wire: host.wire,
            wakeups: host.wakeups,
        };
        node.observe_nics(&mut *ends.wire, nics, clock.now());
        self.attend(node, ends, clock, &stop).await;
        info!("stops; the responder answers on until its liveness runs out or the next agent takes over");
        Ok(())
    }

    /// Attends to whatever happens next, most urgent first.
    async fn attend(&self, mut node: Node, mut ends: Ends, clock: Clock, stop: &CancellationToken) {
        let mut connection = self.connections.follow();
        let (mut leases, mut members) = self.watches();
        let mut beats = tokio::time::interval(beat_interval(self.options.timings.lease_duration()));
        let mut audits = tokio::time::interval(AUDIT_INTERVAL);
        // A frozen machine does not make up for the beats it missed.
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        audits.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut audit = Audit::IfChanged;
            let next_tick = node.standing.next_tick();
            let next_step = node.next_step();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = beats.tick() => {
                    node.beat();
                    continue;
                }
                () = poll_fn(|context| ends.wire.poll_heard(context)) => node.hear(&mut *ends.wire, clock.now()),
                Some(wakeups) = ends.wakeups.next() => audit = node.wake(&wakeups, clock.now()),
                Some(Ok(answered)) = node.requests.join_next() => {
                    node.answered(answered, clock.now());
                    // A node's death brings many answers, which are carried out together.
                    while let Some(Ok(answered)) = node.requests.try_join_next() {
                        node.answered(answered, clock.now());
                    }
                }
                () = clock.until(next_tick) => {
                    // Whatever came in before now counts as heard before now.
                    let now = clock.now();
                    node.hear(&mut *ends.wire, now);
                    node.standing.tick(now);
                }
                () = clock.until(next_step) => {}
                () = clock.until(node.announcer.next_announcement()) => node.announce(clock.now()),
                Some(seen) = leases.next() => {
                    for seen in seen {
                        node.traces.leases_seen(&seen, clock.now());
                        node.standing.observe_leases(seen, clock.now());
                    }
                }
                Some(seen) = members.next() => {
                    observe_members(&mut node.standing, seen);
                    // Whose claims count is the kernel's to know before the next claim comes.
                    audit = Audit::Now;
                }
                Ok(()) = ends.devices.changed() => {
                    let present = ends.devices.borrow_and_update().clone();
                    node.observe_devices(&mut *ends.wire, present, clock.now());
                    // What an interface carried may have gone with it.
                    audit = Audit::Now;
                }
                Ok(()) = connection.changed() => {
                    info!("the API server answers on another connection; leases are watched there");
                    connection.mark_unchanged();
                    (leases, members) = self.watches();
                }
                _ = audits.tick() => {
                    audit = Audit::Now;
                    node.publish(clock.now());
                }
            }
            node.act(&mut *ends.wire, clock, audit);
            self.ready.send_replace(node.standing.view() == View::Complete);
        }
    }

    fn watches(&self) -> (Leases, Members) {
        let client = self.connections.current().client;
        let undecodable = |metrics: Metrics| move || metrics.undecodable();
        let selected = format!("{}={}", label::LEASE, label::LEASE_SERVICE);
        let leases = lightship_edge::watch::watch::<Lease>(
            Api::namespaced(client.clone(), &self.options.namespace),
            watcher::Config::default().labels(&selected),
            "leases",
            forget_managers,
            undecodable(self.metrics.clone()),
        );
        let named = format!("metadata.name={}", members::NAME);
        let members = lightship_edge::watch::watch::<ConfigMap>(
            Api::namespaced(client, &self.options.namespace),
            watcher::Config::default().fields(&named),
            "members",
            forget_managers,
            undecodable(self.metrics.clone()),
        );
        // Leases that change together are carried out together.
        (leases.ready_chunks(MOST_AT_ONCE).boxed(), members)
    }
}

type Leases = BoxStream<'static, Vec<Seen<Lease>>>;
type Members = BoxStream<'static, Seen<ConfigMap>>;

/// Where news comes from beside the API server.
struct Ends {
    devices: watch::Receiver<Vec<Device>>,
    wire: Box<dyn Wire>,
    wakeups: BoxStream<'static, Vec<Wakeup>>,
}

fn observe_members(standing: &mut Standing, seen: Seen<ConfigMap>) {
    let Some(object) = seen.difference([], |_| ()).applied.pop() else {
        // Without the object the members stay who they were: claims of strangers never count.
        return;
    };
    let text = object
        .data
        .unwrap_or_default()
        .remove(members::KEY)
        .unwrap_or_default();
    match lightship_core::members::Members::from_json(&text) {
        Ok(members) => standing.observe_members(members),
        Err(error) => warn!(
            error = &error as &dyn std::error::Error,
            "the members object cannot be read; the members stay who they were"
        ),
    }
}

fn selection(devices: &[String]) -> Selection {
    if devices.is_empty() {
        Selection::Automatic
    } else {
        Selection::Named(devices.to_vec())
    }
}
