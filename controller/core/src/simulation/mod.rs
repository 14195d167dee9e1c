//! Whole clusters in simulated time: nodes with their kernels and agents, segments, the API server, the operator and a
//! client, and faults of every kind in any combination. The same seed gives the same history.
//!
//! `LIGHTSHIP_SIM_SEED` plays the histories from another seed on, `LIGHTSHIP_SIM_HISTORIES` another number of each kind.
//! The kernel, the agent and the writing side of the operator are models; the watch, groups, placement,
//! the succession of primaries and heartbeats are what runs.
//! Not modelled: a ring buffer that overflows, a lease that is deleted by hand, services that
//! share some of their addresses and not others.

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
mod sharing;
mod successions;
mod switched_off;
mod wire;
mod world;
mod writing;

use crate::succession;
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
    /// Who is retired leads until its heir does.
    Regency,
    /// What was found out about a group stays true when its primary is another.
    Inheritance,
    /// A rule of the succession of primaries.
    Succession(succession::broken::Rule),
}

impl Without {
    fn rule(self) -> Option<Rule> {
        match self {
            Self::Rule(rule) => Some(rule),
            _ => None,
        }
    }

    fn of_succession(self) -> Option<succession::broken::Rule> {
        match self {
            Self::Succession(rule) => Some(rule),
            _ => None,
        }
    }
}
