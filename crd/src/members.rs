//! The object in which the operator tells every agent who the members are, in the namespace of the leases.

/// Name of the `ConfigMap`.
pub const NAME: &str = "lightship-members";

/// The key of its data that holds the members, as JSON.
pub const KEY: &str = "members.json";
