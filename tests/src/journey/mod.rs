//! Journeys: what users do, step by step. Scenario tests walk them in silence, the demo aloud.

pub mod catalogue;
pub mod failover;
pub mod j0;
pub mod j0_way;
pub mod j1;
pub mod j1_segments;
pub mod j2;
pub mod j3;
pub mod j4;
pub mod j4_lease;
pub mod observed;
pub mod results;
pub mod typed;
pub mod walk;

pub use walk::Walk;
