//! A model of the agent around [`Watch`]: it tells the watch what comes in, and does what comes out.

use std::collections::BTreeMap;

use lightship_abi::order::Order;

use super::api::{News, State, What};
use super::calls::{Attempt, Call, DEADLINE};
use super::entries::Step;
use super::event::Event;
use super::event::ForAgent;
use super::kernel::Key;
use super::lan::{Content, Frame};
use super::node::segment;
use super::world::World;
use super::{Micros, Without};
use crate::binding::Binding;
use crate::groups::Groups;
use crate::names::ServiceId;
use crate::time::Instant;
use crate::watch::{Action, Watch};

#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub(super) watch: Watch,
    pub(super) leases: BTreeMap<ServiceId, (u64, Binding)>,
    /// In which version leases were deleted.
    pub(super) deleted: BTreeMap<ServiceId, u64>,
    groups: Groups,
    /// Whether everything was listed once: only then entries are removed.
    pub(super) is_complete: bool,
    pub(super) needs_list: bool,
    pub(super) tick_at: Option<Micros>,
    pub(super) calls: BTreeMap<u64, Call>,
    /// How far the kernel is.
    pub(super) step: Step,
}

impl World {
    /// A new agent takes over what an earlier one left in the kernel.
    pub(super) fn start_agent(&mut self, node: usize) {
        let gateway = self.shape.gateway;
        let now = self.local(node);
        let one = &mut self.nodes[node];
        let mut watch = Watch::new(one.name.clone());
        watch.break_rule(self.without.rule());
        let held = one.kernel.entries.iter().map(|(key, entry)| (key.0, entry.order));
        watch.adopt(held.collect());
        let mut groups = Groups::default();
        groups.forgets_retired = self.without == Without::Regency;
        one.agent = Some(Agent {
            watch,
            leases: BTreeMap::new(),
            deleted: BTreeMap::new(),
            groups,
            is_complete: false,
            needs_list: true,
            tick_at: None,
            calls: BTreeMap::new(),
            step: Step::default(),
        });
        let nics = one.nics(gateway);
        let actions = one.agent.as_mut().unwrap().watch.observe_nics(nics, now);
        self.tell(|| format!("node-{node}: an agent starts"));
        self.perform(node, actions);
        for what in [ForAgent::Reconnect, ForAgent::Beat, ForAgent::Renew] {
            self.later(node, 0, what);
        }
    }

    /// Something for a running agent.
    pub(super) fn agent(&mut self, node: usize, what: ForAgent) {
        let now = self.local(node);
        let Some(agent) = self.nodes[node].agent.as_mut() else {
            return;
        };
        let watch = &mut agent.watch;
        let actions = match what {
            ForAgent::Heard(heard) => watch.heard(heard, now),
            ForAgent::Yielded => {
                agent.step.is_asked = true;
                vec![]
            }
            ForAgent::Contested(heard) => watch.contested(heard, now),
            ForAgent::Tick => {
                if agent.tick_at.take_if(|at| *at <= self.now).is_none() {
                    return;
                }
                let actions = watch.tick(now);
                return self.ticked(node, actions);
            }
            ForAgent::Decided(actions) => actions,
            ForAgent::Step => {
                agent.step.due = None;
                vec![]
            }
            ForAgent::Nics => {
                let nics = self.nodes[node].nics(self.shape.gateway);
                self.watch(node).observe_nics(nics, now)
            }
            ForAgent::Announce { key, order, step } => return self.announce(node, key, order, step),
            ForAgent::Beat => return self.beat(node),
            ForAgent::Renew => return self.renew(node),
            ForAgent::Reconnect => return self.reconnect(node),
            ForAgent::Broken => {
                agent.needs_list = true;
                return;
            }
            ForAgent::News(news) => {
                self.news(node, news);
                vec![]
            }
            ForAgent::Answer(id, answer) => self.answered(node, id, Some(answer)),
            ForAgent::Deadline(id) => self.answered(node, id, None),
        };
        self.perform(node, actions);
    }

    pub(super) fn watch(&mut self, node: usize) -> &mut Watch {
        &mut self.nodes[node].agent.as_mut().unwrap().watch
    }

    fn news(&mut self, node: usize, news: News) {
        match news {
            News::Lease(service, version, binding) => self.saw(node, service, version, *binding, None),
            News::Deleted(service, version) => self.saw_deleted(node, &service, version, None),
            News::Members(members) => {
                self.nodes[node].kernel.members = super::node::Node::macs(&members);
                self.watch(node).observe_members(members);
            }
            News::Beat(..) => {}
        }
    }

    /// A lease as it was heard of or read; older ones than known are passed over.
    pub(super) fn saw(
        &mut self,
        node: usize,
        service: ServiceId,
        version: u64,
        binding: Binding,
        read: Option<Instant>,
    ) {
        let agent = self.nodes[node].agent.as_mut().unwrap();
        let known = agent.leases.get(&service).map_or(0, |(version, _)| *version);
        let is_gone = agent.deleted.get(&service).is_some_and(|at| *at >= version);
        if is_gone || (version <= known && read.is_none()) {
            return;
        }
        // What is known is later than what was read, which a read confirms as well.
        let (version, binding) = match agent.leases.get(&service) {
            Some((known, binding)) if version < *known => (*known, binding.clone()),
            _ => (version, binding),
        };
        agent.leases.insert(service.clone(), (version, binding.clone()));
        self.regroup(node, service, Some(binding), read);
    }

