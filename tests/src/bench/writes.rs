//! Writes the API server took, counted by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use kube::Client;

use crate::api;

/// How long nothing may be written before the operator counts as at rest.
const QUIET: Duration = Duration::from_secs(3);

/// How many, by resource.
pub(crate) type Writes = BTreeMap<String, f64>;

/// Writes of statuses and events so far, by resource.
pub(crate) async fn writes(client: &Client) -> Result<Writes> {
    let mut writes = Writes::new();
    for ((resource, subresource, verb), count) in api::requests(client).await? {
        let status = subresource == "status" && verb == "PATCH";
        let event = resource == "events" && verb == "POST";
        if status || event {
            *writes.entry(resource).or_default() += count;
        }
    }
    Ok(writes)
}

/// How many more of a resource there are.
pub(crate) fn difference(before: &Writes, after: &Writes, resource: &str) -> f64 {
    let of = |writes: &Writes| writes.get(resource).copied().unwrap_or_default();
    of(after) - of(before)
}

/// Waits until nothing has been written for a while.
pub(crate) async fn at_rest(client: &Client) -> Result<Writes> {
    let mut last = writes(client).await?;
    loop {
        tokio::time::sleep(QUIET).await;
        let now = writes(client).await?;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
}
