//! Whole clusters in simulated time: nodes with their kernels and agents, segments, the API server, the operator and a
//! client, and faults of every kind in any combination. The same seed gives the same history.
//!
//! `LIGHTSHIP_SIM_SEED` plays the histories from another seed on, `LIGHTSHIP_SIM_HISTORIES` another number of each kind.
//! The kernel, the agent and the writing side of the operator are models; the watch, placement and heartbeats are what runs.
//! Not modelled: retiring a primary, services that come and go, IPv6, forged claims, a ring buffer that overflows.

mod agent;
mod api;
mod clock;
mod dice;
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
mod switched_off;
mod world;

/// Microseconds of simulated time.
type Micros = u64;
const MS: Micros = 1000;
const SECOND: Micros = 1000 * MS;

/// Mechanisms that can be switched off, to show that the simulation misses them.
#[derive(Clone, Copy, Debug, Default)]
struct Switches {
    /// Kernels do not yield.
    no_fence: bool,
    /// Standbys claim without a witness.
    no_witness: bool,
    /// The API server does not compare versions.
    no_compare: bool,
}
