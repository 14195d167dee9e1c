//! Policies: which nodes announce the addresses of which services, and on which interfaces
//! (`CiliumL2AnnouncementPolicy`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::conditions;
use crate::selector::LabelSelector;

/// Which addresses are announced on the local network, where, and for which services. Policies add up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "cilium.io",
    version = "v2alpha1",
    kind = "CiliumL2AnnouncementPolicy",
    plural = "ciliuml2announcementpolicies",
    singular = "ciliuml2announcementpolicy",
    shortname = "l2announcement",
    category = "cilium",
    status = "PolicyStatus",
    derive = "PartialEq",
    doc = "Which nodes announce which addresses on the local network (ARP and NDP), and on which interfaces.",
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct PolicySpec {
    /// Which nodes may announce, by their labels. Absent or empty: all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<LabelSelector>,
    /// For which services, by their labels and two more: io.kubernetes.service.namespace and
    /// io.kubernetes.service.name. Absent or empty: all services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_selector: Option<LabelSelector>,
    /// Whether the addresses in the services' status.loadBalancer.ingress are announced; absent means false. A policy
    /// with neither this nor externalIPs announces nothing.
    #[serde(default, rename = "loadBalancerIPs", skip_serializing_if = "Option::is_none")]
    pub load_balancer_ips: Option<bool>,
    /// Whether the addresses in the services' spec.externalIPs are announced; absent means false.
    #[serde(default, rename = "externalIPs", skip_serializing_if = "Option::is_none")]
    pub external_ips: Option<bool>,
    /// Regular expressions for the interfaces to announce on, such as ^eth[0-9]+. One that is found anywhere in the
    /// name matches, so anchor it. Absent or empty: every suitable interface.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<String>,
}

/// What is announced because of the policy, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// The state of the policy: lightship.dev/Announcing (whether anything is announced, and if not why), and, once
    /// they have been True, io.cilium/bad-node-selector, bad-interface-regex and bad-service-selector.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// Which node answers for which service, sorted by service, at most 512 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), extend("x-kubernetes-list-type" = "atomic"))]
    pub holders: Vec<Holder>,
    /// How many more services have a holder than holders shows; absent means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub holders_omitted: Option<i64>,
}

/// The node that answers for a service's addresses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The service, as namespace/name.
    pub service: String,
    /// The addresses the node answers for.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub addresses: Vec<String>,
    /// The node.
    pub node: String,
    /// The node's interfaces it answers on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub interfaces: Vec<String>,
    /// Since when this node has held them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}
