//! `lightship ips`: which address was given to which services, from the pools' status.

use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use lightship_crd::CiliumLoadBalancerIPPool;
use serde::Serialize;

use super::ask;
use super::holders::holders;
use crate::args::{Connection, Format, QueryArgs};
use crate::cluster;
use crate::output::{self, Row};

#[derive(Debug, PartialEq, Eq, Serialize)]
struct AddressRow {
    address: String,
    pool: String,
    services: Vec<String>,
    since: Option<String>,
    /// The node that answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
}

impl Row for AddressRow {
    const HEADINGS: &'static [&'static str] = &["ADDRESS", "POOL", "SERVICES", "SINCE"];
    const MORE: &'static [&'static str] = &["NODE"];

    fn cells(&self) -> Vec<String> {
        let since = self.since.clone().unwrap_or_default();
        vec![
            self.address.clone(),
            self.pool.clone(),
            self.services.join(","),
            since,
        ]
    }

    fn more(&self) -> Vec<String> {
        vec![self.node.clone().unwrap_or_default()]
    }
}

pub(crate) fn run(connection: &Connection, args: QueryArgs) -> anyhow::Result<()> {
    ask(connection, async |client| {
        let pools = pools(client.clone()).await?;
        // Only where it is shown: it takes the right to read leases.
        let holders = match args.output {
            Format::Table => vec![],
            Format::Wide | Format::Json | Format::Yaml => holders(client, &connection.namespace).await?,
        };
        let mut rows: Vec<AddressRow> = pools.iter().flat_map(rows_of).collect();
        for row in &mut rows {
            let of = holders.iter().find(|one| {
                one.addresses
                    .iter()
                    .any(|address| address.to_string() == row.address)
            });
            row.node = of.map(|one| one.node.clone());
        }
        output::rows(&rows, args.output, "No address has been given.")?;
        let omitted: i64 = pools
            .iter()
            .filter_map(|pool| pool.status.as_ref()?.allocations_omitted)
            .sum();
        if omitted > 0 {
            tracing::warn!(
                "{omitted} more addresses are given; a pool's status lists the first of each pool only"
            );
        }
        Ok(())
    })
}

/// Every pool, as the operator last described it.
pub(super) async fn pools(client: Client) -> anyhow::Result<Vec<CiliumLoadBalancerIPPool>> {
    let pools = Api::<CiliumLoadBalancerIPPool>::all(client)
        .list(&ListParams::default())
        .await;
    Ok(pools
        .map_err(|error| cluster::reading("ciliumloadbalancerippools", error))?
        .items)
}

fn rows_of(pool: &CiliumLoadBalancerIPPool) -> Vec<AddressRow> {
    let allocations = pool.status.iter().flat_map(|status| &status.allocations);
    allocations
        .map(|allocation| AddressRow {
            address: allocation.address.clone(),
            pool: pool.name_any(),
            services: allocation.services.clone(),
            since: allocation.since.as_ref().map(|since| since.0.to_string()),
            node: None,
        })
        .collect()
}
