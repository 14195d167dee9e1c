//! Lightship's Kubernetes kinds and every constant of their contract.
//!
//! The kinds are Cilium's (group `cilium.io`), so manifests and guides written for Cilium apply unchanged; what
//! Lightship adds is optional. The types here are the only source of the definitions under `manifests/crds`, and every
//! name that other programs read or write (annotation, label, condition, lease) is spelled in exactly one file.
//! Nothing here decides anything, and nothing talks to a cluster.

pub mod annotation;
pub mod block;
pub mod cidr;
pub mod class;
pub mod condition;
pub mod definition;
pub mod event;
pub mod field_owner;
pub mod gateway;
pub mod label;
pub mod lease;
pub mod members;
pub mod policy;
pub mod pool;
pub mod reserved;
mod schema;
pub mod selector;
pub mod standing;
pub mod yaml;

pub use block::Block;
pub use cidr::Cidr;
pub use definition::crds;
pub use policy::{CiliumL2AnnouncementPolicy, Holder, PolicySpec, PolicyStatus};
pub use pool::{Allocation, AllowFirstLastIps, CiliumLoadBalancerIPPool, PoolSpec, PoolStatus};
pub use reserved::Reserved;
pub use selector::{LabelSelector, Operator, Requirement};
pub use standing::Standing;
