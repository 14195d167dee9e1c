//! `lightship holders`: which node holds which service's addresses, from the service leases, which alone decide.

use anyhow::Context as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use lightship_crd::{annotation, label};
use serde::Serialize;

use super::ask;
use crate::args::{Connection, QueryArgs};
use crate::output::{self, Row};

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct HolderRow {
    service: String,
    node: String,
    since: Option<String>,
    moves: i32,
    lease: String,
}

impl Row for HolderRow {
    const HEADINGS: &'static [&'static str] = &["SERVICE", "NODE", "SINCE", "MOVES", "LEASE"];

    fn cells(&self) -> Vec<String> {
        let since = self.since.clone().unwrap_or_default();
        vec![
            self.service.clone(),
            self.node.clone(),
            since,
            self.moves.to_string(),
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
    let leases =
        leases.with_context(|| format!("failed to list the leases in {namespace}; may you read them?"))?;
    let mut rows: Vec<HolderRow> = leases.items.iter().map(row_of).collect();
    rows.sort_unstable_by(|one, other| one.service.cmp(&other.service));
    Ok(rows)
}

fn row_of(lease: &Lease) -> HolderRow {
    let spec = lease.spec.as_ref();
    HolderRow {
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
