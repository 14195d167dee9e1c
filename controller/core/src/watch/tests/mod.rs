//! The watch as scenarios: one node, its neighbours played by the test, time moved by hand.

mod carried;
mod chase;
mod claim;
mod coming_back;
mod conflict;
mod due;
mod fence;
mod handover;
mod link;
mod probing;
mod stations;
mod without_api;
mod witness;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use lightship_abi::order::Order;

use super::*;
use crate::interfaces::InterfaceSelector;
use crate::inventory::{Interface, LinkState, Mac};

const NIC: NicIndex = NicIndex(2);
const GATEWAY: Mac = Mac([2, 0, 0, 0, 0, 0xfe]);

fn at(milliseconds: u64) -> Instant {
    Instant::after_start(Duration::from_millis(milliseconds))
}

fn mac(node: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, node])
}

fn own(node: u8) -> IpAddr {
    format!("192.168.0.{node}").parse().unwrap()
}

fn vip(number: u8) -> IpAddr {
    format!("10.0.10.{number}").parse().unwrap()
}

fn name(node: u8) -> NodeName {
    format!("node-{node}").into()
}

fn group(number: u8) -> ServiceId {
    ServiceId::new("default", format!("web-{number}"))
}

fn interface(node: u8, link: LinkState) -> Interface {
    Interface {
        name: "eth0".into(),
        mac: Some(mac(node)),
        link,
        suitable: true,
        addresses: vec![own(node)],
    }
}

fn nics(link: LinkState) -> BTreeMap<NicIndex, Nic> {
    let nic = Nic {
        interface: interface(1, link),
        gateways: vec![own(254)],
    };
    [(NIC, nic)].into()
}

fn bound(number: u8, holder: u8, epoch: u32, standbys: &[u8]) -> GroupView {
    let target = Target {
        addresses: [vip(number)].into(),
        interfaces: InterfaceSelector::Suitable,
    };
    GroupView {
        holder: name(holder),
        epoch,
        standbys: standbys.iter().map(|node| name(*node)).collect(),
        former: None,
        targets: vec![target],
    }
}

/// Node 1, its watch, and what the neighbours do.
struct Scene {
    watch: Watch,
    now: u64,
    /// Nodes whose kernels answer, for everything that they are asked for.
    alive: BTreeSet<u8>,
    /// Addresses that nobody answers for all the same.
    mute: BTreeSet<IpAddr>,
    gateway: bool,
    /// Whether the kernel takes in at once what is decided.
    is_prompt: bool,
    /// Whether it is ticked every millisecond, due or not.
    is_eager: bool,
    ticks: usize,
    /// What was to be done, without probes and asks.
    done: Vec<(u64, Action)>,
    sent: Vec<(u64, Action)>,
}

impl Scene {
    /// Three nodes and a router, everybody alive.
    fn new() -> Self {
        let mut watch = Watch::new(name(1));
        watch.observe_nics(nics(LinkState::Up), at(0));
        let nodes = [1, 2, 3].map(|node| (name(node), vec![interface(node, LinkState::Up)]));
        watch.observe_members(Members { nodes: nodes.into() });
        Self {
            watch,
            now: 0,
            alive: [2, 3].into(),
            mute: BTreeSet::new(),
            gateway: true,
            is_prompt: true,
            is_eager: false,
            ticks: 0,
            done: vec![],
            sent: vec![],
        }
    }

    /// The lease of a group is heard of.
    fn lease(&mut self, number: u8, holder: u8, epoch: u32, standbys: &[u8]) {
        self.see(number, bound(number, holder, epoch, standbys));
    }

    fn see(&mut self, number: u8, view: GroupView) {
        self.watch
            .observe_group(&group(number), Some(view), None, at(self.now));
    }

    /// The lease of a group is read, by a read started now.
    fn read(&mut self, number: u8, view: GroupView) {
        let now = at(self.now);
        self.watch
            .observe_group(&group(number), Some(view), Some(now), now);
        self.watch.read_answered(ReadAnswer::Done, now);
    }

    /// Time passes, and whoever is alive answers at once what is asked.
    fn pass(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds;
        while self.now < end {
            self.now += 1;
            if self.is_prompt {
                let told = self.watch.carried_out(self.watch.revision(), BTreeMap::new());
                assert_eq!(told, []);
            }
            let due = self.watch.next_tick().is_some_and(|due| due <= at(self.now));
            if due || self.is_eager {
                self.ticks += 1;
                let actions = self.watch.tick(at(self.now));
                self.perform(actions);
            }
        }
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action.clone() {
                Action::Probe { to, address, .. }
                | Action::Ask {
                    to: Some(to),
                    address,
                    ..
                } => {
                    self.sent.push((self.now, action));
                    let mut nodes = self.alive.clone().into_iter();
                    if nodes.any(|node| mac(node) == to) && !self.mute.contains(&address) {
                        self.hear(to, address);
                    }
                }
                Action::Ask {
                    to: None, address, ..
                } => {
                    self.sent.push((self.now, action));
                    if self.gateway && address == own(254) {
                        self.hear(GATEWAY, address);
                    }
                }
                _ => self.done.push((self.now, action)),
            }
        }
    }

    fn hear(&mut self, from: Mac, address: IpAddr) {
        let heard = Heard {
            nic: NIC,
            from,
            address,
        };
        let actions = self.watch.heard(heard, at(self.now));
        self.perform(actions);
    }

    /// The kernel yielded to a claim of a node.
    fn yielded(&mut self, number: u8, to: u8, order: Order) {
        let yielded = Yielded {
            nic: NIC,
            from: mac(to),
            address: vip(number),
            order,
        };
        let actions = self.watch.yielded(yielded, at(self.now));
        self.perform(actions);
    }

    fn claim_answered(&mut self, number: u8, answer: ClaimAnswer) {
        let actions = self.watch.claim_answered(&group(number), answer, at(self.now));
        self.perform(actions);
    }

    /// The claims that were to be made since this was asked last, with their moments.
    fn claims(&mut self) -> Vec<(u64, u8, u32)> {
        let done = std::mem::take(&mut self.done);
        let number = |primary: &ServiceId| primary.name.trim_start_matches("web-").parse().unwrap();
        done.into_iter()
            .filter_map(|(when, action)| match action {
                Action::Claim { primary, epoch, .. } => Some((when, number(&primary), epoch)),
                _ => None,
            })
            .collect()
    }

    /// What this node answers: group, part, order.
    fn answers(&self) -> Vec<(ServiceId, Part, Order)> {
        let all = self.watch.answers();
        all.map(|one| (one.primary.clone(), one.part, one.order))
            .collect()
    }

    fn part(&self, number: u8) -> Option<Part> {
        let mut answers = self.answers().into_iter();
        answers
            .find(|(id, ..)| *id == group(number))
            .map(|(_, part, _)| part)
    }

    /// How many frames of a kind were sent since a moment.
    fn count(&self, since: u64, kind: impl Fn(&Action) -> bool) -> usize {
        let late = self.sent.iter().filter(|(when, _)| *when > since);
        late.filter(|(_, action)| kind(action)).count()
    }
}

/// The lease of one group is to be read.
fn read(number: u8) -> Action {
    Action::Read([group(number)].into())
}

fn is_probe(action: &Action) -> bool {
    matches!(action, Action::Probe { .. })
}

fn holder(epoch: u32) -> Order {
    Order::of_holder(epoch)
}
