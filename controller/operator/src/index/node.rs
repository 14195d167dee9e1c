//! Nodes.

use k8s_openapi::api::core::v1::Node;
use lightship_core::placement::{Node as Facts, NodeTrait};
use lightship_crd::{annotation, label};

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
        (is_drained(node), NodeTrait::Drained),
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

/// Any value of the annotation counts but the one that says no.
fn is_drained(node: &Node) -> bool {
    let annotations = node.metadata.annotations.as_ref();
    let value = annotations.and_then(|all| all.get(annotation::DRAIN));
    value.is_some_and(|value| value.trim() != "false")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_drained_unless_its_annotation_says_no() {
        let drained = |value: Option<&str>| {
            let annotations = value.map(|value| [(annotation::DRAIN.to_owned(), value.to_owned())].into());
            let mut object = Node::default();
            object.metadata.annotations = annotations;
            node(&object).traits.contains(&NodeTrait::Drained)
        };
        let asked = [None, Some("false"), Some("true"), Some(""), Some("2026-01-01")];
        assert_eq!(asked.map(drained), [false, false, true, true, true]);
    }
}
