//! The responder as an agent leaves it: opened, attached and told addresses by the data path's own means.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use aya::programs::{SchedClassifier, TcAttachType};
use lightship_datapath::{
    Datapath, Entry, InterfaceIndex, Options, Order, maps,
    plan::{Action, Hold, Member},
};

use super::{BPFFS, NEAR, NEAR_MAC, index_of};

/// The loopback device, from which test runs come.
const LOOPBACK: InterfaceIndex = InterfaceIndex(1);

const HOLD: Hold = Hold::unconfirmed(Order { epoch: 5, rank: 0 });

/// Long against any run: whoever measures need not beat.
const GATE: Duration = Duration::from_hours(1);

/// A responder that answers on [`NEAR`].
#[derive(Debug)]
pub struct Responder {
    near: InterfaceIndex,
    addresses: Vec<IpAddr>,
}

/// The first `count` addresses that responders hold here.
#[must_use]
pub fn addresses(count: u32) -> Vec<IpAddr> {
    let first = u32::from(Ipv4Addr::new(10, 64, 0, 0));
    (first..first + count)
        .map(|address| Ipv4Addr::from(address).into())
        .collect()
}

/// The IPv6 address that responders hold here beside the others.
pub const V6: Ipv6Addr = Ipv6Addr::new(0x2004, 0, 0, 1, 0, 0, 0xab, 0xcdef);

impl Responder {
    /// Has it answer for `count` addresses and [`V6`]; for the first of them also in test runs. The process of the agent is then gone: what answers is the kernel
    /// alone, within the gate.
    pub fn hold(count: u32) -> Result<Self> {
        let near = InterfaceIndex(index_of(NEAR)?);
        let addresses = addresses(count);
        let add = |address: IpAddr, interface| Action::AddEntry(Entry { address, interface }, HOLD);
        let mut actions = vec![
            Action::SetMember(NEAR_MAC, Member::Own),
            Action::SetMac(near, NEAR_MAC),
            Action::SetMac(LOOPBACK, NEAR_MAC),
            add(V6.into(), near),
            add(V6.into(), LOOPBACK),
        ];
        actions.extend(addresses.first().map(|&first| add(first, LOOPBACK)));
        actions.extend(addresses.iter().map(|&address| add(address, near)));
        actions.push(Action::Attach(near));
        let mut datapath = open()?;
        carry_out(&mut datapath, &actions)?;
        datapath.beat()?;
        Ok(Self { near, addresses })
    }

    /// The IPv4 addresses it answers for.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Has an agent's thread beat, as often as a real one does, until `work` is done.
    pub fn with_agent<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut datapath = open()?;
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let agent = scope.spawn(move || -> Result<()> {
                while stopped.recv_timeout(Duration::from_secs(1))
                    == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
                {
                    datapath.beat()?;
                }
                Ok(())
            });
            let done = work();
            drop(stop);
            agent
                .join()
                .unwrap_or_else(|_| bail!("failed to go on beating; see the messages above"))?;
            done
        })
    }

    /// Takes it off the device; what it holds stays.
    pub fn detach(&self) -> Result<()> {
        carry_out(&mut open()?, &[Action::Detach(self.near)])
    }

    /// The program on the device, for test runs, and to be put on and taken off by links that are not pinned.
    pub fn program(&self) -> Result<SchedClassifier> {
        let (_, programs) = SchedClassifier::query_tcx(NEAR, TcAttachType::Ingress)
            .context("failed to ask for the programs of a device")?;
        let ours = programs
            .into_iter()
            .next()
            .context("failed to find the responder's program: nothing is attached")?;
        SchedClassifier::from_program_info(ours, "lightship_ingress".into())
            .context("failed to open the responder's program")
    }

    /// How often each address was answered.
    pub fn answered(&self) -> Result<BTreeMap<IpAddr, u64>> {
        let counts = maps::dump_v4(Path::new(BPFFS)).context("failed to read the responder's map")?;
        let here = counts
            .into_iter()
            .filter(|(entry, _)| entry.interface == self.near);
        Ok(here.map(|(entry, count)| (entry.address, count)).collect())
    }
}

fn open() -> Result<Datapath> {
    let options = Options {
        max_liveness: GATE,
        ..Options::default()
    };
    Datapath::open(&options).context("failed to open a data path")
}

fn carry_out(datapath: &mut Datapath, actions: &[Action]) -> Result<()> {
    let failures = datapath.execute(actions);
    match failures.into_iter().next() {
        None => Ok(()),
        Some(failure) => Err(failure).context("failed to set up a responder"),
    }
}
