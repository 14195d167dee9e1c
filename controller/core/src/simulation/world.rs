//! The cluster in simulated time: a queue of events, and what each leads to.

use std::collections::BTreeMap;
use std::time::Duration;

use super::api::{Api, Caller, News, Request, What};
use super::clock::Clock;
use super::dice::Dice;
use super::event::{Event, ForAgent, ForOperator};
use super::judge::Judge;
use super::kernel::Judgement;
use super::lan::{Content, Frame, Place, Segment};
use super::node::{Node, index, mac, own_address, segment};
use super::operator::{Operator, address, service};
use super::plan::{Plan, Shape};
use super::{MS, Micros, Switches};
use crate::time::Instant;
use crate::watch::{Heard, NicIndex, Yielded};

/// How often the client asks.
pub(super) const SAMPLE: Micros = 20 * MS;
/// How many events the longest history has by far.
const MOST_EVENTS: u64 = 2_000_000;
/// How many frames wait for a machine that stands still.
const QUEUE: usize = 256;

pub(super) struct World {
    pub(super) now: Micros,
    queue: BTreeMap<(Micros, u64), Event>,
    number: u64,
    pub(super) dice: Dice,
    pub(super) plan: Plan,
    pub(super) shape: Shape,
    pub(super) switches: Switches,
    pub(super) segments: Vec<Segment>,
    pub(super) nodes: Vec<Node>,
    pub(super) api: Api,
    /// How many faults keep an agent's node, or the operator's, from the API server.
    pub(super) unreachable: Vec<u32>,
    pub(super) operator: Operator,
    pub(super) judge: Judge,
    pub(super) tale: Option<Vec<String>>,
    pub(super) events: u64,
}

