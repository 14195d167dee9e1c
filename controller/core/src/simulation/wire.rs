//! Frames: how they get to whom, and what a kernel or the gateway does about them.

use lightship_abi::order::Order;

use super::event::{Event, ForAgent};
use super::kernel::Judgement;
use super::lan::{Content, Frame, Place};
use super::node::{index, mac, own_address, segment};
use super::world::World;
use super::{Micros, Without};
use crate::watch::{Heard, NicIndex};

impl World {
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

    pub(super) fn receive(&mut self, node: usize, nic: NicIndex, frame: Frame) {
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
    fn told(&mut self, node: usize, heard: Heard, claim: Option<Order>) {
        let key = (heard.address, heard.nic);
        let now = self.local(node);
        let kernel = &mut self.nodes[node].kernel;
        let Some(entry) = kernel.entries.get(&key).copied() else {
            return;
        };
        if let Some(claim) = claim {
            self.judge.delivered(node, key, claim, entry.order);
        }
        if self.without == Without::Fence {
            return;
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
