//! Pools of addresses: `CiliumLoadBalancerIPPool`.
//!
//! One type serves both API versions, `v2` and the deprecated `v2alpha1`, whose schemas are the same; reading it as `v2`
//! returns objects written in either.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::block::Block;
use crate::reserved::Reserved;
use crate::schema::conditions;
use crate::selector::LabelSelector;

/// Which addresses the pool hands out, and to which services.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "cilium.io",
    version = "v2",
    kind = "CiliumLoadBalancerIPPool",
    plural = "ciliumloadbalancerippools",
    singular = "ciliumloadbalancerippool",
    shortname = "ippools",
    shortname = "ippool",
    shortname = "lbippool",
    shortname = "lbippools",
    category = "cilium",
    status = "PoolStatus",
    derive = "PartialEq",
    doc = "A pool of addresses for services of type LoadBalancer.",
    printcolumn = r#"{"name":"Disabled","type":"boolean","jsonPath":".spec.disabled"}"#,
    printcolumn = r#"{"name":"Conflicting","type":"string","jsonPath":".status.conditions[?(@.type==\"cilium.io/PoolConflict\")].status"}"#,
    printcolumn = r#"{"name":"IPs Available","type":"string","jsonPath":".status.conditions[?(@.type==\"cilium.io/IPsAvailable\")].message"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct PoolSpec {
    /// The addresses, as networks, ranges and single addresses. Blocks are used in the order written, the lowest free
    /// address first. They must not overlap each other or another pool's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub blocks: Vec<Block>,
    /// The name that releases before 1.15 had for blocks; used as if appended to blocks. Write blocks instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub cidrs: Vec<Block>,
    /// Which services get addresses from this pool, by their labels and two more: io.kubernetes.service.namespace and
    /// io.kubernetes.service.name. Absent or empty: all services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_selector: Option<LabelSelector>,
    /// Whether the first and last address of each cidr block are handed out; absent means Yes.
    #[serde(
        default,
        rename = "allowFirstLastIPs",
        skip_serializing_if = "Option::is_none"
    )]
    pub allow_first_last_ips: Option<AllowFirstLastIps>,
    /// While true the pool hands out nothing new; services keep what they have.
    #[serde(default)]
    pub disabled: bool,
    /// Pools with a higher priority are used first; absent means 0. Between equals the older pool is used first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Addresses of this pool that only a service that asks for the very address gets. While free they count as neither
    /// used nor available.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub reserved: Vec<Reserved>,
}

/// Whether the first and last address of each cidr block are handed out, Yes or No; absent means Yes. No spares them for
/// devices that take them for network and broadcast addresses. Blocks of one or two addresses and ranges are never
/// shortened.
// In the schema of an optional field this text stands in place of the field's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AllowFirstLastIps {
    /// They are handed out like the others.
    Yes,
    /// They are kept back.
    No,
}

/// What the operator found out about the pool, and what it gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolStatus {
    /// The state of the pool: `cilium.io/PoolConflict` (it overlaps another and gives nothing new), `cilium.io/IPsTotal`,
    /// `IPsAvailable` and `IPsUsed` (counts, in the message), `lightship.dev/BadBlock` (a block cannot be used).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// The addresses given, in ascending order, at most 512 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), extend("x-kubernetes-list-type" = "atomic"))]
    pub allocations: Vec<Allocation>,
    /// How many more addresses are given than allocations shows; absent means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub allocations_omitted: Option<i64>,
}

/// One given address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Allocation {
    /// The address.
    pub address: String,
    /// The services that have it, each as namespace/name; more than one if they share it.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub services: Vec<String>,
    /// Since when the first of them has had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}
