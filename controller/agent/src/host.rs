//! What an agent stands on: its node's kernel, wire and devices. Something else can take their place where everything but
//! the node is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt as _};
use lightship_datapath::devices::{Device, Watch};
use lightship_datapath::plan::{Action, Observed};
use lightship_datapath::probe::{Drained, ProbeError, Probes, Question};
use lightship_datapath::{
    Datapath, Entry, ExecuteError, Failure, InterfaceIndex, MacAddress, MapsError, ObserveError, Order,
    Outcome, Wakeup, Wakeups,
};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::warn;

use crate::error::Error;

/// The kernel, as far as an agent looks at it and changes it; each method is [`Datapath`]'s of the same name.
pub trait Kernel: Send {
    /// Reads what it holds.
    ///
    /// # Errors
    /// If any of it cannot be read.
    fn observe(&self) -> Result<Observed, ObserveError>;
    /// Carries out the actions in order and returns those that failed.
    fn execute(&mut self, actions: &[Action]) -> Vec<Failure>;
    /// Is shown that the agent is alive.
    ///
    /// # Errors
    /// If that cannot be noted.
    fn beat(&mut self) -> Result<(), MapsError>;
    /// Counts frames by outcome.
    ///
    /// # Errors
    /// If they cannot be read.
    fn counters(&self) -> Result<BTreeMap<Outcome, u64>, MapsError>;
    /// Counts the frames about each entry by outcome.
    ///
    /// # Errors
    /// If they cannot be read.
    fn entry_counters(&self) -> Result<BTreeMap<Entry, BTreeMap<Outcome, u64>>, MapsError>;
    /// Tells one station that this node has the entry's address.
    ///
    /// # Errors
    /// If it is not told.
    fn claim_to(&self, entry: Entry, order: Order, to: MacAddress) -> Result<(), ExecuteError>;
}

/// The wire, as far as others are asked there and heard; the methods are those of [`Probes`].
pub trait Wire: Send {
    /// Hears answers on these interfaces, and no longer on others.
    ///
    /// # Errors
    /// If one of them cannot be heard.
    fn watch(&mut self, interfaces: &BTreeSet<InterfaceIndex>) -> Result<(), ProbeError>;
    /// Asks as the wire watch does.
    ///
    /// # Errors
    /// If it is not sent.
    fn probe(&self, question: &Question, number: u32) -> Result<(), ProbeError>;
    /// Asks as anybody does.
    ///
    /// # Errors
    /// If it is not sent.
    fn ask(&self, question: &Question) -> Result<(), ProbeError>;
    /// Takes all answers that are there.
    fn drain(&mut self) -> Drained;
    /// Ready once when an answer came after the last time it was; what comes in before [`Self::drain`] makes it ready anew.
    fn poll_heard(&mut self, context: &mut Context<'_>) -> Poll<()>;
}

/// Everything an agent needs of its node.
pub struct Host {
    /// Its kernel.
    pub kernel: Box<dyn Kernel>,
    /// Its wire.
    pub wire: Box<dyn Wire>,
    /// What its kernel tells of its own accord.
    pub wakeups: BoxStream<'static, Vec<Wakeup>>,
    /// Its devices, whenever they change.
    pub devices: watch::Receiver<Vec<Device>>,
}

impl Host {
    /// The node this process runs on; what it needs done meanwhile is spawned in `tasks`.
    pub(crate) async fn open(
        options: &lightship_datapath::Options,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, Error> {
        let mut datapath = Datapath::open(options).map_err(Error::Open)?;
        // Before anything is awaited: a responder that was about to fall silent goes on.
        datapath.beat().map_err(Error::Beat)?;
        let watching = Watch::open().map_err(Error::Devices)?;
        let present = watching.list().await.map_err(Error::Devices)?;
        let probes = Probes::open().map_err(Error::Probes)?;
        let wakeups = datapath.wakeups().map(Wakeups::readable).transpose();
        let (sender, devices) = watch::channel(present);
        tasks.spawn(follow(watching, sender));
        Ok(Self {
            kernel: Box::new(datapath),
            wire: Box::new(probes.readable().map_err(Error::Readiness)?),
            wakeups: match wakeups.map_err(Error::Readiness)? {
                Some(wakeups) => told(wakeups),
                None => stream::pending().boxed(),
            },
            devices,
        })
    }
}

impl Kernel for Datapath {
    fn observe(&self) -> Result<Observed, ObserveError> {
        self.observe()
    }

    fn execute(&mut self, actions: &[Action]) -> Vec<Failure> {
        self.execute(actions)
    }

    fn beat(&mut self) -> Result<(), MapsError> {
        self.beat()
    }

    fn counters(&self) -> Result<BTreeMap<Outcome, u64>, MapsError> {
        self.counters()
    }

    fn entry_counters(&self) -> Result<BTreeMap<Entry, BTreeMap<Outcome, u64>>, MapsError> {
        self.entry_counters()
    }

    fn claim_to(&self, entry: Entry, order: Order, to: MacAddress) -> Result<(), ExecuteError> {
        self.claim_to(entry, order, to)
    }
}

impl Wire for AsyncFd<Probes> {
    fn watch(&mut self, interfaces: &BTreeSet<InterfaceIndex>) -> Result<(), ProbeError> {
        self.get_mut().watch(interfaces)
    }

    fn probe(&self, question: &Question, number: u32) -> Result<(), ProbeError> {
        self.get_ref().probe(question, number)
    }

    fn ask(&self, question: &Question) -> Result<(), ProbeError> {
        self.get_ref().ask(question)
    }

    fn drain(&mut self) -> Drained {
        self.get_mut().drain()
    }

    fn poll_heard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.poll_read_ready_mut(context) {
            Poll::Ready(Ok(mut ready)) => {
                // Before it is drained: what comes in meanwhile makes it ready again.
                ready.clear_ready();
                Poll::Ready(())
            }
            // The runtime shuts down.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

/// What the program tells, as it comes.
fn told(wakeups: AsyncFd<Wakeups>) -> BoxStream<'static, Vec<Wakeup>> {
    stream::unfold(wakeups, |mut wakeups| async {
        let told = {
            let mut ready = wakeups.readable_mut().await.ok()?;
            ready.clear_ready();
            ready.get_inner_mut().drain()
        };
        Some((told, wakeups))
    })
    .chain(stream::pending())
    .boxed()
}

/// Passes the devices on whenever they change.
async fn follow(mut watching: Watch, devices: watch::Sender<Vec<Device>>) {
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