    /// A lease is gone since a version, unless a later one is known.
    pub(super) fn saw_deleted(
        &mut self,
        node: usize,
        service: &ServiceId,
        version: u64,
        read: Option<Instant>,
    ) {
        let agent = self.nodes[node].agent.as_mut().unwrap();
        let deleted = agent.deleted.entry(service.clone()).or_default();
        *deleted = version.max(*deleted);
        if agent
            .leases
            .get(service)
            .is_some_and(|(known, _)| *known <= version)
        {
            agent.leases.remove(service);
            self.regroup(node, service.clone(), None, read);
        }
    }

    fn regroup(&mut self, node: usize, service: ServiceId, binding: Option<Binding>, read: Option<Instant>) {
        let now = self.local(node);
        let forgets = self.without == Without::Inheritance;
        let Agent { groups, watch, .. } = self.nodes[node].agent.as_mut().unwrap();
        let touched = groups.set(service, binding);
        for (old, heir) in touched.iter().filter_map(|old| Some((old, groups.heir(old)?))) {
            if !forgets {
                watch.succeed_primary(old, heir);
            }
        }
        for primary in touched {
            let view = groups.group(&primary).map(|laid| laid.view);
            watch.observe_group(&primary, view, read, now);
        }
    }

    pub(super) fn saw_all(&mut self, node: usize, state: State, started: Instant) {
        self.news(node, News::Members(state.members));
        let agent = self.nodes[node].agent.as_ref().unwrap();
        let known = agent.leases.iter();
        let gone = known.filter(|(service, (version, _))| {
            *version <= state.version && !state.leases.contains_key(*service)
        });
        for service in gone.map(|(service, _)| service.clone()).collect::<Vec<_>>() {
            self.saw_deleted(node, &service, state.version, Some(started));
        }
        for (service, (version, binding)) in state.leases {
            self.saw(node, service, version, binding, Some(started));
        }
        self.watch(node).begun();
    }

    /// Does what the watch decided, then brings the kernel in line.
    pub(super) fn perform(&mut self, node: usize, actions: Vec<Action>) {
        for action in actions {
            self.act(node, action);
        }
        let now = self.local(node);
        self.watch(node).sent(now);
        self.bring_in_line(node);
        self.promise(node);
    }

    pub(super) fn act(&mut self, node: usize, action: Action) {
        let from = |world: &Self, nic| world.nodes[node].ports[segment(nic)].mac;
        match action {
            Action::Probe { nic, to, address, .. } => {
                let frame = Frame {
                    from: from(self, nic),
                    to: Some(to),
                    content: Content::Ask { address },
                };
                self.send(segment(nic), node, frame);
            }
            Action::Ask { nic, to, address } => {
                let frame = Frame {
                    from: from(self, nic),
                    to,
                    content: Content::Ask { address },
                };
                self.send(segment(nic), node, frame);
            }
            Action::ClaimTo {
                nic,
                to,
                address,
                order,
            } => self.claim_frame(node, (address, nic), order, Some(to)),
            Action::Defend { nic, address } => {
                let gate = self.gate();
                let now = self.local(node);
                if let Some(order) = self.nodes[node].kernel.answers(&(address, nic), now, gate) {
                    self.claim_frame(node, (address, nic), order, None);
                }
            }
            Action::Claim {
                primary,
                holder,
                seen,
                epoch,
            } => {
                self.tell(|| format!("node-{node}: claims {primary} from {holder} at {seen} with {epoch}"));
                let started = self.local(node);
                self.attempt(node, Attempt::new(primary, holder, seen, epoch, started));
            }
            Action::Read(groups) => {
                let started = self.local(node);
                let what = match groups.first().filter(|_| groups.len() == 1) {
                    Some(primary) => What::Get(primary.clone()),
                    None => What::List,
                };
                let agent = self.nodes[node].agent.as_ref().unwrap();
                let known = |primary| agent.leases.get(&primary).map(|(version, _)| (primary, *version));
                let known = groups.into_iter().filter_map(known).collect();
                self.ask_api(node, what, Call::Read(known, started), DEADLINE);
            }
            Action::Tell(group, sight) => {
                self.tell(|| {
                    let group = group.map(|group| group.to_string()).unwrap_or_default();
                    format!("node-{node}: {group} {sight:?}")
                });
            }
        }
    }

    pub(super) fn claim_frame(
        &mut self,
        node: usize,
        key: Key,
        order: Order,
        to: Option<crate::inventory::Mac>,
    ) {
        let (address, nic) = key;
        let frame = Frame {
            from: self.nodes[node].ports[segment(nic)].mac,
            to,
            content: Content::Claim { address, order },
        };
        self.send(segment(nic), node, frame);
    }

    /// The next tick, if it is due before the one that is on its way.
    fn promise(&mut self, node: usize) {
        let now = self.now;
        // Whose loop has stood still sees its timers and its sockets at once.
        let jitter = if self.busy == 0 { self.shape.jitter } else { 0 };
        let late = self.dice.between(50, jitter.max(50));
        let one = &mut self.nodes[node];
        let Some(agent) = one.agent.as_mut() else { return };
        let Some(due) = agent.watch.next_tick() else {
            return;
        };
        let due = one.clock.world(due, now);
        // A late timer fires late; it is not set anew with every frame.
        if agent
            .tick_at
            .is_some_and(|at| at <= due + self.shape.jitter || at <= now)
        {
            return;
        }
        let at = due + late;
        agent.tick_at = Some(at);
        self.later(node, at - now, ForAgent::Tick);
    }

    pub(super) fn later(&mut self, node: usize, wait: Micros, what: ForAgent) {
        let run = self.nodes[node].run;
        self.push(wait, Event::Agent { node, run, what });
    }
}
