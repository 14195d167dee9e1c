//! Annotations that people write on services, and those that Lightship writes on its leases.
//!
//! The service annotations are Cilium's, in both spellings; [`ServiceAnnotation::value`] is the one place that knows
//! how the two relate. Everything else has one spelling and is a plain constant.

use std::collections::BTreeMap;

/// An annotation of a service, with the spelling that older guides use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceAnnotation {
    /// The current spelling, the one to name in messages.
    pub name: &'static str,
    /// The older spelling, still understood.
    pub alias: Option<&'static str>,
}

/// Addresses the service asks for: a comma-separated list.
pub const IPS: ServiceAnnotation = ServiceAnnotation {
    name: "lbipam.cilium.io/ips",
    alias: Some("io.cilium/lb-ipam-ips"),
};

/// Services with the same non-empty key may share an address.
pub const SHARING_KEY: ServiceAnnotation = ServiceAnnotation {
    name: "lbipam.cilium.io/sharing-key",
    alias: Some("io.cilium/lb-ipam-sharing-key"),
};

/// Other namespaces the service shares with: a comma-separated list, or `*`.
pub const SHARING_CROSS_NAMESPACE: ServiceAnnotation = ServiceAnnotation {
    name: "lbipam.cilium.io/sharing-cross-namespace",
    alias: Some("io.cilium/lb-ipam-sharing-cross-namespace"),
};

/// Whether services with `externalTrafficPolicy: Local` and different pods may share: a boolean as Go writes it.
pub const SHARING_PERMIT_DIFFERENT_PODS: ServiceAnnotation = ServiceAnnotation {
    name: "lbipam.cilium.io/sharing-permit-different-pods",
    alias: Some("io.cilium/lb-ipam-sharing-permit-different-pods"),
};

/// The name of the only pool a service takes its addresses from.
pub const POOL: ServiceAnnotation = ServiceAnnotation {
    name: "lightship.dev/pool",
    alias: None,
};

/// On a node: it is drained; none of its addresses stay while another node can hold them. Any value counts, `false` excepted.
pub const DRAIN: &str = "lightship.dev/drain";

/// On a service lease: who the binding is for, `namespace/name`. The lease's own name cannot be taken apart.
pub const SERVICE: &str = "lightship.dev/service";

/// On a service lease: what the holder and its standbys have to do, as JSON.
pub const WORK_ORDER: &str = "lightship.dev/work-order";

/// On a service lease: the span that wrote it, as a W3C `traceparent`; only where traces are collected.
pub const TRACE_PARENT: &str = "lightship.dev/traceparent";

/// On a heartbeat lease: the node's interfaces and findings, as JSON.
pub const INVENTORY: &str = "lightship.dev/inventory";

/// On a heartbeat lease: the version of the agent that renews it.
pub const AGENT_VERSION: &str = "lightship.dev/agent-version";

impl ServiceAnnotation {
    /// The trimmed value, the current spelling before the alias.
    ///
    /// An empty value counts as absent, so an empty current spelling does not hide a filled alias.
    #[must_use]
    pub fn value<'a>(&self, annotations: &'a BTreeMap<String, String>) -> Option<&'a str> {
        [Some(self.name), self.alias]
            .into_iter()
            .flatten()
            .filter_map(|key| annotations.get(key))
            .map(|value| value.trim())
            .find(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn current_spelling_wins() {
        let both = annotations(&[
            ("lbipam.cilium.io/ips", " 10.0.0.1 "),
            ("io.cilium/lb-ipam-ips", "10.0.0.2"),
        ]);
        assert_eq!(IPS.value(&both), Some("10.0.0.1"));
    }

    #[test]
    fn empty_value_counts_as_absent() {
        let hidden = annotations(&[
            ("lbipam.cilium.io/ips", " "),
            ("io.cilium/lb-ipam-ips", "10.0.0.2"),
        ]);
        assert_eq!(IPS.value(&hidden), Some("10.0.0.2"));
        assert_eq!(POOL.value(&annotations(&[("lightship.dev/pool", "")])), None);
    }
}
