//! `lightship holders`: which node holds which service's addresses, from the service leases, which alone decide.

use std::net::IpAddr;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use lightship_core::binding::WorkOrder;
use lightship_core::names::NodeName;
use lightship_crd::{annotation, label};
use serde::Serialize;

use super::ask;
use crate::args::{Connection, QueryArgs};
use crate::cluster;
use crate::output::{self, Row};

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct HolderRow {
    service: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) node: String,
    since: Option<String>,
    moves: i32,
    standbys: Vec<String>,
    policies: Vec<String>,
    lease: String,
}

impl Row for HolderRow {
    const HEADINGS: &'static [&'static str] = &["SERVICE", "ADDRESSES", "NODE", "SINCE", "MOVES"];
    const MORE: &'static [&'static str] = &["STANDBYS", "POLICIES", "LEASE"];

    fn cells(&self) -> Vec<String> {
        let since = self.since.clone().unwrap_or_default();
        vec![
            self.service.clone(),
            self.addresses
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(","),
            self.node.clone(),
            since,
            self.moves.to_string(),
        ]
    }

    fn more(&self) -> Vec<String> {
        vec![
            self.standbys.join(","),
            self.policies.join(","),
            self.lease.clone(),
        ]
    }
}

pub(crate) fn run(connection: &Connection, args: QueryArgs) -> anyhow::Result<()> {
    ask(connection, async |client| {
        let rows = holders(client, &connection.namespace).await?;
        let nothing =
            "No node holds an address: is there a CiliumL2AnnouncementPolicy that selects the services?";
        output::rows(&rows, args.output, nothing)
    })
}

pub(super) async fn holders(client: Client, namespace: &str) -> anyhow::Result<Vec<HolderRow>> {
    let ours = ListParams::default().labels(&format!("{}={}", label::LEASE, label::LEASE_SERVICE));
    let leases = Api::<Lease>::namespaced(client, namespace).list(&ours).await;
    let leases = leases.map_err(|error| cluster::reading("leases", error))?;
    let mut rows: Vec<HolderRow> = leases.items.iter().map(row_of).collect();
    rows.sort_unstable_by(|one, other| one.service.cmp(&other.service));
    Ok(rows)
}

fn row_of(lease: &Lease) -> HolderRow {
    let spec = lease.spec.as_ref();
    let order = lease.annotations().get(annotation::WORK_ORDER);
    // A lease that cannot be read still names its holder.
    let order = order.and_then(|text| WorkOrder::from_annotation(text).ok());
    let names = |all: &[NodeName]| all.iter().map(ToString::to_string).collect();
    let policies = order.iter().flat_map(|order| &order.announcements);
    HolderRow {
        addresses: order.as_ref().map(WorkOrder::addresses).unwrap_or_default(),
        standbys: order
            .as_ref()
            .map(|order| names(&order.standbys))
            .unwrap_or_default(),
        policies: policies.map(|one| one.policy.to_string()).collect(),
        service: lease
            .annotations()
            .get(annotation::SERVICE)
            .cloned()
            .unwrap_or_default(),
        node: spec
            .and_then(|spec| spec.holder_identity.clone())
            .unwrap_or_default(),
        since: spec
            .and_then(|spec| spec.acquire_time.as_ref())
            .map(|time| time.0.to_string()),
        moves: spec.and_then(|spec| spec.lease_transitions).unwrap_or_default(),
        lease: lease.name_any(),
    }
}
