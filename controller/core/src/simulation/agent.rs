//! A model of the agent around [`Watch`]: it tells the watch what comes in, does what comes out, and brings the kernel's
//! entries in line with [`Watch::answers`].

use std::collections::{BTreeMap, BTreeSet};

use lightship_abi::order::Order;

use super::api::{Answer, Caller, News, State, What};
use super::event::{Event, ForAgent};
use super::kernel::{Entry, Key, Tombstone};
use super::lan::{Content, Frame};
use super::node::segment;
use super::world::World;
use super::{MS, Micros, SECOND};
use crate::binding::Binding;
use crate::interfaces::InterfaceSelector;
use crate::names::{NodeName, ServiceId};
use crate::time::Instant;
use crate::watch::{Action, ClaimAnswer, GroupView, ReadAnswer, Target, Watch, Yielded};

/// When a new entry is announced, after it was made.
const ANNOUNCEMENTS: [Micros; 5] = [0, 50 * MS, 150 * MS, 500 * MS, 2 * SECOND];
const ANNOUNCE_INTERVAL: Micros = 60 * SECOND;
/// How long a request of the claim's connection may take.
const DEADLINE: Micros = 250 * MS;
const LIST_DEADLINE: Micros = SECOND;
/// How often a claim is tried again that met a change of the order only, or an unknown outcome.
const TRIES: u32 = 2;

#[derive(Clone, Debug)]
pub(super) struct Attempt {
    primary: ServiceId,
    holder: NodeName,
    seen: u32,
    epoch: u32,
    started: Instant,
    tries: u32,
}

#[derive(Clone, Debug)]
pub(super) enum Call {
    Put(Attempt),
    /// What the lease says after a write of which nothing or a conflict was heard.
    Check(Attempt),
    Read(Instant),
    List,
    Renew,
}

#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub(super) watch: Watch,
    pub(super) leases: BTreeMap<ServiceId, (u64, Binding)>,
    /// Whether everything was listed once: only then entries are removed.
    pub(super) is_complete: bool,
    pub(super) needs_list: bool,
    pub(super) tick_at: Option<Micros>,
    pub(super) calls: BTreeMap<u64, Call>,
    /// Tombstones that the watch was told of.
    told: BTreeMap<Key, Tombstone>,
}

pub(super) fn view(binding: &Binding) -> GroupView {
    let target = |one: &crate::binding::Announcement| Target {
        addresses: one.addresses.iter().copied().collect(),
        interfaces: InterfaceSelector::compile(&one.interfaces).unwrap(),
    };
    GroupView {
        holder: binding.holder.clone(),
        epoch: u32::try_from(binding.transitions).unwrap(),
        standbys: binding.order.standbys.clone(),
        former: binding.order.former.clone(),
        targets: binding.order.announcements.iter().map(target).collect(),
    }
}

