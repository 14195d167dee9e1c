//! What happens at a moment.

use lightship_abi::order::Order;

use super::api::{Answer, News, Request};
use super::kernel::Key;
use super::lan::Frame;
use crate::watch::{Action, Heard, NicIndex};

#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A frame is at a node's interface.
    Frame {
        node: usize,
        nic: NicIndex,
        frame: Frame,
    },
    /// Something for a run of an agent.
    Agent {
        node: usize,
        run: u32,
        what: ForAgent,
    },
    /// Something for a run of the operator.
    Operator {
        run: u32,
        what: ForOperator,
    },
    /// A request is at the API server.
    Request(Request),
    Fault(usize),
    Heal(usize),
    /// A fault's next forged claims.
    Forge(usize),
    /// A node's agent has a processor again.
    Run(usize),
    /// The client asks for every address.
    Sample,
}

#[derive(Clone, Debug)]
pub(super) enum ForAgent {
    Heard(Heard),
    /// The kernel says that it yielded to a claim.
    Yielded,
    Contested(Heard),
    Tick,
    /// What a tick decided leaves.
    Decided(Vec<Action>),
    /// The kernel may be looked at again.
    Step,
    /// The next announcement of an entry.
    Announce {
        key: Key,
        order: Order,
        step: usize,
    },
    /// The kernel is shown that an agent lives.
    Beat,
    /// The heartbeat is due.
    Renew,
    Answer(u64, Answer),
    Deadline(u64),
    News(News),
    /// Interfaces changed.
    Nics,
    /// The watch broke.
    Broken,
    /// Is everything listed?
    Reconnect,
}

#[derive(Clone, Debug)]
pub(super) enum ForOperator {
    Answer(u64, Answer),
    Deadline(u64),
    News(News),
    Broken,
    Think,
}
