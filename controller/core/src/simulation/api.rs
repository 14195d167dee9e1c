//! The API server: leases under compare-and-swap, heartbeats, the members; requests that come late, answers that get lost,
//! watches that tell with a delay.

use std::collections::BTreeMap;

use super::Micros;
use crate::binding::Binding;
use crate::inventory::Inventory;
use crate::members::Members;
use crate::names::{NodeName, ServiceId};

/// How long after a write came in the server may still carry it out.
pub(super) const WRITE_LIMIT: Micros = 3 * super::SECOND;

/// Who asks: a run of an agent, or of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    Agent { node: usize, run: u32 },
    Operator { run: u32 },
}

#[derive(Clone, Debug)]
pub(super) enum What {
    List,
    Get(ServiceId),
    /// Replaces the lease of this version; creates it when that is 0.
    Put {
        primary: ServiceId,
        binding: Box<Binding>,
        version: u64,
    },
    Beat {
        node: NodeName,
        renewal: String,
        inventory: Inventory,
    },
    Members(Members),
}

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) caller: Caller,
    pub(super) id: u64,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) leases: BTreeMap<ServiceId, (u64, Binding)>,
    pub(super) beats: BTreeMap<NodeName, (String, Inventory)>,
    pub(super) members: Members,
}

#[derive(Clone, Debug)]
pub(super) enum Answer {
    State(Box<State>),
    Lease(Option<(u64, Box<Binding>)>),
    /// The lease as written.
    Written(u64, Box<Binding>),
    Conflict,
    Done,
}

#[derive(Clone, Debug)]
pub(super) enum News {
    Lease(ServiceId, u64, Box<Binding>),
    Members(Members),
    Beat(NodeName, String, Inventory),
}

/// A watch: of each agent, then the operator's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stream {
    pub(super) is_open: bool,
    /// When the last news arrives: later ones do not overtake it.
    pub(super) last: Micros,
}

#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) state: State,
    version: u64,
    pub(super) streams: Vec<Stream>,
    pub(super) down: u32,
    pub(super) frozen: u32,
    pub(super) lossy: u32,
    /// Came in while frozen.
    pub(super) held: Vec<(Micros, Request)>,
    /// Whether versions are compared.
    pub(super) compares: bool,
}

impl Api {
    pub(super) fn new(watchers: usize, compares: bool) -> Self {
        Self {
            state: State {
                leases: BTreeMap::new(),
                beats: BTreeMap::new(),
                members: Members::default(),
            },
            version: 0,
            streams: vec![Stream::default(); watchers],
            down: 0,
            frozen: 0,
            lossy: 0,
            held: vec![],
            compares,
        }
    }

    /// Carries a request out.
    pub(super) fn carry_out(&mut self, what: What) -> (Answer, Option<News>) {
        match what {
            What::List => (Answer::State(Box::new(self.state.clone())), None),
            What::Get(primary) => {
                let lease = self.state.leases.get(&primary).cloned();
                (
                    Answer::Lease(lease.map(|(version, binding)| (version, Box::new(binding)))),
                    None,
                )
            }
            What::Put {
                primary,
                binding,
                version,
            } => {
                let present = self.state.leases.get(&primary).map_or(0, |(version, _)| *version);
                if self.compares && present != version {
                    return (Answer::Conflict, None);
                }
                self.version += 1;
                self.state
                    .leases
                    .insert(primary.clone(), (self.version, (*binding).clone()));
                let answer = Answer::Written(self.version, binding.clone());
                (answer, Some(News::Lease(primary, self.version, binding)))
            }
            What::Beat {
                node,
                renewal,
                inventory,
            } => {
                self.state
                    .beats
                    .insert(node.clone(), (renewal.clone(), inventory.clone()));
                (Answer::Done, Some(News::Beat(node, renewal, inventory)))
            }
            What::Members(members) => {
                self.state.members = members.clone();
                (Answer::Done, Some(News::Members(members)))
            }
        }
    }
}
