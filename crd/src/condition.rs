//! Types and reasons of the conditions on pools, services and policies.
//!
//! Those starting with `cilium.io/` or `io.cilium/` are Cilium's contract: dashboards and `kubectl wait` read them.

/// Conditions of a pool.
pub mod pool {
    /// `True` while the pool overlaps another (or itself) and gives no new addresses.
    pub const CONFLICT: &str = "cilium.io/PoolConflict";
    /// Message: how many addresses the pool has, in decimal.
    pub const IPS_TOTAL: &str = "cilium.io/IPsTotal";
    /// Message: how many addresses are free, in decimal.
    pub const IPS_AVAILABLE: &str = "cilium.io/IPsAvailable";
    /// Message: how many addresses are given, in decimal.
    pub const IPS_USED: &str = "cilium.io/IPsUsed";
    /// `True` while a block, an old-style CIDR or a reserved entry cannot be used; the others stay in force.
    pub const BAD_BLOCK: &str = "lightship.dev/BadBlock";

    /// Reason of [`CONFLICT`] while it is `True`.
    pub const REASON_CIDR_OVERLAP: &str = "cidr_overlap";
    /// Reason of [`CONFLICT`] and [`BAD_BLOCK`] while they are `False`.
    pub const REASON_RESOLVED: &str = "resolved";
    /// Reason of the three counts, whose status is always `Unknown`.
    pub const REASON_COUNT: &str = "noreason";
    /// Reason of [`BAD_BLOCK`] while it is `True`.
    pub const REASON_BAD_BLOCK: &str = "bad_block";
}

/// Conditions of a service.
pub mod service {
    /// `True` when everything the service asked for is assigned.
    pub const REQUEST_SATISFIED: &str = "cilium.io/IPAMRequestSatisfied";

    /// Everything asked is assigned.
    pub const REASON_SATISFIED: &str = "satisfied";
    /// Somebody else assigned all that the service has, a pool contains it, and it is kept.
    pub const REASON_KEPT: &str = "kept";
    /// No enabled pool selects the service, or none contains the requested address.
    pub const REASON_NO_POOL: &str = "no_pool";
    /// Every pool that selects the service is full.
    pub const REASON_OUT_OF_IPS: &str = "out_of_ips";
    /// The requested address lies in a pool whose selector does not match the service.
    pub const REASON_POOL_SELECTOR_MISMATCH: &str = "pool_selector_mismatch";
    /// The requested address is another's, or the first or last of a block that keeps these.
    pub const REASON_ALREADY_ALLOCATED: &str = "already_allocated";
    /// The requested address is another's, with which the service cannot share it.
    pub const REASON_ALREADY_ALLOCATED_INCOMPATIBLE: &str = "already_allocated_incompatible_service";
    /// An item of the requested addresses is no address.
    pub const REASON_BAD_REQUEST: &str = "bad_request";
    /// Nothing is given at the moment: the definition of pools is not ours.
    pub const REASON_DEFINITION_REPLACED: &str = "definition_replaced";

    /// `True` while a pool serves the service, but somebody else put addresses or names into its status that are not
    /// the pool's: they are left. Written only once there were such.
    pub const FOREIGN_ADDRESS: &str = "lightship.dev/ForeignAddress";
    /// Reason of [`FOREIGN_ADDRESS`] while it is `True`.
    pub const REASON_FOREIGN: &str = "left_alone";
    /// Reason of [`FOREIGN_ADDRESS`] while it is `False`.
    pub const REASON_RESOLVED: &str = "resolved";

    /// `False` while an address of the service is announced nowhere; the message says what is missing. Written only
    /// once something was missing.
    pub const ANNOUNCED: &str = "lightship.dev/Announced";
    /// A node answers for the service's addresses.
    pub const REASON_ANNOUNCED: &str = "announced";
    /// A node answers for want of a better one; the message says what is wrong with it.
    pub const REASON_LAST_RESORT: &str = "last_resort";
    /// The lease that would bind the service is somebody else's.
    pub const REASON_FOREIGN_LEASE: &str = "foreign_lease";
    /// No policy selects the service.
    pub const REASON_NO_POLICY: &str = "no_policy";
    /// Policies select the service, but no node can announce it.
    pub const REASON_NO_NODE: &str = "no_node";
}

/// Conditions of a policy.
pub mod policy {
    /// `True` while the node selector cannot be evaluated.
    pub const BAD_NODE_SELECTOR: &str = "io.cilium/bad-node-selector";
    /// `True` while an interface expression does not compile.
    pub const BAD_INTERFACE_REGEX: &str = "io.cilium/bad-interface-regex";
    /// `True` while the service selector cannot be evaluated.
    pub const BAD_SERVICE_SELECTOR: &str = "io.cilium/bad-service-selector";
    /// Reason of the three, whatever their status.
    pub const REASON_ERROR: &str = "error";

    /// `True` while at least one address is announced because of this policy; the message counts them. `False`: the
    /// message says what is missing.
    pub const ANNOUNCING: &str = "lightship.dev/Announcing";
    /// Reason of [`ANNOUNCING`] while it is `True`.
    pub const REASON_ANNOUNCED: &str = "announced";
    /// The policy itself is broken: see the `io.cilium/bad-*` conditions.
    pub const REASON_BAD_POLICY: &str = "bad_policy";
    /// Neither `loadBalancerIPs` nor `externalIPs` is true, so the policy asks for nothing.
    pub const REASON_NOTHING_ASKED: &str = "nothing_asked";
    /// No service with an address of the kinds asked for matches.
    pub const REASON_NO_SERVICE: &str = "no_service";
    /// No node matches.
    pub const REASON_NO_NODE: &str = "no_node";
    /// Nodes match, but none has an interface that does and is up.
    pub const REASON_NO_INTERFACE: &str = "no_interface";
    /// The services are for nodes with a ready endpoint of theirs only, and no node that matches has one.
    pub const REASON_NO_ENDPOINT: &str = "no_endpoint";
    /// Nodes match, but no agent runs on any of them.
    pub const REASON_NO_AGENT: &str = "no_agent";
}
