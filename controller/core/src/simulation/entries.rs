//! How an agent brings its kernel's entries in line with [`Watch::answers`]: not at every decision but a little later, and what
//! was decided meanwhile together.

use std::collections::{BTreeMap, BTreeSet};

use lightship_abi::order::Order;

use super::event::ForAgent;
use super::kernel::{Entry, Key, Tombstone};
use super::world::World;
use super::{MS, Micros, SECOND, Without};
use crate::timing::beat_interval;
use crate::watch::Yielded;

/// When a new entry is announced, after it was made.
const ANNOUNCEMENTS: [Micros; 5] = [0, 50 * MS, 150 * MS, 500 * MS, 2 * SECOND];
const ANNOUNCE_INTERVAL: Micros = 60 * SECOND;
/// How long the kernel is left alone after it was looked at.
pub(super) const LONGEST_REST: Micros = 25 * MS;

/// How far an agent's kernel is.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    /// The revision of the watch that it was brought in line with.
    carried_out: u64,
    /// Whether it is to be compared although nothing was decided.
    pub(super) is_asked: bool,
    rests: Micros,
    /// When that is over, if something waits for it.
    pub(super) due: Option<Micros>,
    /// Tombstones that the watch was told of.
    told: BTreeMap<Key, Tombstone>,
}

impl World {
    /// Brings the kernel in line with what was decided, now or as soon as it may be looked at again.
    pub(super) fn bring_in_line(&mut self, node: usize) {
        let now = self.now;
        let agent = self.nodes[node].agent.as_mut().unwrap();
        let revision = agent.watch.revision();
        if !agent.step.is_asked && agent.step.carried_out == revision {
            return;
        }
        if now < agent.step.rests {
            let rests = agent.step.rests;
            if agent.step.due.replace(rests).is_none() {
                self.later(node, rests - now, ForAgent::Step);
            }
            return;
        }
        agent.step.is_asked = false;
        self.tell_tombstones(node);
        self.execute(node);
        let rest = self.dice.between(MS, LONGEST_REST);
        let agent = self.nodes[node].agent.as_mut().unwrap();
        let told = agent.watch.carried_out(revision, BTreeMap::new());
        assert_eq!(told, [], "nothing is refused");
        (agent.step.carried_out, agent.step.rests) = (revision, now + rest);
        self.bring_in_line(node);
    }

    /// Tombstones are the truth, signals only wake up: what stands and was not told is told.
    fn tell_tombstones(&mut self, node: usize) {
        let now = self.local(node);
        let one = &self.nodes[node];
        let Some(agent) = one.agent.as_ref() else { return };
        if !agent.is_complete {
            return;
        }
        let standing: BTreeMap<Key, Tombstone> = one
            .kernel
            .tombstones
            .iter()
            .filter(|(key, _)| one.kernel.is_fenced(key))
            .map(|(key, left)| (*key, *left))
            .collect();
        // One that stood, did not, and stands again is told again.
        let agent = self.nodes[node].agent.as_mut().unwrap();
        let told = std::mem::replace(&mut agent.step.told, standing.clone());
        for (key, left) in standing {
            let yielded = Yielded {
                nic: key.1,
                from: left.from,
                address: key.0,
                order: left.order,
            };
            let is_told_again = self.without != Without::Inheritance;
            let is_lost = is_told_again && self.watch(node).is_unaware_of(&yielded);
            if told.get(&key) == Some(&left) && !is_lost {
                continue;
            }
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
            kernel.tombstones.remove(key);
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

    pub(super) fn announce(&mut self, node: usize, key: Key, order: Order, step: usize) {
        let kernel = &self.nodes[node].kernel;
        if kernel.entries.get(&key).is_none_or(|entry| entry.order != order) {
            return;
        }
        if kernel.answers(&key, self.local(node), self.gate()) == Some(order) {
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

    pub(super) fn beat(&mut self, node: usize) {
        let now = self.local(node);
        self.nodes[node].kernel.beat = Some(now);
        let interval = beat_interval(self.most());
        self.later(node, u64::try_from(interval.as_micros()).unwrap(), ForAgent::Beat);
    }
}
