//! What a person would look at while walking J0: the lease, the page, events, the pool's line, the responder's table.

use anyhow::{Context as _, Result, ensure};
use lightship_crd::annotation;
use serde_json::Value;

use super::j0::{ADDRESS, LEASE, MAP, SERVICE};
use crate::{
    client,
    lab::{Lab, network::LAN},
};

/// Both ports of the service; the backend speaks plain HTTP on either.
pub(super) const URLS: [&str; 2] = ["http://10.0.10.0/", "http://10.0.10.0:443/"];

/// The node that the lease names.
pub fn holder(lab: &Lab) -> Result<String> {
    let lease = lab.get(&["lease", "-n", "kube-system", LEASE])?;
    let holder = lease["spec"]["holderIdentity"]
        .as_str()
        .context("the lease names no holder")?;
    Ok(holder.to_owned())
}

/// Whether the jumpbox gets the page through the address, on both ports.
pub fn page(lab: &Lab) -> Result<()> {
    for url in URLS {
        let fetched = client::curl(lab, url)?;
        ensure!(
            fetched.stdout.contains(SERVICE),
            "curl of {url} printed {}{}",
            fetched.stdout,
            fetched.stderr
        );
    }
    Ok(())
}

/// Whether `kubectl describe service` shows the address as the service's, and the event that tells where it came from.
pub(super) fn described(shown: &str) -> Result<()> {
    let ingress = shown
        .lines()
        .find(|line| line.starts_with("LoadBalancer Ingress:"));
    ensure!(
        ingress.is_some_and(|line| line.split_whitespace().any(|word| word == ADDRESS)),
        "the service does not show its address: {shown}"
    );
    let (_, events) = shown.split_once("\nEvents:").context("no events were shown")?;
    let told = ["AddressAssigned", ADDRESS, "first-pool"];
    ensure!(
        events
            .lines()
            .any(|line| told.iter().all(|word| line.contains(word))),
        "no event tells which pool the address came from: {shown}"
    );
    Ok(())
}

pub(super) fn lease_seconds(lab: &Lab) -> Result<u64> {
    let lease = lab.get(&["lease", "-n", "kube-system", LEASE])?;
    lease["spec"]["leaseDurationSeconds"]
        .as_u64()
        .context("the lease has no duration")
}

/// An event on the service whose message contains `words`.
pub(super) fn event(lab: &Lab, words: &str) -> Result<()> {
    let selector = format!("--field-selector=involvedObject.kind=Service,involvedObject.name={SERVICE}");
    let events = lab.get(&["events", &selector])?;
    let items = events["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let messages: Vec<&str> = items
        .iter()
        .filter_map(|event| event["message"].as_str())
        .collect();
    ensure!(
        messages.iter().any(|message| message.contains(words)),
        "the events say {messages:?}"
    );
    Ok(())
}

pub(super) fn map(lab: &Lab, node: &str) -> Result<Value> {
    let dumped = lab.exec(node, &["bpftool", "map", "dump", "pinned", MAP])?;
    serde_json::from_str(&dumped).with_context(|| format!("failed to understand the dump {dumped}"))
}

/// The counter of the journey's address on the LAN.
pub(super) fn responses(lab: &Lab, node: &str) -> Result<u64> {
    entry(lab, node)?.with_context(|| format!("{node} has no entry for {ADDRESS} on {LAN}"))
}

/// The same where the entry may not be there. The policy's interfaces match the management interface too: it may have an entry
/// of its own, which counts nothing, as nobody asks there.
pub(super) fn entry(lab: &Lab, node: &str) -> Result<Option<u64>> {
    let (entries, index) = (map(lab, node)?, lan_index(lab, node)?);
    // The address as the kernel stores it, in the byte order of the wire.
    let ip4 = u32::from_le_bytes([10, 0, 10, 0]);
    let rows = entries.as_array().map(Vec::as_slice).unwrap_or_default();
    ensure!(
        rows.iter().all(|row| row["key"]["ip4"] == ip4),
        "there are other addresses: {entries}"
    );
    let row = rows.iter().find(|row| row["key"]["ifindex"] == index);
    row.map(|row| {
        let count = row["value"]["responses_sent"].as_u64();
        count.with_context(|| format!("there is no count in {row}"))
    })
    .transpose()
}

/// The key of the journey's address on the LAN, byte by byte, as bpftool wants to be told.
pub(super) fn key(lab: &Lab, node: &str) -> Result<Vec<String>> {
    let index = lan_index(lab, node)?.to_ne_bytes();
    let key = [10, 0, 10, 0].into_iter().chain(index);
    Ok(key.map(|byte: u8| byte.to_string()).collect())
}

fn lan_index(lab: &Lab, node: &str) -> Result<u32> {
    let index = lab.exec(node, &["cat", &format!("/sys/class/net/{LAN}/ifindex")])?;
    index
        .trim()
        .parse()
        .context("failed to read the interface's index")
}

/// How many nodes stand by for the journey's address.
pub(super) fn standbys(lab: &Lab) -> Result<usize> {
    let lease = lab.get(&["lease", "-n", "kube-system", LEASE])?;
    let order = lease["metadata"]["annotations"][annotation::WORK_ORDER]
        .as_str()
        .context("the lease carries no work order")?;
    let order: Value = serde_json::from_str(order)
        .with_context(|| format!("failed to understand the work order {order}"))?;
    Ok(order["standbys"].as_array().map_or(0, Vec::len))
}

/// The cell below `heading` in the row that begins with `row`, of a table whose cells are single words up to there.
pub(super) fn cell<'a>(table: &'a str, row: &[&str], heading: &str) -> Result<&'a str> {
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let headings = lines.first().context("nothing was printed")?;
    let column = headings.iter().position(|one| *one == heading);
    let found = lines.iter().find(|cells| cells.starts_with(row));
    let cell = column
        .zip(found)
        .and_then(|(column, cells)| cells.get(column).copied());
    cell.with_context(|| format!("no {heading} of {row:?} in {table}"))
}

/// Whether the responder's table is listed with so many elements.
pub(super) fn elements(listed: &str, count: usize) -> Result<()> {
    let shown = cell(listed, &["cilium_l2_responder_v4"], "ELEMENTS")?;
    ensure!(
        shown == count.to_string(),
        "there are {count} entries, but {shown} are listed: {listed}"
    );
    Ok(())
}

/// Whether the pool's line of `kubectl get ippools` is the guide's.
pub(super) fn pool_counts(shown: &str) -> Result<()> {
    let lines: Vec<&str> = shown.lines().collect();
    let header = lines.first().context("nothing was printed")?;
    for column in ["DISABLED", "CONFLICTING", "IPS AVAILABLE"] {
        ensure!(header.contains(column), "no column {column}: {shown}");
    }
    let row: Vec<&str> = lines
        .get(1)
        .context("no pool was printed")?
        .split_whitespace()
        .collect();
    ensure!(
        row.iter().take(4).eq(&["first-pool", "false", "False", "255"]),
        "the row is {row:?}"
    );
    Ok(())
}
