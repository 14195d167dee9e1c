//! The part of the Gateway API that is read here: the labels a Gateway gives to what is generated for it.
//!
//! The definition is somebody else's and may not be installed; everything of it that is not needed is left unread.

use std::collections::BTreeMap;

use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// The name of the definition, by which its coming and going is seen.
pub const DEFINITION: &str = "gateways.gateway.networking.k8s.io";

/// What a Gateway says of the things generated for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "Gateway",
    namespaced,
    schema = "disabled"
)]
pub struct GatewaySpec {
    /// About what is generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infrastructure: Option<Infrastructure>,
}

/// About the things generated for a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Infrastructure {
    /// Labels they shall have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
}

impl Gateway {
    /// The labels that selectors see on its services: its own, and those it wants on what is generated, which win.
    #[must_use]
    pub fn handed_down(&self) -> BTreeMap<String, String> {
        let mut labels = self.metadata.labels.clone().unwrap_or_default();
        let wanted = self.spec.infrastructure.as_ref();
        let wanted = wanted.and_then(|infrastructure| infrastructure.labels.clone());
        labels.extend(wanted.unwrap_or_default());
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_for_what_is_generated_win_over_its_own() {
        let gateway: Gateway = serde_json::from_value(serde_json::json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
            "metadata": {"name": "central", "labels": {"team": "web", "ippool": "own"}},
            "spec": {"gatewayClassName": "lab", "infrastructure": {"labels": {"ippool": "l2announced"}},
                     "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
        }))
        .unwrap_or_else(|error| panic!("{error}"));
        let labels = gateway.handed_down();
        assert_eq!(labels["ippool"], "l2announced");
        assert_eq!(labels["team"], "web");
        assert_eq!(
            Gateway::new("bare", GatewaySpec::default()).handed_down().len(),
            0
        );
    }
}
