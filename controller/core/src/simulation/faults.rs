//! What a fault does when it begins, and when it is healed.

use super::MS;
use super::event::ForAgent;
use super::plan::{Fault, Kind};
use super::world::World;

impl World {
    pub(super) fn fault(&mut self, number: usize) {
        let Fault { kind, lasts, .. } = self.plan.faults[number];
        self.tell(|| format!("FAULT: {kind:?} for {} ms", lasts / MS));
        match kind {
            Kind::Crash(node) => self.crash(node),
            Kind::Pause { node, queued, .. } => {
                self.nodes[node].paused += 1;
                self.nodes[node].queues = queued;
            }
            Kind::Freeze(node) => self.nodes[node].frozen += 1,
            Kind::Restart(node) => {
                self.nodes[node].gone += 1;
                self.end_agent(node);
            }
            Kind::Busy => self.busy += 1,
            Kind::Link { node, segment, seen } => {
                self.segments[segment].kill(node);
                if seen {
                    self.nodes[node].ports[segment].carrier_lost += 1;
                    self.carrier_changed(node);
                }
            }
            Kind::Gateway(segment) => self.segments[segment].kill(self.shape.nodes),
            Kind::Noise { segment, loss, twice } => {
                self.segments[segment].loss += loss;
                self.segments[segment].twice += twice;
            }
            Kind::Deaf { .. } | Kind::Split { .. } => {
                for (segment, from, to) in self.cuts(kind) {
                    self.segments[segment].cut(from, to);
                }
            }
            Kind::ApiDown => {
                self.api.down += 1;
                for stream in 0..self.api.streams.len() {
                    self.break_stream(stream);
                }
            }
            Kind::ApiFrozen => self.api.frozen += 1,
            Kind::ApiLossy => self.api.lossy += 1,
            Kind::ApiCut(node) => self.unreachable[node] += 1,
            Kind::NewsLost(node) => self.break_stream(node),
            Kind::Operator => self.operator.gone += 1,
            Kind::OperatorCut => self.unreachable[self.shape.nodes] += 1,
            Kind::Forged { .. } => self.forge(number),
            Kind::Retire { group, leaves } => self.retire(number, group, leaves),
            Kind::Drain(node) => {
                self.nodes[node].drained += 1;
                self.operator_sees_changes();
            }
        }
    }

    pub(super) fn heal(&mut self, number: usize) {
        let Fault { kind, lasts, .. } = self.plan.faults[number];
        self.tell(|| format!("healed: {kind:?}"));
        match kind {
            Kind::Crash(node) => {
                self.nodes[node].down -= 1;
                self.revive_agent(node);
            }
            Kind::Pause { node, ticking, .. } => {
                self.nodes[node].paused -= 1;
                if self.nodes[node].paused == 0 {
                    if !ticking {
                        self.nodes[node].clock.stand_still(lasts);
                    }
                    self.thaw(node);
                }
            }
            Kind::Freeze(node) => {
                self.nodes[node].frozen -= 1;
                self.thaw(node);
            }
            Kind::Restart(node) => {
                self.nodes[node].gone -= 1;
                self.revive_agent(node);
            }
            Kind::Busy => self.busy -= 1,
            Kind::Link { node, segment, seen } => {
                self.segments[segment].revive(node);
                if seen {
                    self.nodes[node].ports[segment].carrier_lost -= 1;
                    self.carrier_changed(node);
                }
            }
            Kind::Gateway(segment) => self.segments[segment].revive(self.shape.nodes),
            Kind::Noise { segment, loss, twice } => {
                self.segments[segment].loss -= loss;
                self.segments[segment].twice -= twice;
            }
            Kind::Deaf { .. } | Kind::Split { .. } => {
                for (segment, from, to) in self.cuts(kind) {
                    self.segments[segment].mend(from, to);
                }
            }
            Kind::ApiDown => self.api.down -= 1,
            Kind::ApiFrozen => {
                self.api.frozen -= 1;
                if self.api.frozen == 0 {
                    let limit = super::api::WRITE_LIMIT;
                    for (came, request) in std::mem::take(&mut self.api.held) {
                        if self.now - came <= limit {
                            self.serve(request);
                        }
                    }
                }
            }
            Kind::ApiLossy => self.api.lossy -= 1,
            Kind::ApiCut(node) => self.unreachable[node] -= 1,
            Kind::NewsLost(_) | Kind::Forged { .. } => {}
            Kind::Retire { .. } => self.restore(number),
            Kind::Operator => {
                self.operator.gone -= 1;
                if self.operator.gone == 0 {
                    self.start_operator();
                }
            }
            Kind::OperatorCut => self.unreachable[self.shape.nodes] -= 1,
            Kind::Drain(node) => {
                self.nodes[node].drained -= 1;
                self.operator_sees_changes();
            }
        }
    }

    fn crash(&mut self, node: usize) {
        self.nodes[node].down += 1;
        self.end_agent(node);
        self.nodes[node].forget();
        self.judge.booted(node);
    }

    fn end_agent(&mut self, node: usize) {
        self.nodes[node].agent = None;
        self.nodes[node].run += 1;
        // A watch goes with who watched: the next agent hears news only of what it listed.
        self.api.streams[node].is_open = false;
    }

    fn revive_agent(&mut self, node: usize) {
        let one = &self.nodes[node];
        if one.down == 0 && one.gone == 0 && one.agent.is_none() {
            self.start_agent(node);
        }
    }

    fn carrier_changed(&mut self, node: usize) {
        if self.nodes[node].agent.is_some() {
            self.later(node, MS, ForAgent::Nics);
            self.later(node, 2 * MS, ForAgent::Renew);
        }
    }

    /// Who does not hear whom.
    fn cuts(&self, kind: Kind) -> Vec<(usize, usize, usize)> {
        match kind {
            Kind::Deaf {
                one,
                other,
                segment,
                both,
            } => {
                let mut cuts = vec![(segment, other, one)];
                cuts.extend(both.then_some((segment, one, other)));
                cuts
            }
            Kind::Split { segment, below } => {
                // The gateway and the client are with the first.
                let places = 0..self.shape.nodes + 2;
                let is_first = |place: usize| place < below || place >= self.shape.nodes;
                let pairs = places
                    .clone()
                    .flat_map(|one| places.clone().map(move |other| (one, other)));
                let apart = pairs.filter(|(one, other)| is_first(*one) != is_first(*other));
                apart.map(|(one, other)| (segment, one, other)).collect()
            }
            _ => vec![],
        }
    }
}
