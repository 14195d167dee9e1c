//! A Gateway as its users write it, and the service that a Gateway controller makes for it.

use std::time::Duration;

use anyhow::Result;

use crate::{Lab, eventually};

/// The service that is made for the Gateway `central` of the samples.
pub const GENERATED: &str = "kube-system/lab-gateway-central";

/// Without the labels that the Gateway has.
const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata:
  name: lab-gateway-central
  namespace: kube-system
  labels: {gateway.networking.k8s.io/gateway-name: central}
spec: {type: LoadBalancer, ports: [{name: http, port: 80, targetPort: 8080}]}
";

/// Does what a Gateway controller does.
pub fn generate(lab: &Lab) -> Result<()> {
    lab.apply(SERVICE).map(drop)
}

/// Installs the API, and applies the sample's Gateway by `apply` until that is taken: established is a moment before served.
pub fn install(lab: &Lab, patience: Duration, apply: impl FnMut() -> Result<String>) -> Result<()> {
    lab.install_gateway_api()?;
    eventually("the Gateway to be accepted", patience, apply).map(drop)
}
