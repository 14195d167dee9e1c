//! The client, which asks for every address all the time.

use lightship_abi::order::Order;

use super::event::Event;
use super::node::index;
use super::operator::addresses;
use super::world::World;
use super::{MS, Micros};

/// How often the client asks.
pub(super) const SAMPLE: Micros = 20 * MS;

impl World {
    /// The client asks on every segment for every address.
    pub(super) fn sample(&mut self) {
        let client = self.shape.nodes + 1;
        let gate = self.gate();
        for lan in 0..self.shape.segments {
            let all = (0..self.shape.groups).flat_map(|group| {
                let its = addresses(group, &self.shape);
                its.into_iter().map(move |address| (group, address))
            });
            for (group, address) in all.collect::<Vec<_>>() {
                let mut answerers = Vec::new();
                for (number, node) in self.nodes.iter().enumerate() {
                    let here = &self.segments[lan];
                    if !here.reaches(client, number) || !here.reaches(number, client) {
                        continue;
                    }
                    if let Some(order) = node.answers(address, lan, self.now, gate) {
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
    fn converged(&mut self, lan: usize, group: usize, answerers: &[(usize, Order)]) {
        let lease = self.authority(group);
        let holder = lease.map(|binding| binding.holder.to_string());
        let names: Vec<String> = answerers.iter().map(|(node, _)| format!("node-{node}")).collect();
        if names.len() != 1 || names.first() != holder.as_ref() {
            let why = format!(
                "all is healed, the lease of group {group} names {holder:?}, and on segment {lan} {names:?} answer"
            );
            self.judge.condemn(self.now, why);
        }
    }
}
