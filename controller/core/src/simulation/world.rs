//! The cluster in simulated time: a queue of events, and what each leads to.

use std::collections::BTreeMap;
use std::time::Duration;

use super::api::Api;
use super::clock::Clock;
use super::dice::Dice;
use super::event::{Event, ForAgent};
use super::judge::Judge;
use super::lan::{Frame, Segment};
use super::node::Node;
use super::operator::Operator;
use super::plan::{Plan, Shape};
use super::sharing::Retired;
use super::{MS, Micros, Without};
use crate::time::Instant;
use crate::timing::liveness;

/// How many events the longest history has by far.
const MOST_EVENTS: u64 = 2_000_000;
/// How many frames wait for a machine that stands still.
const QUEUE: usize = 256;

pub(super) struct World {
    pub(super) now: Micros,
    queue: BTreeMap<(Micros, u64), Event>,
    pub(super) number: u64,
    pub(super) dice: Dice,
    pub(super) plan: Plan,
    pub(super) shape: Shape,
    pub(super) without: Without,
    pub(super) segments: Vec<Segment>,
    pub(super) nodes: Vec<Node>,
    pub(super) api: Api,
    /// How many faults keep an agent's node, or the operator's, from the API server.
    pub(super) unreachable: Vec<u32>,
    /// How many faults keep the machines busy.
    pub(super) busy: u32,
    pub(super) operator: Operator,
    pub(super) judge: Judge,
    /// Services that a fault took away or gave another address.
    pub(super) retired: BTreeMap<usize, Retired>,
    /// Claims that were sent, for who replays them.
    pub(super) sent: Vec<(usize, Frame)>,
    pub(super) tale: Option<Vec<String>>,
    pub(super) events: u64,
}

impl World {
    pub(super) fn new(plan: &Plan, without: Without, told: bool) -> Self {
        let shape = plan.shape.clone();
        let mut dice = Dice::new(plan.seed ^ 0x5EED);
        let segment = Segment::new(shape.lan);
        let nodes = (0..shape.nodes)
            .map(|number| Node::new(number, &shape, Clock::roll(&mut dice)))
            .collect();
        let mut world = Self {
            now: 0,
            queue: BTreeMap::new(),
            number: 0,
            dice,
            plan: plan.clone(),
            segments: vec![segment; shape.segments],
            nodes,
            api: Api::new(shape.nodes + 1, without != Without::CompareAndSwap),
            unreachable: vec![0; shape.nodes + 1],
            busy: 0,
            operator: Operator::default(),
            judge: Judge::default(),
            retired: BTreeMap::new(),
            sent: vec![],
            tale: told.then(Vec::new),
            events: 0,
            shape,
            without,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for node in 0..self.nodes.len() {
            self.start_agent(node);
        }
        self.start_operator();
        self.push(0, Event::Sample);
        for (number, fault) in self.plan.faults.clone().into_iter().enumerate() {
            self.push(fault.at, Event::Fault(number));
            self.push(fault.until(), Event::Heal(number));
        }
    }

    /// Lets everything happen until the plan's end, or until something must not happen.
    pub(super) fn run(&mut self) {
        let end = self.plan.end();
        while self.judge.verdict.is_none() {
            let Some(((at, _), event)) = self.queue.pop_first() else {
                return;
            };
            if at > end {
                return;
            }
            self.now = at;
            self.events += 1;
            if self.events > MOST_EVENTS {
                self.judge
                    .condemn(at, "too many events: somebody does not come to rest".into());
            }
            self.happen(event);
        }
    }

    pub(super) fn push(&mut self, wait: Micros, event: Event) {
        self.number += 1;
        self.queue.insert((self.now + wait, self.number), event);
    }

    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(tale) = &mut self.tale {
            tale.push(format!("{:>6}.{:03} ms  {}", now / MS, now % MS, what()));
        }
    }

    /// How long a heartbeat counts.
    pub(super) fn most(&self) -> Duration {
        Duration::from_micros(self.shape.duration)
    }

    /// How long a kernel's gate stays open.
    pub(super) fn gate(&self) -> Duration {
        match self.without {
            Without::LateGate => self.most(),
            _ => liveness(self.most()),
        }
    }

    pub(super) fn local(&self, node: usize) -> Instant {
        self.nodes[node].local(self.now)
    }

    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Frame { node, nic, frame } => {
                let one = &mut self.nodes[node];
                if one.down > 0 {
                } else if one.paused == 0 {
                    self.receive(node, nic, frame);
                } else if one.queues && one.deferred.len() < QUEUE {
                    one.deferred.push(Event::Frame { node, nic, frame });
                }
            }
            Event::Agent { node, run, what } => {
                let one = &mut self.nodes[node];
                let stands_still = one.paused > 0 || one.frozen > 0 || one.stalled > self.now;
                match one.agent.as_mut().filter(|_| one.run == run) {
                    Some(_) if !stands_still => self.agent(node, what),
                    Some(agent) if matches!(what, ForAgent::Tick) => agent.tick_at = None,
                    Some(_) => one.deferred.push(Event::Agent { node, run, what }),
                    None => {}
                }
            }
            Event::Operator { run, what } => {
                if self.operator.run == run && self.operator.gone == 0 {
                    self.operator(what);
                }
            }
            Event::Request(request) => self.serve(request),
            Event::Fault(number) => self.fault(number),
            Event::Heal(number) => self.heal(number),
            Event::Forge(number) => self.forge(number),
            Event::Run(node) => self.thaw(node),
            Event::Sample => self.sample(),
        }
    }

    /// What waited for a machine or an agent, in order; a loop drains its sockets before it looks at its timers.
    pub(super) fn thaw(&mut self, node: usize) {
        let one = &mut self.nodes[node];
        for event in std::mem::take(&mut one.deferred) {
            self.happen(event);
        }
        let one = &self.nodes[node];
        let runs = one.frozen == 0 && one.paused == 0 && one.stalled <= self.now;
        if one.agent.is_some() && runs {
            self.perform(node, vec![]);
        }
    }
}
