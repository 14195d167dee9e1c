//! Machines that have more to do than they can. An agent runs only now and then: between what it decides and what it sends,
//! and between what it sends and when it looks for the answer. Where that took long, the kernel may hand over an answer only after
//! the agent looked.

use super::event::{Event, ForAgent};
use super::world::World;
use super::{MS, Micros};
use crate::watch::Action;

/// How long an agent waits for a processor, at least and at most; every other time not longer than [`SHORT`].
const STALL: (Micros, Micros) = (30 * MS, 300 * MS);
const SHORT: Micros = 100 * MS;

impl World {
    /// What a tick decided is done, on a busy machine perhaps a while later; the agent waits for a processor before or after.
    pub(super) fn ticked(&mut self, node: usize, actions: Vec<Action>) {
        if self.busy == 0 || self.dice.permille(200) {
            return self.perform(node, actions);
        }
        let (least, longest) = STALL;
        let most = if self.dice.permille(500) { SHORT } else { longest };
        let wait = self.dice.between(least, most);
        let is_before = self.dice.permille(500);
        if is_before {
            let (run, what) = (self.nodes[node].run, ForAgent::Decided(actions));
            self.nodes[node]
                .deferred
                .insert(0, Event::Agent { node, run, what });
        } else {
            self.perform(node, actions);
        }
        self.nodes[node].stalled = self.now + wait;
        self.push(wait, Event::Run(node));
    }

    /// How long it takes until an answer that came in is there for the agent to take.
    pub(super) fn handed_over(&mut self, node: usize) -> Micros {
        let left = self.nodes[node].stalled.saturating_sub(self.now);
        if left > SHORT && self.dice.permille(700) {
            left + self.dice.between(MS, 3 * MS)
        } else {
            self.dice.between(20, 200)
        }
    }
}
