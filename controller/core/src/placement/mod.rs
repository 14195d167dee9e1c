//! Placement: which node holds the addresses of which services, and for every node not chosen, why.
//!
//! [`Placements`] says what every service's binding should be, for the whole cluster or for what changed; applying the
//! difference to what is bound now is the caller's part. With the same input it always gives the same answer.

mod candidates;
mod choose;
mod demand;
mod eligible;
mod group;
mod moves;
mod outcome;
mod place;
mod rebalance;
mod seat;
mod standby;
mod steady;
#[cfg(test)]
mod tests;

pub use demand::{AddressKinds, Announceable, Announcer, Endpoints, Mismatch, Policy, Unwanted};
pub use eligible::{Node, NodeTrait, Refusal};
pub use outcome::{Caveat, MoveCause, Outcome, Placed};
pub use place::{Cluster, Placements, Rebalancing, Scope, place};
pub use steady::Steadiness;
