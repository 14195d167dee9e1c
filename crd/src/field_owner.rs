//! Field managers: who wrote a field, as the API server records it in `metadata.managedFields`.
//!
//! An ingress address may be taken away only if one of [`OPERATOR`] and [`CILIUM_OPERATOR`] gave it.

/// Everything the operator writes.
pub const OPERATOR: &str = "lightship-operator";

/// Everything an agent writes.
pub const AGENT: &str = "lightship-agent";

/// Cilium's LB-IPAM, whose addresses are inherited when Lightship takes its place.
pub const CILIUM_OPERATOR: &str = "cilium-operator-lb-ipam";
