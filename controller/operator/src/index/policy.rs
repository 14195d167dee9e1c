//! Policies.

use lightship_core::interfaces::{InterfaceExpressionError, InterfaceSelector};
use lightship_core::placement::{AddressKinds, Policy};
use lightship_core::selector::SelectorError;
use lightship_crd::CiliumL2AnnouncementPolicy;

/// A policy, each part read or the reason it cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The node selector.
    pub(crate) nodes: Result<(), SelectorError>,
    /// The interface expressions.
    pub(crate) interfaces: Result<(), InterfaceExpressionError>,
    /// The service selector.
    pub(crate) services: Result<(), SelectorError>,
    /// Which addresses it asks for.
    pub(crate) kinds: AddressKinds,
    /// The policy, when every part could be read.
    pub(crate) policy: Option<Policy>,
}

/// Reads a policy.
pub(crate) fn policy(policy: &CiliumL2AnnouncementPolicy) -> Reading {
    let spec = &policy.spec;
    let nodes = super::selector(spec.node_selector.as_ref());
    let services = super::selector(spec.service_selector.as_ref());
    let interfaces = InterfaceSelector::compile(&spec.interfaces);
    let kinds = AddressKinds::from_flags(spec.load_balancer_ips, spec.external_ips);
    let policy = match (&nodes, &services, &interfaces) {
        (Ok(nodes), Ok(services), Ok(interfaces)) => Some(Policy {
            nodes: nodes.clone(),
            services: services.clone(),
            interfaces: interfaces.clone(),
            kinds,
        }),
        _ => None,
    };
    Reading {
        nodes: nodes.map(drop),
        interfaces: interfaces.map(drop),
        services: services.map(drop),
        kinds,
        policy,
    }
}
