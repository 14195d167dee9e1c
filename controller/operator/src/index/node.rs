//! Nodes.

use k8s_openapi::api::core::v1::Node;
use lightship_core::placement::{Node as Facts, NodeTrait};
use lightship_crd::label;

/// A node as placement sees it.
pub(crate) fn node(node: &Node) -> Facts {
    let labels = node.metadata.labels.clone().unwrap_or_default();
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|one| one.type_ == "Ready" && one.status == "True");
    let cordoned = node
        .spec
        .as_ref()
        .and_then(|spec| spec.unschedulable)
        .unwrap_or_default();
    let objections = [
        (!ready, NodeTrait::NotReady),
        (cordoned, NodeTrait::Unschedulable),
        (
            labels.contains_key(label::EXCLUDE_FROM_LOAD_BALANCERS),
            NodeTrait::Excluded,
        ),
    ];
    let traits = objections
        .into_iter()
        .filter_map(|(holds, objection)| holds.then_some(objection))
        .collect();
    Facts { labels, traits }
}
