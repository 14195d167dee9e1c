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
        service: ServiceId,
        binding: Box<Binding>,
        version: u64,
    },
    /// Deletes the lease of this version.
    Delete {
        service: ServiceId,
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
    /// That of the last write of a lease.
    pub(super) version: u64,
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
    /// The lease is gone since this version.
    Deleted(u64),
    Conflict,
    Done,
}

#[derive(Clone, Debug)]
pub(super) enum News {
    Lease(ServiceId, u64, Box<Binding>),
    Deleted(ServiceId, u64),
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
                version: 0,
                leases: BTreeMap::new(),
                beats: BTreeMap::new(),
                members: Members::default(),
            },
            streams: vec![Stream::default(); watchers],
            down: 0,
            frozen: 0,
            lossy: 0,
            held: vec![],
            compares,
        }
    }

    fn present(&self, service: &ServiceId) -> u64 {
        self.state.leases.get(service).map_or(0, |(version, _)| *version)
    }

    /// Carries a request out.
    pub(super) fn carry_out(&mut self, what: What) -> (Answer, Option<News>) {
        match what {
            What::List => (Answer::State(Box::new(self.state.clone())), None),
            What::Get(service) => {
                let lease = self.state.leases.get(&service).cloned();
                (
                    Answer::Lease(lease.map(|(version, binding)| (version, Box::new(binding)))),
                    None,
                )
            }
            What::Put {
                service,
                binding,
                version,
            } => {
                if self.compares && self.present(&service) != version {
                    return (Answer::Conflict, None);
                }
                let state = &mut self.state;
                state.version += 1;
                let written = (state.version, (*binding).clone());
                state.leases.insert(service.clone(), written);
                let answer = Answer::Written(state.version, binding.clone());
                (answer, Some(News::Lease(service, state.version, binding)))
            }
            What::Delete { service, version } => {
                if self.compares && self.present(&service) != version {
                    return (Answer::Conflict, None);
                }
                self.state.version += 1;
                self.state.leases.remove(&service);
                let version = self.state.version;
                (Answer::Deleted(version), Some(News::Deleted(service, version)))
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
