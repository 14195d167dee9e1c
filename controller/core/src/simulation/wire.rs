//! Frames: how they get to whom, and what a kernel or the gateway does about them.

use lightship_abi::order::Order;

use super::event::{Event, ForAgent};
use super::kernel::Judgement;
use super::lan::{Content, Frame, Place};
use super::node::{index, mac, own_address, segment};
use super::operator::addresses;
use super::plan::{Forger, Kind};
use super::world::World;
use super::{MS, Micros, Without};
use crate::inventory::Mac;
use crate::watch::{Heard, NicIndex};

impl World {
    /// A frame leaves a station.
    pub(super) fn send(&mut self, segment: usize, from: Place, frame: Frame) {
        if let Content::Claim { .. } = frame.content {
            self.sent.push((segment, frame));
        }
        self.spread_frame(segment, from, frame);
    }

    fn spread_frame(&mut self, segment: usize, from: Place, frame: Frame) {
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

    pub(super) fn receive(&mut self, node: usize, nic: NicIndex, frame: Frame) {
        let lan = segment(nic);
        if self.segments[lan].is_dead(node) {
            return;
        }
        match frame.content {
            Content::Ask { address } => {
                let is_own = self.nodes[node].ports[lan].own == address;
                let order = self.nodes[node].answers(address, lan, self.now, self.gate());
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
                let wait = self.handed_over(node);
                self.later(node, wait, ForAgent::Heard(heard));
                self.told(node, heard, None);
            }
            Content::Claim { address, order } | Content::Forged { address, order } => {
                let heard = Heard {
                    nic,
                    from: frame.from,
                    address,
                };
                let (key, kernel) = ((address, nic), &self.nodes[node].kernel);
                let own = kernel.entries.get(&key).map(|entry| entry.order);
                // A tombstone keeps the highest claim: behind a forged one the node cannot know of it.
                let left = kernel.tombstones.get(&key);
                let is_hidden = left.is_some_and(|left| left.order.beats(order));
                if let (Content::Claim { .. }, Some(own), false) = (frame.content, own, is_hidden) {
                    self.judge.delivered(node, key, order, own);
                }
                self.told(node, heard, Some(order));
            }
        }
    }

    /// The next claims of somebody who forges them, while that lasts.
    pub(super) fn forge(&mut self, number: usize) {
        let fault = self.plan.faults[number];
        let Kind::Forged { segment, by } = fault.kind else {
            return;
        };
        if self.now >= fault.until() {
            return;
        }
        for frame in self.forged(segment, by) {
            self.spread_frame(segment, self.shape.nodes + 1, frame);
        }
        let wait = self.dice.between(5 * MS, 400 * MS);
        self.push(wait, Event::Forge(number));
    }

    fn forged(&mut self, segment: usize, by: Forger) -> Vec<Frame> {
        let (from, lead) = match by {
            Forger::Stranger(lead) => (Mac([6; 6]), lead),
            Forger::Member(node, lead) => (mac(segment, node), lead),
            Forger::Replayer => {
                let true_ones = self.sent.iter().filter(|(on, _)| *on == segment);
                let frames: Vec<Frame> = true_ones.map(|(_, frame)| *frame).collect();
                let which = self.dice.index(frames.len());
                return frames.get(which).copied().into_iter().collect();
            }
        };
        let rank = u32::from(self.dice.permille(500));
        let mut frames = vec![];
        for group in 0..self.shape.groups {
            let lease = self.authority(group);
            let epoch = lease.map_or(0, |binding| binding.transitions).unsigned_abs();
            let order = Order {
                epoch: epoch + lead,
                rank,
            };
            let content = |address| Content::Forged { address, order };
            frames.extend(addresses(group, &self.shape).into_iter().map(|address| Frame {
                from,
                to: None,
                content: content(address),
            }));
        }
        frames
    }

    /// A frame says who has an address.
    fn told(&mut self, node: usize, heard: Heard, claim: Option<Order>) {
        let key = (heard.address, heard.nic);
        let now = self.local(node);
        let kernel = &mut self.nodes[node].kernel;
        if !kernel.entries.contains_key(&key) {
            return;
        }
        if self.without == Without::Fence {
            return;
        }
        if self.without == Without::Membership {
            kernel.members.insert(heard.from);
        }
        let wait = self.dice.between(20, 200);
        match (kernel.told(key, heard.from, claim, now), claim) {
            (Judgement::Yielded, Some(order)) => {
                self.tell(|| format!("node-{node}: its kernel yields {} to {order:?}", heard.address));
                self.later(node, wait, ForAgent::Yielded);
            }
            (Judgement::Conflict, _) => self.later(node, wait, ForAgent::Contested(heard)),
            _ => {}
        }
    }
}
