//! Names of the leases, and the namespace they live in by default.
//!
//! Names are subdomains, so at most 253 characters. The name of a service lease is Cilium's and cannot be taken apart
//! again (`a-b`/`c` and `a`/`b-c` give the same one): read the service from the lease's annotation.

/// The namespace of every lease unless the operator and the agents are told otherwise.
pub const DEFAULT_NAMESPACE: &str = "kube-system";

/// The lease the operator's replicas elect their leader with.
pub const OPERATOR: &str = "lightship-operator";

/// What the names of all service leases start with.
pub const SERVICE_PREFIX: &str = "cilium-l2announce";

/// What the names of all heartbeat leases start with.
pub const HEARTBEAT_PREFIX: &str = "lightship-agent";

/// The longest name the API server accepts, in bytes.
const LONGEST: usize = 253;

/// The lease that binds a service to a node.
#[must_use]
pub fn service(namespace: &str, name: &str) -> String {
    format!("{SERVICE_PREFIX}-{namespace}-{name}")
}

/// The lease of a service whose plain name another service already uses: the same for the same service every time.
#[must_use]
pub fn service_distinct(namespace: &str, name: &str) -> String {
    let key = format!("{namespace}/{name}");
    format!("{}-{:08x}", service(namespace, name), fingerprint(&key))
}

/// The lease an agent renews to say that it lives.
///
/// A node's name may be as long as a lease's; one that no longer fits is cut and told apart by a fingerprint.
#[must_use]
pub fn heartbeat(node: &str) -> String {
    let plain = format!("{HEARTBEAT_PREFIX}-{node}");
    if plain.len() <= LONGEST {
        return plain;
    }
    let suffix = format!("-{:08x}", fingerprint(node));
    let kept: String = plain.chars().take(LONGEST - suffix.len()).collect();
    format!("{}{suffix}", kept.trim_end_matches(['-', '.']))
}

/// 32-bit FNV-1a. Part of names that outlive the process, so it must never change (the standard library's may).
fn fingerprint(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_lease_has_ciliums_name() {
        assert_eq!(service("default", "web"), "cilium-l2announce-default-web");
    }

    #[test]
    fn colliding_services_get_distinct_leases() {
        assert_eq!(service("a-b", "c"), service("a", "b-c"));
        assert_ne!(service_distinct("a-b", "c"), service_distinct("a", "b-c"));
        assert_eq!(service_distinct("a", "b-c"), "cilium-l2announce-a-b-c-3f7971a5");
    }

    #[test]
    fn heartbeat_of_the_longest_node_name_fits() {
        let (one, other) = (format!("{}a", "n".repeat(252)), format!("{}b", "n".repeat(252)));
        assert_eq!(heartbeat("node-1"), "lightship-agent-node-1");
        assert_eq!(heartbeat(&one).len(), LONGEST);
        assert_ne!(heartbeat(&one), heartbeat(&other));
    }
}
