//! Every watch of the operator as one stream of changes.

use futures::stream::{self, BoxStream, StreamExt as _};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use lightship_crd::gateway::Gateway;
use lightship_crd::{CiliumL2AnnouncementPolicy, CiliumLoadBalancerIPPool, Standing, label, members};
use lightship_edge::watch::{Seen, forget_managers, watch};

use crate::definitions::{self, Definition, Expected};
use crate::gateways;
use crate::index;
use crate::metrics::Metrics;

/// What one of the watches saw.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Services.
    Service(Seen<Service>),
    /// Pools.
    Pool(Seen<CiliumLoadBalancerIPPool>),
    /// Policies.
    Policy(Seen<CiliumL2AnnouncementPolicy>),
    /// Gateways, none while their API is not installed.
    Gateway(Seen<Gateway>),
    /// Nodes.
    Node(Seen<Node>),
    /// Leases of services.
    Binding(Seen<Lease>),
    /// Heartbeats of agents.
    Heartbeat(Seen<Lease>),
    /// Where endpoints are.
    Endpoints(Seen<EndpointSlice>),
    /// The members object.
    Members(Seen<ConfigMap>),
    /// Whose a definition is.
    Definition(Definition, Standing),
}

/// Starts all watches; leases are watched in `namespace`, each kind of ours by its label.
pub(crate) fn all(
    client: &Client,
    namespace: &str,
    expected: &Expected,
    metrics: &Metrics,
) -> BoxStream<'static, Change> {
    let leases = || Api::namespaced(client.clone(), namespace);
    let of_kind = |kind| Config::default().labels(&format!("{}={kind}", label::LEASE));
    let undecodable = |kind| {
        let metrics = metrics.clone();
        move || metrics.undecodable(kind)
    };
    macro_rules! every {
        ($kind:literal, $change:expr) => {
            every!($kind, $change, forget_managers)
        };
        ($kind:literal, $change:expr, $slim:expr) => {
            watch(
                Api::all(client.clone()),
                Config::default(),
                $kind,
                $slim,
                undecodable($kind),
            )
            .map($change)
            .boxed()
        };
    }
    stream::select_all([
        every!("services", Change::Service, index::service::slim),
        definitions::pools(client, expected, metrics),
        definitions::policies(client, expected),
        every!("ciliuml2announcementpolicies", Change::Policy),
        every!("nodes", Change::Node),
        every!("endpointslices", Change::Endpoints),
        gateways::follow(client, metrics).map(Change::Gateway).boxed(),
        watch(
            leases(),
            of_kind(label::LEASE_SERVICE),
            "leases",
            forget_managers,
            undecodable("leases"),
        )
        .map(Change::Binding)
        .boxed(),
        watch(
            leases(),
            of_kind(label::LEASE_HEARTBEAT),
            "leases",
            forget_managers,
            undecodable("leases"),
        )
        .map(Change::Heartbeat)
        .boxed(),
        watch(
            Api::namespaced(client.clone(), namespace),
            Config::default().fields(&format!("metadata.name={}", members::NAME)),
            "configmaps",
            forget_managers,
            undecodable("configmaps"),
        )
        .map(Change::Members)
        .boxed(),
    ])
    .boxed()
}
