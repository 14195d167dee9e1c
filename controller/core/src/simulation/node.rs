//! A machine: its interfaces, its kernel, and an agent while one runs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::Micros;
use super::agent::Agent;
use super::clock::Clock;
use super::event::Event;
use super::kernel::Kernel;
use crate::inventory::{Interface, Inventory, LinkState, Mac};
use crate::names::NodeName;
use crate::time::Instant;
use crate::watch::{Nic, NicIndex};

#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) index: NicIndex,
    pub(super) mac: Mac,
    pub(super) own: IpAddr,
    pub(super) gateway: IpAddr,
    /// How many faults take its carrier away visibly.
    pub(super) carrier_lost: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: NodeName,
    pub(super) clock: Clock,
    pub(super) kernel: Kernel,
    pub(super) ports: Vec<Port>,
    /// How many faults keep the machine off.
    pub(super) down: u32,
    /// How many faults let the whole machine stand still.
    pub(super) paused: u32,
    pub(super) queues: bool,
    /// How many faults let the agent stand still.
    pub(super) frozen: u32,
    /// How many faults keep the agent away.
    pub(super) gone: u32,
    /// Until when its agent waits for a processor.
    pub(super) stalled: Micros,
    /// How many times people drained it.
    pub(super) drained: u32,
    /// Counts the runs of its agent.
    pub(super) run: u32,
    pub(super) agent: Option<Agent>,
    /// What waits until it can be done.
    pub(super) deferred: Vec<Event>,
    pub(super) renewals: u64,
}

pub(super) fn mac(segment: usize, place: usize) -> Mac {
    Mac([
        2,
        0,
        0,
        0,
        u8::try_from(segment).unwrap(),
        u8::try_from(place).unwrap(),
    ])
}

/// A station's own address.
pub(super) fn own_address(segment: usize, place: usize) -> IpAddr {
    let octet = |number: usize| u8::try_from(number).unwrap();
    IpAddr::V4(Ipv4Addr::new(192, 168, octet(segment), octet(place) + 1))
}

impl Node {
    pub(super) fn new(number: usize, shape: &super::plan::Shape, clock: Clock) -> Self {
        let ports: Vec<Port> = (0..shape.segments)
            .map(|segment| Port {
                index: index(segment),
                mac: mac(segment, number),
                own: own_address(segment, number),
                gateway: own_address(segment, shape.nodes),
                carrier_lost: 0,
            })
            .collect();
        let mut node = Self {
            name: format!("node-{number}").into(),
            clock,
            kernel: Kernel::default(),
            ports,
            down: 0,
            paused: 0,
            queues: true,
            frozen: 0,
            gone: 0,
            stalled: 0,
            drained: 0,
            run: 0,
            agent: None,
            deferred: vec![],
            renewals: 0,
        };
        node.forget();
        node
    }

    /// What a boot leaves of the kernel's tables.
    pub(super) fn forget(&mut self) {
        self.kernel = Kernel {
            own: self.ports.iter().map(|port| port.mac).collect(),
            ..Kernel::default()
        };
        self.deferred.clear();
    }

    pub(super) fn local(&self, now: Micros) -> Instant {
        self.clock.local(now)
    }

    pub(super) fn is_up(&self) -> bool {
        self.down == 0 && self.paused == 0
    }

    /// Whether its kernel answers for an address on a segment.
    pub(super) fn answers(
        &self,
        address: IpAddr,
        segment: usize,
        now: Micros,
        most: Duration,
    ) -> Option<lightship_abi::order::Order> {
        self.kernel
            .answers(&(address, index(segment)), self.local(now), most)
            .filter(|_| self.is_up())
    }

    pub(super) fn interfaces(&self) -> Vec<Interface> {
        self.ports
            .iter()
            .map(|port| Interface {
                name: format!("eth{}", port.index.0),
                mac: Some(port.mac),
                link: if port.carrier_lost == 0 {
                    LinkState::Up
                } else {
                    LinkState::NoCarrier
                },
                suitable: true,
                addresses: vec![port.own],
            })
            .collect()
    }

    pub(super) fn inventory(&self) -> Inventory {
        Inventory {
            interfaces: self.interfaces(),
            run: self.run.to_string(),
            ..Inventory::default()
        }
    }

    pub(super) fn nics(&self, gateway: bool) -> BTreeMap<NicIndex, Nic> {
        let interfaces = self.interfaces().into_iter();
        interfaces
            .zip(&self.ports)
            .map(|(interface, port)| {
                let gateways = gateway.then_some(port.gateway).into_iter().collect();
                (port.index, Nic { interface, gateways })
            })
            .collect()
    }

    pub(super) fn macs(members: &crate::members::Members) -> BTreeSet<Mac> {
        let all = members.nodes.values().flatten();
        all.filter_map(|interface| interface.mac).collect()
    }
}

pub(super) fn index(segment: usize) -> NicIndex {
    NicIndex(u32::try_from(segment).unwrap())
}

pub(super) fn segment(nic: NicIndex) -> usize {
    usize::try_from(nic.0).unwrap()
}
