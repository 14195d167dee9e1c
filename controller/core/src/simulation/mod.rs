//! Whole clusters in simulated time: nodes with their kernels and agents, segments, the API server, the operator and a
//! client, and faults of every kind in any combination. The same seed gives the same history.
//!
//! `LIGHTSHIP_SIM_SEED` plays the histories from another seed on, `LIGHTSHIP_SIM_HISTORIES` another number of each kind.
//! The kernel, the agent and the writing side of the operator are models; the watch, placement and heartbeats are what runs.
//! Not modelled: retiring a primary, services that come and go, a ring buffer that overflows.

mod agent;
mod api;
mod busy;
mod calls;
mod client;
mod clock;
mod dice;
mod entries;
mod event;
mod faults;
mod histories;
mod judge;
mod kernel;
mod lan;
mod node;
mod operator;
mod plan;
mod scenarios;
mod serving;
mod switched_off;
mod wire;
mod world;

use crate::watch::broken::Rule;

/// Microseconds of simulated time.
type Micros = u64;
const MS: Micros = 1000;
const SECOND: Micros = 1000 * MS;

/// What is switched off, to show that the simulation misses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Without {
    #[default]
    Nothing,
    /// Kernels do not yield.
    Fence,
    /// Kernels believe strangers.
    Membership,
    /// The API server does not compare versions.
    CompareAndSwap,
    /// The gate closes later than a heartbeat expires.
    LateGate,
    /// A rule of the watch.
    Rule(Rule),
}

impl Without {
    fn rule(self) -> Option<Rule> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::Nothing | Self::Fence | Self::Membership | Self::CompareAndSwap | Self::LateGate => None,
        }
    }
}
