//! Journeys: what users do, step by step. Scenario tests walk them in silence, the demo aloud.

pub mod failover;
pub mod j0;
pub mod j4;
pub mod observed;
pub mod walk;

pub use walk::Walk;
