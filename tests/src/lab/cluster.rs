//! The cluster's objects: nodes, manifests, service accounts' tokens; and kubectl.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    Lab, credentials,
    host::{CONTROL_PLANE, Host},
};
use crate::{
    binaries,
    command::{Outcome, Tool},
};

/// As much of the Gateway API as an API server needs to store Gateways.
const GATEWAYS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: gateways.gateway.networking.k8s.io
  # The API server wants to see a reference where the group is one of Kubernetes' own.
  annotations: {api-approved.kubernetes.io: 'unapproved, the lab stores Gateways and nothing else'}
spec:
  group: gateway.networking.k8s.io
  scope: Namespaced
  names: {kind: Gateway, listKind: GatewayList, plural: gateways, singular: gateway}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

impl Lab {
    /// kubectl as the cluster's admin.
    pub fn kubectl_tool<S: AsRef<str>>(&self, args: &[S]) -> Result<Tool> {
        let program = path_text(&binaries::control_plane("kubectl")?);
        let line = [program]
            .into_iter()
            .chain(args.iter().map(|arg| arg.as_ref().to_owned()));
        // By the environment, because plugins take no flag in front of their name.
        Ok(Tool::new(line).env("KUBECONFIG", self.folder.kubeconfig()))
    }

    /// Runs kubectl, which must succeed.
    pub fn kubectl<S: AsRef<str>>(&self, args: &[S]) -> Result<String> {
        self.kubectl_tool(args)?.run()
    }

    /// Runs kubectl; its exit code is for the caller to judge.
    pub fn try_kubectl<S: AsRef<str>>(&self, args: &[S]) -> Result<Outcome> {
        self.kubectl_tool(args)?.attempt()
    }

    /// One object, or a list of them, as JSON.
    pub fn get<S: AsRef<str>>(&self, what: &[S]) -> Result<Value> {
        let args: Vec<&str> = ["get", "-o", "json"]
            .into_iter()
            .chain(what.iter().map(AsRef::as_ref))
            .collect();
        serde_json::from_str(&self.kubectl(&args)?).context("failed to understand kubectl's JSON")
    }

    /// Applies manifests written in the test; an unknown field is refused.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        self.kubectl_tool(&["apply", "--validate=strict", "-f", "-"])?
            .input(manifests)
            .run()
    }

    /// Applies a file or folder of `manifests/`, strictly.
    pub fn apply_file(&self, path: &str) -> Result<String> {
        let path = binaries::source().join("manifests").join(path);
        self.kubectl(&["apply", "--validate=strict", "-f", &path.to_string_lossy()])
    }

    /// Installs Lightship as its users do. The Deployment and the `DaemonSet` stay plans, for there is no kubelet: the lab
    /// starts their processes itself.
    pub fn install_manifests(&self) -> Result<()> {
        let folder = binaries::source().join("manifests");
        self.kubectl(&["apply", "--validate=strict", "-k", &folder.to_string_lossy()])?;
        self.kubectl(&[
            "wait",
            "--for=condition=established",
            "crd",
            "--all",
            "--timeout=30s",
        ])
        .map(drop)
    }

    /// Installs as much of the Gateway API as Lightship reads.
    pub fn install_gateway_api(&self) -> Result<()> {
        self.apply(GATEWAYS)?;
        let wait = ["wait", "--for=condition=established", "--timeout=30s", "crd"];
        let name = "gateways.gateway.networking.k8s.io";
        self.kubectl(&[&wait[..], &[name]].concat()).map(drop)
    }

    /// Registers the nodes as kubelets would, labelled as kubeadm does it.
    pub(super) fn register_nodes(&self) -> Result<()> {
        let nodes = Host::nodes(self.nodes);
        let items: Vec<Value> = nodes
            .iter()
            .map(|node| node_object(node, &self.address_of(node)))
            .collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        self.kubectl_tool(&["create", "-f", "-"])?
            .input(list.to_string())
            .run()
            .map(drop)
    }

    /// A kubeconfig for `component` with a token of the shipped service account, bound to a node if one is given:
    /// this is what the kubelet would mount into the pod.
    pub(super) fn service_account(
        &self,
        component: &str,
        account: &str,
        node: Option<&Host>,
    ) -> Result<String> {
        let mut args = vec![
            "create",
            "token",
            account,
            "--namespace=kube-system",
            "--duration=720h",
        ];
        let bound = node.map(|node| format!("--bound-object-name={}", node.name()));
        if let Some(bound) = &bound {
            args.extend(["--bound-object-kind=Node", bound]);
        }
        let token = self.kubectl(&args)?;
        let target = self.folder.component_kubeconfig(component);
        credentials::write_kubeconfig(&self.folder, self.slot, &target, token.trim())?;
        Ok(path_text(&target))
    }
}

fn node_object(node: &Host, address: &str) -> Value {
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name(), "labels": {
            "kubernetes.io/hostname": node.name(),
            "kubernetes.io/os": "linux",
        }},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "Hostname", "address": node.name()},
            ],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "the lab says so"}],
        },
    });
    if node.name() == CONTROL_PLANE {
        let key = "node-role.kubernetes.io/control-plane";
        object["metadata"]["labels"][key] = json!("");
        object["metadata"]["labels"]["node.kubernetes.io/exclude-from-external-load-balancers"] = json!("");
        object["spec"] = json!({"taints": [{"key": key, "effect": "NoSchedule"}]});
    }
    object
}

pub(super) fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
