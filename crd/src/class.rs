//! Load balancer classes (`spec.loadBalancerClass` of a service).

/// The class whose addresses are handed out and announced here, like those of services without a class.
pub const L2_ANNOUNCER: &str = "io.cilium/l2-announcer";
