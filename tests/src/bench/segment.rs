//! A segment without wires: stations that hold what their agents tell them to, and answer for it while they have power.
//!
//! It takes the place of a node's kernel and wire: what an agent wants there is recorded. There is no fence in it; a holder
//! that lost its binding hears so from the API server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Context, Poll};

use futures::stream::{self, StreamExt as _};
use futures::task::AtomicWaker;
use lightship_agent::{Host, Kernel, Wire};
use lightship_datapath::devices::{AdminState, Carrier, Device, Kind, Reach};
use lightship_datapath::plan::{Action, Attachment, Fence, Hold, Kept, Observed};
use lightship_datapath::probe::{Drained, Heard, ProbeError, Question, To};
use lightship_datapath::{
    Entry, ExecuteError, Failure, InterfaceIndex, MacAddress, MapsError, ObserveError, Order, Outcome,
    monotonic_ns,
};
use tokio::sync::watch;

/// The only one of each station.
const INTERFACE: InterfaceIndex = InterfaceIndex(2);

/// The stations by their hardware addresses.
#[derive(Default)]
pub(crate) struct Segment(RwLock<BTreeMap<MacAddress, Arc<Station>>>);

/// A node's place on the segment.
pub(crate) struct Station {
    mac: MacAddress,
    address: IpAddr,
    has_power: AtomicBool,
    kernel: Mutex<Observed>,
    heard: Mutex<Vec<Heard>>,
    ears: AtomicWaker,
}

/// The wire's end at a station.
struct Line {
    segment: Arc<Segment>,
    station: Arc<Station>,
}

impl Segment {
    /// Makes a station, numbered from zero.
    pub(crate) fn plug_in(&self, number: u16) -> Arc<Station> {
        let [high, low] = number.to_be_bytes();
        let station = Arc::new(Station {
            mac: MacAddress([2, 0, 0, 1, high, low]),
            address: Ipv4Addr::new(10, 1, high, low).into(),
            has_power: AtomicBool::new(true),
            kernel: Mutex::default(),
            heard: Mutex::default(),
            ears: AtomicWaker::new(),
        });
        let mut stations = self.0.write().unwrap_or_else(PoisonError::into_inner);
        stations.insert(station.mac, Arc::clone(&station));
        station
    }

    /// The addresses that somebody answers for.
    pub(crate) fn answered(&self) -> BTreeSet<IpAddr> {
        let stations = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let answering = stations.values().filter(|station| station.has_power());
        answering.flat_map(|station| station.holds()).collect()
    }

    fn hear(&self, asker: &Station, question: &Question, number: Option<u32>) {
        let stations = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let meant: Vec<_> = match question.to {
            To::Station(mac) => stations.get(&mac).into_iter().collect(),
            To::Everybody => stations.values().collect(),
        };
        let others = meant.into_iter().filter(|station| station.mac != asker.mac);
        for station in others.filter(|station| station.answers(question.address)) {
            asker.hears(Heard {
                interface: INTERFACE,
                from: station.mac,
                address: question.address,
                number,
                at_ns: monotonic_ns(),
            });
        }
    }
}

impl Station {
    /// Pulls its power: it answers no more.
    pub(crate) fn cut_power(&self) {
        self.has_power.store(false, Ordering::Relaxed);
    }

    fn has_power(&self) -> bool {
        self.has_power.load(Ordering::Relaxed)
    }

    /// The addresses it answers for, its own left out.
    pub(crate) fn holds(&self) -> BTreeSet<IpAddr> {
        let kernel = lock(&self.kernel);
        kernel.entries.keys().map(|entry| entry.address).collect()
    }

    fn answers(&self, address: IpAddr) -> bool {
        let entry = Entry {
            address,
            interface: INTERFACE,
        };
        self.has_power() && (address == self.address || lock(&self.kernel).entries.contains_key(&entry))
    }

    fn hears(&self, one: Heard) {
        lock(&self.heard).push(one);
        self.ears.wake();
    }

    /// What the agent of this station is given in place of a node.
    pub(crate) fn host(self: &Arc<Self>, segment: &Arc<Segment>) -> Host {
        let card = Device {
            index: INTERFACE,
            name: "eth0".into(),
            mac: Some(self.mac),
            admin: AdminState::Up,
            carrier: Carrier::Present,
            kind: Kind::Other,
            master: None,
            addresses: vec![self.address],
            reach: Reach::Everywhere,
            gateways: vec![],
        };
        // Nothing is plugged in later: the other end is not needed.
        let (_, devices) = watch::channel(vec![card]);
        let line = Line {
            segment: Arc::clone(segment),
            station: Arc::clone(self),
        };
        Host {
            kernel: Box::new(Recorder(Arc::clone(self))),
            wire: Box::new(line),
            wakeups: stream::pending().boxed(),
            devices,
        }
    }
}

/// The kernel of a station: keeps what it is told.
struct Recorder(Arc<Station>);

impl Kernel for Recorder {
    fn observe(&self) -> Result<Observed, ObserveError> {
        Ok(lock(&self.0.kernel).clone())
    }

    fn execute(&mut self, actions: &[Action]) -> Vec<Failure> {
        let mut kernel = lock(&self.0.kernel);
        for action in actions {
            record(&mut kernel, *action);
        }
        vec![]
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

fn record(kernel: &mut Observed, action: Action) {
    let kept = |hold: Hold| Kept {
        fence: Fence {
            hold: Some(hold),
            tombstone: None,
        },
        ..Kept::default()
    };
    match action {
        Action::SetMac(interface, mac) => {
            kernel.interfaces.insert(interface, mac);
        }
        Action::ForgetMac(interface) => {
            kernel.interfaces.remove(&interface);
        }
        Action::Attach(interface) | Action::Replace(interface) => {
            kernel.attached.insert(interface, Attachment::Current);
        }
        Action::Detach(interface) => {
            kernel.attached.remove(&interface);
        }
        Action::SetMember(mac, member) => {
            kernel.members.insert(mac, member);
        }
        Action::ForgetMember(mac) => {
            kernel.members.remove(&mac);
        }
        Action::AddEntry(entry, hold) | Action::SetHold(entry, hold) => {
            kernel.entries.insert(entry, kept(hold));
        }
        Action::RemoveEntry(entry) => {
            kernel.entries.remove(&entry);
        }
        Action::JoinGroup(group) => {
            kernel.groups.insert(group);
        }
        Action::LeaveGroup(group) => {
            kernel.groups.remove(&group);
        }
        Action::Announce(..) | Action::Pin(_) => {}
    }
}

impl Wire for Line {
    fn watch(&mut self, _: &BTreeSet<InterfaceIndex>) -> Result<(), ProbeError> {
        Ok(())
    }

    fn probe(&self, question: &Question, number: u32) -> Result<(), ProbeError> {
        self.segment.hear(&self.station, question, Some(number));
        Ok(())
    }

    fn ask(&self, question: &Question) -> Result<(), ProbeError> {
        self.segment.hear(&self.station, question, None);
        Ok(())
    }

    fn drain(&mut self) -> Drained {
        let heard = std::mem::take(&mut *lock(&self.station.heard));
        Drained { heard, lost: 0 }
    }

    fn poll_heard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.station.ears.register(context.waker());
        if lock(&self.station.heard).is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
