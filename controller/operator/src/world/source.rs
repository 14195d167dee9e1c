//! What has to be known before anything is decided.

/// A watch that has to have listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Services,
    Pools,
    Policies,
    Gateways,
    Nodes,
    Bindings,
    Heartbeats,
    Members,
    Endpoints,
    /// Whose definition of pools it is: what pools say under another's cannot be believed.
    PoolDefinition,
    PolicyDefinition,
}

impl Source {
    pub(super) const ALL: [Self; 11] = [
        Self::Services,
        Self::Pools,
        Self::Policies,
        Self::Gateways,
        Self::Nodes,
        Self::Bindings,
        Self::Heartbeats,
        Self::Members,
        Self::Endpoints,
        Self::PoolDefinition,
        Self::PolicyDefinition,
    ];
}