impl World {
    pub(super) fn new(plan: &Plan, switches: Switches, told: bool) -> Self {
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
            api: Api::new(shape.nodes + 1, !switches.no_compare),
            unreachable: vec![0; shape.nodes + 1],
            operator: Operator::default(),
            judge: Judge::default(),
            tale: told.then(Vec::new),
            events: 0,
            shape,
            switches,
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

    /// How long a heartbeat counts, and the kernel's gate stays open.
    pub(super) fn most(&self) -> Duration {
        Duration::from_micros(self.shape.duration)
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
                let stands_still = one.paused > 0 || one.frozen > 0;
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
        if one.agent.is_some() && one.frozen == 0 && one.paused == 0 {
            self.perform(node, vec![]);
        }
    }

    /// A frame leaves a station.
    pub(super) fn send(&mut self, segment: usize, from: Place, frame: Frame) {
        let gateway = self.shape.nodes;
        for place in 0..=gateway {
            let is_meant = frame.to.is_none_or(|to| to == mac(segment, place));
            let lan = &self.segments[segment];
            if place == from || !is_meant || !lan.reaches(from, place) {
                continue;
            }
            for wait in lan.arrivals(&mut self.dice) {
                if place == gateway {
                    self.ask_gateway(segment, from, frame, wait);
                } else {
                    let nic = index(segment);
                    self.push(
                        wait,
                        Event::Frame {
                            node: place,
                            nic,
                            frame,
                        },
                    );
                }
            }
        }
    }

    fn ask_gateway(&mut self, segment: usize, from: Place, frame: Frame, wait: Micros) {
        let gateway = self.shape.nodes;
        let own = own_address(segment, gateway);
        let lan = &self.segments[segment];
        let is_asked = frame.content == Content::Ask { address: own } && self.shape.gateway;
        if !is_asked || !lan.reaches(gateway, from) {
            return;
        }
        let reply = Frame {
            from: mac(segment, gateway),
            to: Some(frame.from),
            content: Content::Reply { address: own },
        };
        for back in lan.arrivals(&mut self.dice) {
            let (node, nic) = (from, index(segment));
            self.push(
                wait + back,
                Event::Frame {
                    node,
                    nic,
                    frame: reply,
                },
            );
        }
    }

    fn receive(&mut self, node: usize, nic: NicIndex, frame: Frame) {
        let lan = segment(nic);
        if self.segments[lan].is_dead(node) {
            return;
        }
        match frame.content {
            Content::Ask { address } => {
                let is_own = self.nodes[node].ports[lan].own == address;
                let order = self.nodes[node].answers(address, lan, self.now, self.most());
                if let Some(order) = order {
                    self.judge.answers(self.now, node, (address, nic), order);
                }
                if is_own || order.is_some() {
                    let reply = Frame {
                        from: self.nodes[node].ports[lan].mac,
                        to: Some(frame.from),
                        content: Content::Reply { address },
                    };
                    self.send(lan, node, reply);
                }
            }
            Content::Reply { address } => {
                let heard = Heard {
                    nic,
                    from: frame.from,
                    address,
                };
                let wait = self.dice.between(20, 200);
                self.later(node, wait, ForAgent::Heard(heard));
                self.told(node, heard, None);
            }
            Content::Claim { address, order } => {
                let heard = Heard {
                    nic,
                    from: frame.from,
                    address,
                };
                self.told(node, heard, Some(order));
            }
        }
    }

    /// A frame says who has an address.
    fn told(&mut self, node: usize, heard: Heard, claim: Option<lightship_abi::order::Order>) {
        let key = (heard.address, heard.nic);
        let now = self.local(node);
        let kernel = &mut self.nodes[node].kernel;
        let Some(entry) = kernel.entries.get(&key).copied() else {
            return;
        };
        if let Some(claim) = claim {
            self.judge.delivered(node, key, claim, entry.order);
        }
        if self.switches.no_fence {
            return;
        }
        let wait = self.dice.between(20, 200);
        match (kernel.told(key, heard.from, claim, now), claim) {
            (Judgement::Yielded, Some(order)) => {
                self.tell(|| format!("node-{node}: its kernel yields {} to {order:?}", heard.address));
                let yielded = Yielded {
                    nic: heard.nic,
                    from: heard.from,
                    address: heard.address,
                    order,
                };
                self.later(node, wait, ForAgent::Yielded(yielded));
            }
            (Judgement::Conflict, _) => self.later(node, wait, ForAgent::Contested(heard)),
            _ => {}
        }
    }

    fn reaches_api(&self, caller: Caller) -> bool {
        let number = self.number_of(caller);
        self.unreachable[number] == 0
    }

    fn number_of(&self, caller: Caller) -> usize {
        match caller {
            Caller::Agent { node, .. } => node,
            Caller::Operator { .. } => self.nodes.len(),
        }
    }

    /// Sends a request to the API server, and returns its number.
    pub(super) fn request(&mut self, caller: Caller, what: What) -> u64 {
        self.number += 1;
        let id = self.number;
        if self.reaches_api(caller) {
            let (least, most) = self.shape.api;
            let mut wait = self.dice.between(least, most);
            if self.api.lossy > 0 && self.dice.permille(250) {
                wait += self.dice.between(0, super::api::WRITE_LIMIT);
            }
            self.push(wait, Event::Request(Request { caller, id, what }));
        }
        id
    }

    pub(super) fn serve(&mut self, request: Request) {
        if self.api.down > 0 {
            return;
        }
        if self.api.frozen > 0 {
            self.api.held.push((self.now, request));
            return;
        }
        let Request { caller, id, what } = request;
        let number = self.number_of(caller);
        if matches!(what, What::List) {
            self.api.streams[number].is_open = true;
        }
        let put = match &what {
            What::Put { primary, .. } => Some(primary.clone()),
            _ => None,
        };
        let (answer, news) = self.api.carry_out(what);
        if let Some(News::Lease(primary, _, binding)) = &news {
            self.judge.committed(self.now, primary, binding);
            let (holder, epoch) = (binding.holder.clone(), binding.transitions);
            let primary = put.unwrap_or_else(|| primary.clone());
            self.tell(|| format!("api: {primary} is {holder}'s at {epoch}"));
        }
        if let Some(news) = news {
            self.spread(&news);
        }
        let is_lost = self.api.lossy > 0 && self.dice.permille(250);
        if is_lost || !self.reaches_api(caller) {
            return;
        }
        let wait = self.dice.between(self.shape.api.0, self.shape.api.1);
        match caller {
            Caller::Agent { node, run } => {
                let what = ForAgent::Answer(id, answer);
                self.push(wait, Event::Agent { node, run, what });
            }
            Caller::Operator { run } => {
                let what = ForOperator::Answer(id, answer);
                self.push(wait, Event::Operator { run, what });
            }
        }
    }

    /// Tells every open watch.
    fn spread(&mut self, news: &News) {
        for number in 0..self.api.streams.len() {
            let is_operator = number == self.nodes.len();
            let is_meant = match news {
                News::Lease(..) | News::Members(_) => true,
                News::Beat(..) => is_operator,
            };
            if !is_meant || !self.api.streams[number].is_open {
                continue;
            }
            if self.unreachable[number] > 0 {
                self.break_stream(number);
                continue;
            }
            let (least, most) = self.shape.news;
            let at = (self.now + self.dice.between(least, most)).max(self.api.streams[number].last);
            self.api.streams[number].last = at;
            let event = if is_operator {
                let (run, what) = (self.operator.run, ForOperator::News(news.clone()));
                Event::Operator { run, what }
            } else {
                let (run, what) = (self.nodes[number].run, ForAgent::News(news.clone()));
                Event::Agent {
                    node: number,
                    run,
                    what,
                }
            };
            self.push(at - self.now, event);
        }
    }

    /// A watch breaks; who watches notices a little later.
    pub(super) fn break_stream(&mut self, number: usize) {
        self.api.streams[number].is_open = false;
        let wait = self.dice.between(10 * MS, 2000 * MS);
        if number == self.nodes.len() {
            let (run, what) = (self.operator.run, ForOperator::Broken);
            self.push(wait, Event::Operator { run, what });
        } else {
            self.later(number, wait, ForAgent::Broken);
        }
    }

    /// The client asks on every segment for every address.
    fn sample(&mut self) {
        let client = self.shape.nodes + 1;
        let most = self.most();
        for lan in 0..self.shape.segments {
            for group in 0..self.shape.groups {
                let address = address(group);
                let mut answerers = Vec::new();
                for (number, node) in self.nodes.iter().enumerate() {
                    let here = &self.segments[lan];
                    if !here.reaches(client, number) || !here.reaches(number, client) {
                        continue;
                    }
                    if let Some(order) = node.answers(address, lan, self.now, most) {
                        self.judge.answers(self.now, number, (address, index(lan)), order);
                        answerers.push((number, order));
                    }
                }
                self.judge.sampled(self.now, (lan, address), &answerers);
                if self.now >= self.plan.settled() {
                    self.converged(lan, group, &answerers);
                }
            }
        }
        self.push(SAMPLE, Event::Sample);
    }

    /// Long after everything was healed exactly the lease's holder answers.
    fn converged(&mut self, lan: usize, group: usize, answerers: &[(usize, lightship_abi::order::Order)]) {
        let lease = self.api.state.leases.get(&service(group));
        let holder = lease.map(|(_, binding)| binding.holder.to_string());
        let names: Vec<String> = answerers.iter().map(|(node, _)| format!("node-{node}")).collect();
        if names.len() != 1 || names.first() != holder.as_ref() {
            let why = format!(
                "all is healed, the lease of {} names {holder:?}, and on segment {lan} {names:?} answer",
                service(group)
            );
            self.judge.condemn(self.now, why);
        }
    }
}
