//! A node as the decision sees it: tables with one address of each family, held by a binding of [`ORDER`].
#![allow(dead_code, reason = "each test binary uses a part")]

use lightship_abi::{
    fence::{HoldValue, Tombstone},
    layout::{ResponderV4Key, ResponderV6Key},
    liveness::Gate,
    mac::MacAddress,
    order::Order,
    verdict::{Leave, Station, Tables},
};

pub(crate) const IFINDEX: u32 = 7;
pub(crate) const VIP: [u8; 4] = [10, 0, 10, 0];
pub(crate) const VIP6: [u8; 16] = [0x20, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 0xcd, 0xef];
pub(crate) const OURS: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

/// Another member's station, and another interface of this node.
pub(crate) const MEMBER: MacAddress = MacAddress([2, 0, 0, 0, 0, 3]);
pub(crate) const SIBLING: MacAddress = MacAddress([2, 0, 0, 0, 0, 4]);
pub(crate) const NOW: u64 = 1_000_000;
pub(crate) const ORDER: Order = Order { epoch: 5, rank: 1 };

#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) gate: Gate,
    pub(crate) leave: Leave,
    pub(crate) hold: HoldValue,
    pub(crate) tombstone: Tombstone,
    pub(crate) mac: Option<MacAddress>,
}

impl Tables for Node {
    type Entry = ();

    fn entry_v4(&self, key: &ResponderV4Key) -> Option<()> {
        (*key == ResponderV4Key::new(VIP, IFINDEX)).then_some(())
    }

    fn entry_v6(&self, key: &ResponderV6Key) -> Option<()> {
        (*key == ResponderV6Key::new(VIP6, IFINDEX)).then_some(())
    }

    fn interface(&self, ifindex: u32) -> Option<MacAddress> {
        self.mac.filter(|_| ifindex == IFINDEX)
    }

    fn gate(&self) -> Gate {
        self.gate
    }

    fn hold_v4(&self, key: &ResponderV4Key) -> HoldValue {
        self.entry_v4(key).map_or(HoldValue::UNKNOWN, |()| self.hold)
    }

    fn hold_v6(&self, key: &ResponderV6Key) -> HoldValue {
        self.entry_v6(key).map_or(HoldValue::UNKNOWN, |()| self.hold)
    }

    fn tombstone_v4(&self, key: &ResponderV4Key) -> Tombstone {
        self.entry_v4(key).map_or(Tombstone::NONE, |()| self.tombstone)
    }

    fn tombstone_v6(&self, key: &ResponderV6Key) -> Tombstone {
        self.entry_v6(key).map_or(Tombstone::NONE, |()| self.tombstone)
    }

    fn station(&self, mac: MacAddress) -> Station {
        match mac {
            MEMBER => Station::Member,
            SIBLING => Station::Own,
            _ => Station::Stranger,
        }
    }

    fn now_ns(&self) -> u64 {
        NOW
    }

    fn leave_to_echo(&self) -> Leave {
        self.leave
    }
}

pub(crate) const ALIVE: Node = Node {
    gate: Gate::Open,
    leave: Leave::Granted,
    hold: HoldValue {
        order: ORDER,
        confirmed_ns: 0,
    },
    tombstone: Tombstone::NONE,
    mac: Some(OURS),
};

/// It yielded to a claim that its binding does not beat.
pub(crate) const FENCED: Node = Node {
    tombstone: Tombstone {
        order: Order { epoch: 6, rank: 0 },
        time_ns: NOW,
        mac: MEMBER,
        pad: [0; 2],
    },
    ..ALIVE
};

pub(crate) const SILENT: Node = Node {
    gate: Gate::Closed,
    ..ALIVE
};
