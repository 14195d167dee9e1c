//! Everything that decides about addresses, read once.

use std::collections::BTreeSet;
use std::fmt::Debug;

use anyhow::anyhow;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt as _};
use lightship_crd::{label, lease};
use lightship_edge::Decoded;
use lightship_operator::rehearsal::{Objects, age, lasts};
use serde::de::DeserializeOwned;

use crate::exit::{Exit, Failure};

/// The cluster as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) objects: Objects,
    /// The lease that the operator's replicas elect their leader with.
    pub(crate) leader: Option<Lease>,
    /// When it was read, by the clock of this machine.
    pub(crate) wall: jiff::Timestamp,
}

impl Cluster {
    /// Reads everything; `namespace` is that of Lightship's leases.
    pub(crate) async fn read(client: &Client, namespace: &str) -> anyhow::Result<Self> {
        let everything = ListParams::default();
        let leases = |kind: &str| ListParams::default().labels(&format!("{}={kind}", label::LEASE));
        let of_service = leases(label::LEASE_SERVICE);
        let of_agent = leases(label::LEASE_HEARTBEAT);
        let ours = || Api::namespaced(client.clone(), namespace);
        let objects = Objects {
            services: list(Api::all(client.clone()), &everything, "services").await?,
            pools: list(Api::all(client.clone()), &everything, "ciliumloadbalancerippools").await?,
            policies: list(
                Api::all(client.clone()),
                &everything,
                "ciliuml2announcementpolicies",
            )
            .await?,
            gateways: list(Api::all(client.clone()), &everything, "gateways")
                .await
                .unwrap_or_default(),
            endpoints: list(Api::all(client.clone()), &everything, "endpointslices").await?,
            nodes: list(Api::all(client.clone()), &everything, "nodes").await?,
            bindings: list(ours(), &of_service, "leases").await?,
            heartbeats: list(ours(), &of_agent, "leases").await?,
            definitions: definitions(client).await,
        };
        let leader = Api::<Lease>::namespaced(client.clone(), namespace)
            .get_opt(lease::OPERATOR)
            .await
            .map_err(|error| reading("leases", error))?;
        Ok(Self {
            objects,
            leader,
            wall: jiff::Timestamp::now(),
        })
    }

    /// The replica of the operator that leads, if one does.
    pub(crate) fn leads(&self) -> Option<&str> {
        let lease = self.leader.as_ref()?;
        let holder = lease.spec.as_ref()?.holder_identity.as_deref()?;
        (!holder.is_empty() && age(lease, self.wall) <= lasts(lease)).then_some(holder)
    }

    /// Refuses a node that does not exist, and names those that do.
    pub(crate) fn check_node(&self, node: &str) -> anyhow::Result<()> {
        let names: BTreeSet<_> = self
            .objects
            .nodes
            .iter()
            .map(kube::ResourceExt::name_any)
            .collect();
        if names.contains(node) {
            return Ok(());
        }
        let some: Vec<_> = names.iter().take(8).map(String::as_str).collect();
        let more = if names.len() > some.len() { ", …" } else { "" };
        Err(anyhow!(
            "there is no node {node}; name one of {}{more} (kubectl get nodes)",
            some.join(", ")
        ))
    }
}

/// The definitions of pools and policies that are there. Who may not read them is told what they would say if they were ours.
pub(crate) async fn definitions(client: &Client) -> Vec<CustomResourceDefinition> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let mut there = Vec::new();
    for expected in lightship_crd::crds().unwrap_or_default() {
        there.extend(api.get_opt(&expected.name_any()).await.ok().flatten());
    }
    there
}

/// Lists objects; what cannot be decoded is told and passed over, as the operator does.
pub(crate) async fn list<K>(
    api: Api<Decoded<K>>,
    params: &ListParams,
    kind: &'static str,
) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let listed = api.list(params).await.map_err(|error| reading(kind, error))?;
    let decoded = listed.items.into_iter().filter_map(|Decoded(object)| {
        object
            .map_err(|invalid| {
                let name = invalid.metadata.name.unwrap_or_default();
                tracing::warn!(
                    "{kind} {name} cannot be read and is passed over: {}",
                    invalid.error
                );
            })
            .ok()
    });
    Ok(decoded.collect())
}

/// What is wrong with a read, and what to do about it.
pub(crate) fn reading(kind: &'static str, error: kube::Error) -> anyhow::Error {
    let failure = match &error {
        kube::Error::Api(status) if status.code == 404 => Failure::new(
            Exit::NotInstalled,
            format!(
                "the API server does not know {kind}: install the definitions (lightship crd | kubectl apply --server-side -f -)"
            ),
        ),
        kube::Error::Api(status) if status.code == 403 => Failure::new(
            Exit::Forbidden,
            format!(
                "you may not read {kind}: ask for a role with the verbs get and list ({})",
                status.message
            ),
        ),
        _ => Failure::new(
            Exit::of_api(&error),
            format!("failed to read {kind}; is the API server well?"),
        )
        .caused(error),
    };
    failure.into()
}

/// What is wrong with a write, and what to do about it.
pub(crate) fn refused(what: &str, error: kube::Error) -> anyhow::Error {
    let failure = match &error {
        kube::Error::Api(status) if status.code == 403 => Failure::new(
            Exit::Forbidden,
            format!(
                "you may not {what}: ask a cluster's administrator ({})",
                status.message
            ),
        ),
        _ => Failure::new(Exit::of_api(&error), format!("failed to {what}; try again")).caused(error),
    };
    failure.into()
}
