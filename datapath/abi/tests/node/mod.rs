//! A node as the decision sees it: tables with one address of each family.
#![allow(dead_code, reason = "each test binary uses a part")]

use lightship_abi::{
    layout::{ResponderV4Key, ResponderV6Key},
    liveness::Gate,
    mac::MacAddress,
    verdict::{Leave, Tables},
};

pub(crate) const IFINDEX: u32 = 7;
pub(crate) const VIP: [u8; 4] = [10, 0, 10, 0];
pub(crate) const VIP6: [u8; 16] = [0x20, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 0xcd, 0xef];
pub(crate) const OURS: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

pub(crate) struct Node {
    pub(crate) gate: Gate,
    pub(crate) leave: Leave,
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
        (ifindex == IFINDEX).then_some(OURS)
    }

    fn gate(&self) -> Gate {
        self.gate
    }

    fn leave_to_echo(&self) -> Leave {
        self.leave
    }
}

pub(crate) const ALIVE: Node = Node {
    gate: Gate::Open,
    leave: Leave::Granted,
};

pub(crate) const SILENT: Node = Node {
    gate: Gate::Closed,
    leave: Leave::Granted,
};
