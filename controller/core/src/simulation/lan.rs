//! Segments, who is on them, and who hears whom.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lightship_abi::order::Order;

use super::Micros;
use super::dice::Dice;
use crate::inventory::Mac;

/// A station's place on a segment: the nodes in order, then the gateway, then the client.
pub(super) type Place = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Who has it?
    Ask { address: IpAddr },
    /// The sender has it.
    Reply { address: IpAddr },
    /// The sender has it from now on, by this order.
    Claim { address: IpAddr, order: Order },
    /// The same, but nobody has it by that order.
    Forged { address: IpAddr, order: Order },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) from: Mac,
    /// Everybody when `None`.
    pub(super) to: Option<Mac>,
    pub(super) content: Content,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    /// How many faults keep what the first sends from the second.
    cuts: BTreeMap<(Place, Place), u32>,
    /// How many faults keep a station off the segment.
    dead: BTreeMap<Place, u32>,
    /// Frames lost, and frames that come twice, in a thousand.
    pub(super) loss: u64,
    pub(super) twice: u64,
    latency: (Micros, Micros),
}

impl Segment {
    pub(super) fn new(latency: (Micros, Micros)) -> Self {
        Self {
            latency,
            ..Self::default()
        }
    }

    pub(super) fn cut(&mut self, from: Place, to: Place) {
        *self.cuts.entry((from, to)).or_default() += 1;
    }

    pub(super) fn mend(&mut self, from: Place, to: Place) {
        if let Some(count) = self.cuts.get_mut(&(from, to)) {
            *count -= 1;
        }
    }

    pub(super) fn kill(&mut self, place: Place) {
        *self.dead.entry(place).or_default() += 1;
    }

    pub(super) fn revive(&mut self, place: Place) {
        if let Some(count) = self.dead.get_mut(&place) {
            *count -= 1;
        }
    }

    pub(super) fn is_dead(&self, place: Place) -> bool {
        self.dead.get(&place).is_some_and(|count| *count > 0)
    }

    /// Whether what one station sends gets to another, luck aside.
    pub(super) fn reaches(&self, from: Place, to: Place) -> bool {
        let is_cut = self.cuts.get(&(from, to)).is_some_and(|count| *count > 0);
        !is_cut && !self.is_dead(from) && !self.is_dead(to)
    }

    /// When a frame sent now arrives: never, once or twice.
    pub(super) fn arrivals(&self, dice: &mut Dice) -> Vec<Micros> {
        let (least, most) = self.latency;
        let lost = dice.permille(self.loss);
        let count = if lost {
            0
        } else {
            1 + u64::from(dice.permille(self.twice))
        };
        (0..count).map(|_| dice.between(least, most)).collect()
    }
}
