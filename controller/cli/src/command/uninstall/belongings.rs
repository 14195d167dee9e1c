//! Everything of Lightship in a cluster, in the order in which it goes.

use kube::api::{DeleteParams, ListParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client, ResourceExt as _};
use lightship_crd::{crds, label, lease, members};
use serde::Serialize;

use crate::cluster;
use crate::output::Row;

/// What the manifests put on everything they install.
const OURS: &str = "app.kubernetes.io/name=lightship";

/// Kinds that the manifests install, save the daemons, those that others depend on last.
const INSTALLED: [(&str, &str, &str); 11] = [
    ("policy", "v1", "PodDisruptionBudget"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
    ("", "v1", "Service"),
    ("", "v1", "ConfigMap"),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicyBinding",
    ),
    ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io", "v1", "Role"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole"),
    ("", "v1", "ServiceAccount"),
];

/// One object that goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Belonging {
    pub(super) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    #[serde(skip)]
    resource: Resource,
}

/// Where an object is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Resource(ApiResource);

impl Row for Belonging {
    const HEADINGS: &'static [&'static str] = &["KIND", "NAMESPACE", "NAME"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.kind.clone(),
            self.namespace.clone().unwrap_or_default(),
            self.name.clone(),
        ]
    }
}

impl Belonging {
    /// Deletes it; that it is gone already is as good.
    pub(super) async fn delete(&self, client: &Client) -> anyhow::Result<()> {
        let api: Api<DynamicObject> = match &self.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &self.resource.0),
            None => Api::all_with(client.clone(), &self.resource.0),
        };
        match api.delete(&self.name, &DeleteParams::background()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(cluster::refused(
                &format!("delete {} {}", self.kind, self.name),
                error,
            )),
            Ok(_) => Ok(()),
        }
    }
}

/// The daemons.
pub(super) async fn daemons(client: &Client, namespace: &str) -> anyhow::Result<Vec<Belonging>> {
    let mut all = Vec::new();
    for kind in ["Deployment", "DaemonSet"] {
        all.extend(listed(client, ("apps", "v1", kind), Some(namespace), OURS).await?);
    }
    Ok(all)
}

/// What the daemons wrote.
pub(super) async fn written(client: &Client, namespace: &str) -> anyhow::Result<Vec<Belonging>> {
    let lease_kind = ("coordination.k8s.io", "v1", "Lease");
    let mut all = listed(client, lease_kind, Some(namespace), label::LEASE).await?;
    let named = listed(client, lease_kind, Some(namespace), "").await?;
    all.extend(named.into_iter().filter(|one| one.name == lease::OPERATOR));
    let maps = listed(client, ("", "v1", "ConfigMap"), Some(namespace), "").await?;
    all.extend(maps.into_iter().filter(|one| one.name == members::NAME));
    Ok(all)
}

/// What the manifests installed, beside the daemons and the definitions.
pub(super) async fn installed(client: &Client, namespace: &str) -> anyhow::Result<Vec<Belonging>> {
    let mut all = Vec::new();
    for kind in INSTALLED {
        let found = listed(client, kind, None, OURS).await?;
        all.extend(found.into_iter().filter(|one| {
            one.name != members::NAME && one.namespace.as_deref().is_none_or(|there| there == namespace)
        }));
    }
    Ok(all)
}

/// The definitions with everything that was made of them.
pub(super) async fn definitions(client: &Client) -> anyhow::Result<Vec<Belonging>> {
    let ours: Vec<_> = crds()?.iter().map(kube::ResourceExt::name_any).collect();
    let kind = ("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let all = listed(client, kind, None, "").await?;
    let definitions: Vec<_> = all.into_iter().filter(|one| ours.contains(&one.name)).collect();
    let mut made = Vec::new();
    for (version, kind) in [
        ("v2", "CiliumLoadBalancerIPPool"),
        ("v2alpha1", "CiliumL2AnnouncementPolicy"),
    ] {
        made.extend(listed(client, ("cilium.io", version, kind), None, "").await?);
    }
    Ok(made.into_iter().chain(definitions).collect())
}

/// Objects of a kind; none where the API server does not know it.
async fn listed(
    client: &Client,
    (group, version, kind): (&str, &str, &str),
    namespace: Option<&str>,
    labels: &str,
) -> anyhow::Result<Vec<Belonging>> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let found = match api.list(&ListParams::default().labels(labels)).await {
        Ok(found) => found.items,
        Err(kube::Error::Api(status)) if status.code == 404 => vec![],
        Err(error) => return Err(cluster::refused(&format!("list {}", resource.plural), error)),
    };
    let each = found.into_iter().map(|object| Belonging {
        kind: kind.to_owned(),
        namespace: object.namespace(),
        name: object.name_any(),
        resource: Resource(resource.clone()),
    });
    Ok(each.collect())
}
