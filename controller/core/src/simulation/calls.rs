//! What an agent asks the API server for, and what it makes of the answers and of none.

use std::collections::BTreeMap;

use super::agent::Agent;
use super::api::{Answer, Caller, What};
use super::event::ForAgent;
use super::world::World;
use super::{MS, Micros, SECOND};
use crate::binding::Binding;
use crate::names::{NodeName, ServiceId};
use crate::time::Instant;
use crate::watch::{Action, ClaimAnswer, ReadAnswer};

/// How long a request of the claim's connection may take.
pub(super) const DEADLINE: Micros = 250 * MS;
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
    /// Groups with the versions of their leases that were known.
    Read(BTreeMap<ServiceId, u64>, Instant),
    List,
    Renew,
}

impl World {
    pub(super) fn attempt(&mut self, node: usize, attempt: Attempt) {
        let agent = self.nodes[node].agent.as_ref().unwrap();
        let known = agent.leases.get(&attempt.primary);
        let me = self.nodes[node].name.clone();
        let Some((version, binding)) = known.filter(|(_, binding)| attempt.fits(binding, &me)).cloned()
        else {
            return self.claim_answer(node, &attempt, ClaimAnswer::Lost);
        };
        let what = What::Put {
            service: attempt.primary.clone(),
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
    pub(super) fn answered(&mut self, node: usize, id: u64, answer: Option<Answer>) -> Vec<Action> {
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
            (Call::Read(groups, started), Some(answer)) => {
                self.read(node, &groups, started, answer);
                self.watch(node).read_answered(ReadAnswer::Done, now);
            }
            (Call::Read(..), None) => self.watch(node).read_answered(ReadAnswer::Unreachable, now),
            (Call::List, Some(Answer::State(state))) => {
                let agent = self.nodes[node].agent.as_mut().unwrap();
                agent.needs_list = false;
                // What an earlier agent left can be told to be stale only now.
                agent.step.is_asked |= !std::mem::replace(&mut agent.is_complete, true);
                self.saw_all(node, *state, now);
            }
            (Call::List | Call::Renew, _) => {}
        }
        vec![]
    }

    /// Only what was asked for is taken from an answer.
    fn read(&mut self, node: usize, groups: &BTreeMap<ServiceId, u64>, started: Instant, answer: Answer) {
        let leases: BTreeMap<ServiceId, (u64, Binding)> = match answer {
            Answer::State(state) => state.leases,
            Answer::Lease(lease) => {
                let lease = lease.map(|(version, binding)| (version, *binding));
                groups.keys().cloned().zip(lease).collect()
            }
            _ => return,
        };
        for (primary, known) in groups {
            let agent = self.nodes[node].agent.as_ref().unwrap();
            let still = agent
                .leases
                .get(primary)
                .is_some_and(|(version, _)| version == known);
            if still && !leases.contains_key(primary) {
                self.saw_deleted(node, primary, *known, Some(started));
            }
        }
        for (primary, (version, binding)) in leases {
            if groups.contains_key(&primary) {
                self.saw(node, primary, version, binding, Some(started));
            }
        }
    }

    fn checked(&mut self, node: usize, mut attempt: Attempt, version: u64, binding: Binding) {
        let me = self.nodes[node].name.clone();
        let is_mine = binding.holder == me && i64::from(binding.transitions) == i64::from(attempt.epoch);
        let fits = attempt.fits(&binding, &me);
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

    pub(super) fn renew(&mut self, node: usize) {
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

    pub(super) fn reconnect(&mut self, node: usize) {
        let agent = self.nodes[node].agent.as_ref().unwrap();
        let is_asking = agent.calls.values().any(|call| matches!(call, Call::List));
        if agent.needs_list && !is_asking {
            self.ask_api(node, What::List, Call::List, LIST_DEADLINE);
        }
        let wait = if self.nodes[node].agent.as_ref().is_some_and(Agent::is_new) {
            100 * MS
        } else {
            SECOND
        };
        self.later(node, wait, ForAgent::Reconnect);
    }

    pub(super) fn ask_api(&mut self, node: usize, what: What, call: Call, deadline: Micros) {
        let run = self.nodes[node].run;
        let id = self.request(Caller::Agent { node, run }, what);
        let agent = self.nodes[node].agent.as_mut().unwrap();
        agent.calls.insert(id, call);
        self.later(node, deadline, ForAgent::Deadline(id));
    }
}

impl Agent {
    fn is_new(&self) -> bool {
        !self.is_complete
    }
}

impl Attempt {
    pub(super) fn new(primary: ServiceId, holder: NodeName, seen: u32, epoch: u32, started: Instant) -> Self {
        Self {
            primary,
            holder,
            seen,
            epoch,
            started,
            tries: 0,
        }
    }

    /// Whether the lease is still as it was when the claim was decided, and this node's to claim.
    fn fits(&self, binding: &Binding, me: &NodeName) -> bool {
        binding.concerns(me)
            && binding.order.primary == self.primary
            && binding.holder == self.holder
            && i64::from(binding.transitions) == i64::from(self.seen)
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