impl World {
    /// A new agent takes over what an earlier one left in the kernel.
    pub(super) fn start_agent(&mut self, node: usize) {
        let gateway = self.shape.gateway;
        let now = self.local(node);
        let one = &mut self.nodes[node];
        let mut watch = Watch::new(one.name.clone());
        #[cfg(test)]
        watch.ignore_witnesses(self.switches.no_witness);
        let held = one.kernel.entries.iter().map(|(key, entry)| (key.0, entry.order));
        watch.adopt(held.collect());
        one.agent = Some(Agent {
            watch,
            leases: BTreeMap::new(),
            is_complete: false,
            needs_list: true,
            tick_at: None,
            calls: BTreeMap::new(),
            told: BTreeMap::new(),
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
            ForAgent::Yielded(yielded) => watch.yielded(yielded, now),
            ForAgent::Contested(heard) => watch.contested(heard, now),
            ForAgent::Tick => {
                if agent.tick_at.take_if(|at| *at <= self.now).is_none() {
                    return;
                }
                watch.tick(now)
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

    fn watch(&mut self, node: usize) -> &mut Watch {
        &mut self.nodes[node].agent.as_mut().unwrap().watch
    }

    fn news(&mut self, node: usize, news: News) {
        match news {
            News::Lease(primary, version, binding) => self.saw(node, primary, version, *binding, None),
            News::Members(members) => {
                self.nodes[node].kernel.members = super::node::Node::macs(&members);
                self.watch(node).observe_members(members);
            }
            News::Beat(..) => {}
        }
    }

    /// A lease as it was heard of or read; older ones than known are passed over.
    fn saw(
        &mut self,
        node: usize,
        primary: ServiceId,
        version: u64,
        binding: Binding,
        read: Option<Instant>,
    ) {
        let now = self.local(node);
        let agent = self.nodes[node].agent.as_mut().unwrap();
        let known = agent.leases.get(&primary).map_or(0, |(version, _)| *version);
        if version < known || (version == known && read.is_none()) {
            return;
        }
        let seen = view(&binding);
        agent.watch.observe_group(&primary, Some(seen), read, now);
        agent.leases.insert(primary, (version, binding));
    }

    fn saw_all(&mut self, node: usize, state: State, started: Instant) {
        self.news(node, News::Members(state.members));
        for (primary, (version, binding)) in state.leases {
            self.saw(node, primary, version, binding, Some(started));
        }
    }

    /// Does what the watch decided, then brings the kernel in line.
    pub(super) fn perform(&mut self, node: usize, actions: Vec<Action>) {
        for action in actions {
            self.act(node, action);
        }
        self.tell_tombstones(node);
        self.execute(node);
        self.promise(node);
    }

    fn act(&mut self, node: usize, action: Action) {
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
                let most = self.most();
                let now = self.local(node);
                if let Some(order) = self.nodes[node].kernel.answers(&(address, nic), now, most) {
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
                let attempt = Attempt {
                    primary,
                    holder,
                    seen,
                    epoch,
                    started: self.local(node),
                    tries: 0,
                };
                self.attempt(node, attempt);
            }
            Action::Read => {
                let started = self.local(node);
                self.ask_api(node, What::List, Call::Read(started), DEADLINE);
            }
            Action::Tell(group, sight) => {
                self.tell(|| {
                    let group = group.map(|group| group.to_string()).unwrap_or_default();
                    format!("node-{node}: {group} {sight:?}")
                });
            }
        }
    }

    fn claim_frame(&mut self, node: usize, key: Key, order: Order, to: Option<crate::inventory::Mac>) {
        let (address, nic) = key;
        let frame = Frame {
            from: self.nodes[node].ports[segment(nic)].mac,
            to,
            content: Content::Claim { address, order },
        };
        self.send(segment(nic), node, frame);
    }

    fn attempt(&mut self, node: usize, attempt: Attempt) {
        let agent = self.nodes[node].agent.as_ref().unwrap();
        let known = agent.leases.get(&attempt.primary);
        let Some((version, binding)) = known.filter(|(_, binding)| attempt.fits(binding)).cloned() else {
            return self.claim_answer(node, &attempt, ClaimAnswer::Lost);
        };
        let me = self.nodes[node].name.clone();
        let what = What::Put {
            primary: attempt.primary.clone(),
            binding: Box::new(claimed(binding, &me, attempt.epoch)),
            version,
        };
        self.ask_api(node, what, Call::Put(attempt), DEADLINE);
    }

    fn claim_answer(&mut self, node: usize, attempt: &Attempt, answer: ClaimAnswer) {
        self.tell(|| format!("node-{node}: its claim of {} was {answer:?}", attempt.primary));
        let now = self.local(node);
        let actions = self.watch(node).claim_answered(&attempt.primary, answer, now);
        self.perform(node, actions);
    }

    /// An answer of the API server, or none in time.
    fn answered(&mut self, node: usize, id: u64, answer: Option<Answer>) -> Vec<Action> {
        let now = self.local(node);
        let agent = self.nodes[node].agent.as_mut().unwrap();
        let Some(call) = agent.calls.remove(&id) else {
            return vec![];
        };
        match (call, answer) {
            (Call::Put(attempt), Some(Answer::Written(version, binding))) => {
                let primary = attempt.primary.clone();
                self.saw(node, primary, version, *binding, Some(attempt.started));
                self.claim_answer(node, &attempt, ClaimAnswer::Won);
            }
            (Call::Put(attempt), _) => {
                let what = What::Get(attempt.primary.clone());
                self.ask_api(node, what, Call::Check(attempt), DEADLINE);
            }
            (Call::Check(attempt), Some(Answer::Lease(Some((version, binding))))) => {
                self.checked(node, attempt, version, *binding);
            }
            (Call::Check(attempt), _) => self.claim_answer(node, &attempt, ClaimAnswer::Unreachable),
            (Call::Read(started), Some(Answer::State(state))) => {
                self.saw_all(node, *state, started);
                self.watch(node).read_answered(ReadAnswer::Done, started, now);
            }
            (Call::Read(started), _) => {
                self.watch(node)
                    .read_answered(ReadAnswer::Unreachable, started, now);
            }
            (Call::List, Some(Answer::State(state))) => {
                let agent = self.nodes[node].agent.as_mut().unwrap();
                agent.needs_list = false;
                agent.is_complete = true;
                self.saw_all(node, *state, now);
            }
            (Call::List | Call::Renew, _) => {}
        }
        vec![]
    }

    fn checked(&mut self, node: usize, mut attempt: Attempt, version: u64, binding: Binding) {
        let me = self.nodes[node].name.clone();
        let is_mine = binding.holder == me && i64::from(binding.transitions) == i64::from(attempt.epoch);
        let fits = attempt.fits(&binding);
        self.saw(
            node,
            attempt.primary.clone(),
            version,
            binding,
            Some(attempt.started),
        );
        if is_mine {
            self.claim_answer(node, &attempt, ClaimAnswer::Won);
        } else if !fits {
            self.claim_answer(node, &attempt, ClaimAnswer::Lost);
        } else if attempt.tries < TRIES {
            attempt.tries += 1;
            self.attempt(node, attempt);
        } else {
            self.claim_answer(node, &attempt, ClaimAnswer::Unreachable);
        }
    }

    /// Tombstones are the truth, signals only wake up: what stands and was not told is told.
    fn tell_tombstones(&mut self, node: usize) {
        let now = self.local(node);
        let one = &self.nodes[node];
        let Some(agent) = one.agent.as_ref() else { return };
        if !agent.is_complete {
            return;
        }
        let standing: Vec<(Key, Tombstone)> = one
            .kernel
            .tombstones
            .iter()
            .filter(|(key, left)| one.kernel.is_fenced(key) && agent.told.get(key) != Some(left))
            .map(|(key, left)| (*key, *left))
            .collect();
        for (key, left) in standing {
            let yielded = Yielded {
                nic: key.1,
                from: left.from,
                address: key.0,
                order: left.order,
            };
            self.nodes[node].agent.as_mut().unwrap().told.insert(key, left);
            let actions = self.watch(node).yielded(yielded, now);
            for action in actions {
                self.act(node, action);
            }
        }
    }

    /// Entries as they should be.
    fn desired(&self, node: usize) -> BTreeMap<Key, Entry> {
        let one = &self.nodes[node];
        let Some(agent) = one.agent.as_ref() else {
            return BTreeMap::new();
        };
        let interfaces = one.interfaces();
        let mut desired = BTreeMap::new();
        for answer in agent.watch.answers() {
            for (port, interface) in one.ports.iter().zip(&interfaces) {
                if port.carrier_lost > 0 || !agent.watch.is_sure_of(port.index) {
                    continue;
                }
                let here = answer
                    .targets
                    .iter()
                    .filter(|target| target.interfaces.selects(interface));
                for address in here.flat_map(|target| &target.addresses) {
                    let entry = Entry {
                        order: answer.order,
                        confirmed: answer.confirmed,
                    };
                    desired.insert((*address, port.index), entry);
                }
            }
        }
        desired
    }

    fn execute(&mut self, node: usize) {
        let desired = self.desired(node);
        let Some(agent) = self.nodes[node].agent.as_ref() else {
            return;
        };
        let is_complete = agent.is_complete;
        let kernel = &mut self.nodes[node].kernel;
        let stale: BTreeSet<Key> = kernel
            .entries
            .keys()
            .filter(|key| is_complete && !desired.contains_key(key))
            .copied()
            .collect();
        let mut made = Vec::new();
        for (key, entry) in desired {
            if kernel.entries.get(&key) != Some(&entry) {
                kernel.entries.insert(key, entry);
                made.push((key, entry.order));
            }
        }
        for key in &stale {
            kernel.entries.remove(key);
        }
        for key in stale {
            self.tell(|| format!("node-{node}: withdraws {} on nic {}", key.0, key.1.0));
        }
        for (key, order) in made {
            self.tell(|| {
                format!(
                    "node-{node}: answers for {} on nic {} by {order:?}",
                    key.0, key.1.0
                )
            });
            self.announce(node, key, order, 0);
        }
    }

    fn announce(&mut self, node: usize, key: Key, order: Order, step: usize) {
        let kernel = &self.nodes[node].kernel;
        if kernel.entries.get(&key).is_none_or(|entry| entry.order != order) {
            return;
        }
        if kernel.answers(&key, self.local(node), self.most()) == Some(order) {
            self.claim_frame(node, key, order, None);
        }
        let at = |step: usize| ANNOUNCEMENTS.get(step).copied();
        let wait = match (at(step), at(step + 1)) {
            (Some(this), Some(next)) => next - this,
            _ => ANNOUNCE_INTERVAL,
        };
        let step = step + 1;
        self.later(node, wait, ForAgent::Announce { key, order, step });
    }

    fn beat(&mut self, node: usize) {
        let now = self.local(node);
        self.nodes[node].kernel.beat = Some(now);
        self.later(node, self.shape.duration / 6, ForAgent::Beat);
    }

    fn renew(&mut self, node: usize) {
        let one = &mut self.nodes[node];
        one.renewals += 1;
        let what = What::Beat {
            node: one.name.clone(),
            renewal: format!("{}", one.renewals),
            inventory: one.inventory(),
        };
        self.ask_api(node, what, Call::Renew, LIST_DEADLINE);
        self.later(node, self.shape.duration / 3, ForAgent::Renew);
    }

    fn reconnect(&mut self, node: usize) {
        let agent = self.nodes[node].agent.as_ref().unwrap();
        let is_asking = agent.calls.values().any(|call| matches!(call, Call::List));
        if agent.needs_list && !is_asking {
            self.ask_api(node, What::List, Call::List, LIST_DEADLINE);
        }
        let wait = if agent_is_new(self, node) {
            100 * MS
        } else {
            SECOND
        };
        self.later(node, wait, ForAgent::Reconnect);
    }

    fn ask_api(&mut self, node: usize, what: What, call: Call, deadline: Micros) {
        let run = self.nodes[node].run;
        let id = self.request(Caller::Agent { node, run }, what);
        let agent = self.nodes[node].agent.as_mut().unwrap();
        agent.calls.insert(id, call);
        self.later(node, deadline, ForAgent::Deadline(id));
    }

    /// The next tick, if it is due before the one that is on its way.
    fn promise(&mut self, node: usize) {
        let now = self.now;
        let late = if self.nodes[node].starved > 0 {
            self.dice.between(0, 200 * MS)
        } else {
            self.dice.between(50, self.shape.jitter.max(50))
        };
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

fn agent_is_new(world: &World, node: usize) -> bool {
    world.nodes[node]
        .agent
        .as_ref()
        .is_some_and(|agent| !agent.is_complete)
}

impl Attempt {
    /// Whether the lease is still as it was when the claim was decided.
    fn fits(&self, binding: &Binding) -> bool {
        binding.holder == self.holder && i64::from(binding.transitions) == i64::from(self.seen)
    }
}

/// The lease after a claim: the old holder stands by no more.
fn claimed(mut binding: Binding, me: &NodeName, epoch: u32) -> Binding {
    let old = std::mem::replace(&mut binding.holder, me.clone());
    binding.order.standbys.retain(|node| node != me && *node != old);
    binding.order.former = None;
    binding.order.deposed = (old != *me).then_some(old);
    binding.transitions = i32::try_from(epoch).unwrap();
    binding
}
