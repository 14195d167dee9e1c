//! Pools and services as tests write them, and what is to be seen of them through kubectl.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::{
    Lab, Options, eventually,
    lab::{testing::TestLab, unit::Action},
};

/// Long against a leader's lease and what a new one holds back.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// An API server, the manifests and one operator; no agents are needed to hand out addresses.
pub fn addresses_only(test: &str, operator_flags: &[&str]) -> Result<TestLab> {
    let options = Options {
        nodes: 1,
        bare: true,
        operator_flags: operator_flags.iter().map(|flag| (*flag).to_owned()).collect(),
        ..Options::default()
    };
    let lab = TestLab::up(test, &options)?;
    lab.install_manifests()?;
    lab.operator(Action::Start, 1)?;
    Ok(lab)
}

/// A pool.
#[must_use]
pub fn pool(name: &str, spec: &str) -> String {
    let head = "apiVersion: cilium.io/v2\nkind: CiliumLoadBalancerIPPool\n";
    format!("---\n{head}metadata: {{name: {name}}}\nspec: {{{spec}}}\n")
}

/// A service in `default`, with more of its metadata and spec.
#[must_use]
pub fn service(name: &str, metadata: &str, spec: &str) -> String {
    let metadata = format!("metadata: {{name: {name}, namespace: default{metadata}}}\n");
    let spec = format!("spec: {{type: LoadBalancer, ports: [{{port: 80}}]{spec}}}\n");
    format!("---\napiVersion: v1\nkind: Service\n{metadata}{spec}")
}

/// kubectl's words for a service: `namespace/name`, or the name alone in `default`.
fn named(service: &str) -> [&str; 4] {
    let (namespace, name) = service.split_once('/').unwrap_or(("default", service));
    ["-n", namespace, "service", name]
}

/// The addresses a service shows.
pub fn ingress(lab: &Lab, service: &str) -> Result<Vec<String>> {
    let status = &lab.get(&named(service))?["status"]["loadBalancer"]["ingress"];
    let entries = status.as_array().cloned().unwrap_or_default();
    Ok(entries
        .iter()
        .map(|entry| entry["ip"].as_str().unwrap_or_default().to_owned())
        .collect())
}

/// Waits until a service shows exactly these.
pub fn has(lab: &Lab, service: &str, addresses: &[&str]) -> Result<()> {
    eventually(&format!("{service} to have {addresses:?}"), PATIENCE, || {
        let shown = ingress(lab, service)?;
        ensure!(shown == addresses, "it has {shown:?}");
        Ok(())
    })
}

/// Waits until the request condition of a service has this reason, and these words in its message.
pub fn says(lab: &Lab, service: &str, reason: &str, words: &str) -> Result<()> {
    told(
        lab,
        &named(service),
        "cilium.io/IPAMRequestSatisfied",
        reason,
        words,
    )
}

/// Waits until an object's condition of a type has this reason, and these words in its message.
pub fn told(lab: &Lab, object: &[&str], type_: &str, reason: &str, words: &str) -> Result<()> {
    eventually(&format!("{object:?} to say {reason}: {words}"), PATIENCE, || {
        let object = lab.get(object)?;
        let one = condition(&object, type_).context("it has no such condition yet")?;
        let message = one["message"].as_str().unwrap_or_default();
        ensure!(
            one["reason"] == reason && message.contains(words),
            "it says {one}"
        );
        Ok(())
    })
}

/// The condition of a type.
#[must_use]
pub fn condition(object: &Value, type_: &str) -> Option<Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|one| one["type"] == type_).cloned()
}

/// The version of a service, which changes with every write to it.
pub fn version(lab: &Lab, service: &str) -> Result<String> {
    Ok(lab.get(&named(service))?["metadata"]["resourceVersion"].to_string())
}

/// A lease of a kind, as an agent or the operator would hold it.
#[must_use]
pub fn lease(name: &str, kind: &str, holder: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": "kube-system", "labels": {"lightship.dev/lease": kind}},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 4},
    })
}
