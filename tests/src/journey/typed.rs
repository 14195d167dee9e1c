//! What a person types on the jumpbox, on any of its cards, and reads there.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Walk;
use crate::{client::arping::Answers, eventually, lab::host::JUMPBOX};

/// Generous: the machines that run tests are shared.
pub(super) const SOON: Duration = Duration::from_mins(1);

/// The timings of those who want a quick move by leases alone.
#[must_use]
pub fn quick() -> Vec<String> {
    timings("3s", "1s", "500ms")
}

/// Flags for both parts.
#[must_use]
pub fn timings(duration: &str, deadline: &str, retry: &str) -> Vec<String> {
    [
        ("lease-duration", duration),
        ("renew-deadline", deadline),
        ("retry-period", retry),
    ]
    .map(|(name, value)| format!("--l2-announcements-{name}={value}"))
    .into()
}

/// `arping` through a card.
pub(super) fn arping(walk: &Walk<'_>, card: &str, address: &str) -> Result<Answers> {
    let argv = ["arping", "-i", card, "-W", "0.2", "-c", "2", address];
    Answers::parse(&walk.try_on(JUMPBOX, &argv)?.stdout)
}

/// Waits until exactly `mac` answers for an address.
pub(super) fn answered_by(walk: &Walk<'_>, card: &str, address: &str, mac: &str) -> Result<()> {
    eventually(&format!("{mac} to answer for {address}"), SOON, || {
        let answers = arping(walk, card, address)?;
        ensure!(answers.macs == [mac] && answers.lost() == 0, "{answers:?}");
        Ok(())
    })
}

/// Nobody answers for an address through a card.
pub(super) fn silent(walk: &Walk<'_>, card: &str, address: &str) -> Result<()> {
    let answers = arping(walk, card, address)?;
    ensure!(
        answers.sent == 2 && answers.received == 0,
        "somebody answers for {address} on {card}: {answers:?}"
    );
    Ok(())
}

/// `curl`, which ends after two seconds: the page, or its exit code.
pub(super) fn curl(walk: &Walk<'_>, url: &str) -> Result<Result<String, i32>> {
    let argv = ["curl", "--silent", "--show-error", "--max-time", "2", url];
    let fetched = walk.try_on(JUMPBOX, &argv)?;
    Ok(if fetched.succeeded() {
        Ok(fetched.stdout)
    } else {
        Err(fetched.code)
    })
}

/// Waits for the page of a service.
pub(super) fn page(walk: &Walk<'_>, url: &str, service: &str) -> Result<()> {
    eventually(&format!("the page at {url}"), SOON, || {
        let shown = curl(walk, url)?;
        let page = shown.map_err(|code| anyhow::anyhow!("curl ended with {code}"))?;
        ensure!(page.contains(service), "curl printed {page}");
        Ok(())
    })
}

/// What the jumpbox's kernel sends to, by `ip neigh`.
pub(super) fn neighbour(walk: &Walk<'_>, address: &str) -> Result<String> {
    let shown = walk.on(JUMPBOX, &["ip", "neigh", "show", address])?;
    let mut words = shown.split_whitespace().skip_while(|word| *word != "lladdr");
    let mac = words
        .nth(1)
        .with_context(|| format!("ip neigh printed {shown:?}"))?;
    Ok(mac.to_owned())
}

/// The lease of a service in `default`, as it is now.
pub(super) fn lease(walk: &Walk<'_>, service: &str) -> Result<Value> {
    let name = format!("cilium-l2announce-default-{service}");
    walk.lab.get(&["lease", "-n", "kube-system", &name])
}

/// Waits until the lease of a service names somebody.
pub(super) fn holder(walk: &Walk<'_>, service: &str) -> Result<String> {
    eventually(&format!("a holder of {service}"), SOON, || {
        let lease = lease(walk, service)?;
        let holder = lease["spec"]["holderIdentity"].as_str();
        holder
            .map(str::to_owned)
            .with_context(|| format!("the lease is {lease}"))
    })
}

/// The `EndpointSlice` of a service that an address serves: in the lab nobody runs pods.
pub(super) fn endpoints(service: &str, ports: &[(&str, u16)], address: &str, node: &str) -> String {
    let family = if address.contains(':') { "IPv6" } else { "IPv4" };
    let ports: Vec<String> = ports
        .iter()
        .map(|(name, port)| format!("{{name: '{name}', port: {port}}}"))
        .collect();
    format!(
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {service}-{}, namespace: default, \
         labels: {{kubernetes.io/service-name: {service}}}}}\naddressType: {family}\nports: [{}]\n\
         endpoints: [{{addresses: ['{address}'], nodeName: {node}, conditions: {{ready: true}}}}]\n",
        family.to_lowercase(),
        ports.join(", ")
    )
}
