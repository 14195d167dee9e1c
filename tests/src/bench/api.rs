//! A bare client: what the API server can do when nobody decides anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Config};
use lightship_crd::condition::service::REQUEST_SATISFIED;
use lightship_tests::Lab;
use serde_json::json;

const NAMESPACE: &str = "default";

/// A client with the rights of the lab's administrator.
pub(crate) async fn client(lab: &Lab) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(lab.folder().kubeconfig())?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

fn services(client: &Client) -> Api<Service> {
    Api::namespaced(client.clone(), NAMESPACE)
}

fn name(number: u32) -> String {
    format!("bench-{number:05}")
}

/// Creates services of type `LoadBalancer`, numbered from zero.
pub(crate) async fn create(client: &Client, count: u32) -> Result<()> {
    let api = services(client);
    let create = |number: u32| {
        let api = api.clone();
        async move {
            let service: Service = serde_json::from_value(json!({
                "metadata": {"name": name(number)},
                "spec": {
                    "type": "LoadBalancer",
                    "allocateLoadBalancerNodePorts": false,
                    "ports": [{"port": 80}],
                },
            }))?;
            api.create(&PostParams::default(), &service)
                .await
                .map(drop)
                .context("failed to create a service")
        }
    };
    stream::iter(0..count)
        .map(create)
        .buffer_unordered(32)
        .try_collect()
        .await
}

/// How long a bare client takes to write an address and a condition into the status of `range`'s services, with so
/// many requests under way at once.
pub(crate) async fn patch(client: &Client, range: std::ops::Range<u32>, at_once: u32) -> Result<Duration> {
    let status = |number: u32| {
        json!({"status": {
            "loadBalancer": {"ingress": [{"ip": format!("192.0.{}.{}", 2 + number / 250, number % 250)}]},
            "conditions": [{
                "type": "cilium.io/IPAMRequestSatisfied", "status": "True", "reason": "satisfied", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 0,
            }],
        }})
    };
    write(client, range, at_once, status).await
}

/// Takes the statuses of all services away again.
pub(crate) async fn clear(client: &Client, count: u32) -> Result<()> {
    write(
        client,
        0..count,
        32,
        |_| json!({"status": {"loadBalancer": {"ingress": null}, "conditions": null}}),
    )
    .await
    .map(drop)
}

async fn write(
    client: &Client,
    range: std::ops::Range<u32>,
    at_once: u32,
    status: impl Fn(u32) -> serde_json::Value,
) -> Result<Duration> {
    let api = services(client);
    let start = Instant::now();
    let patch = |number: u32| {
        let (api, body) = (api.clone(), status(number));
        async move {
            let params = PatchParams {
                field_manager: Some("bench".to_owned()),
                ..PatchParams::default()
            };
            match api
                .patch_status(&name(number), &params, &Patch::Merge(body))
                .await
            {
                // The one service that a part of the benchmark deletes.
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
                answer => answer.map(drop),
            }
        }
    };
    stream::iter(range)
        .map(patch)
        .buffer_unordered(usize::try_from(at_once)?)
        .try_collect::<()>()
        .await?;
    Ok(start.elapsed())
}

/// The concurrency at which the API server takes the most writes, tried on a part of the services.
pub(crate) async fn best_concurrency(client: &Client, count: u32) -> Result<u32> {
    let part = (count / 5).clamp(200, 2_000).min(count);
    let mut best = (Duration::MAX, 1);
    for at_once in [4, 8, 16, 32, 64] {
        let took = patch(client, 0..part, at_once).await?;
        best = best.min((took, at_once));
    }
    Ok(best.1)
}

/// Watches until `done` holds of so many services.
pub(crate) async fn until(client: &Client, count: u32, done: impl Fn(&Service) -> bool) -> Result<Duration> {
    let start = Instant::now();
    let mut finished: BTreeSet<String> = BTreeSet::new();
    let mut events = std::pin::pin!(watcher(services(client), watcher::Config::default()));
    while finished.len() < usize::try_from(count)? {
        let event = events
            .next()
            .await
            .context("failed to watch services: the watch ended")?;
        let (Event::Apply(service) | Event::InitApply(service)) = event? else {
            continue;
        };
        let name = service.metadata.name.clone().unwrap_or_default();
        if done(&service) {
            finished.insert(name);
        } else {
            finished.remove(&name);
        }
    }
    Ok(start.elapsed())
}

/// Whether the service shows an address.
pub(crate) fn has_address(service: &Service) -> bool {
    let status = service
        .status
        .as_ref()
        .and_then(|status| status.load_balancer.as_ref());
    status
        .and_then(|balancer| balancer.ingress.as_ref())
        .is_some_and(|ingress| !ingress.is_empty())
}

/// Whether the service's request is judged with this reason.
pub(crate) fn is_judged(service: &Service, reason: &str) -> bool {
    let conditions = service
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|one| one.type_ == REQUEST_SATISFIED && one.reason == reason)
}

/// Deletes the service that shows an address, and returns how long it takes until another one shows it.
pub(crate) async fn hand_over(client: &Client) -> Result<Duration> {
    let api = services(client);
    let mut events = std::pin::pin!(watcher(api.clone(), watcher::Config::default()));
    let mut owner = None;
    let mut start = None;
    while let Some(event) = events.next().await {
        match (event?, start) {
            (Event::InitApply(service), _) if has_address(&service) => owner = service.metadata.name,
            (Event::InitDone, _) => {
                let name = owner.take().context("failed to find a service with an address")?;
                start = Some(Instant::now());
                api.delete(&name, &DeleteParams::default()).await?;
            }
            (Event::Apply(service), Some(start)) if has_address(&service) => return Ok(start.elapsed()),
            _ => {}
        }
    }
    anyhow::bail!("failed to watch services: the watch ended")
}

/// Requests the API server has served, by resource, subresource and verb.
pub(crate) async fn requests(client: &Client) -> Result<BTreeMap<(String, String, String), f64>> {
    let request = http::Request::get("/metrics").body(vec![])?;
    let text = client
        .request_text(request)
        .await
        .context("failed to read the API server's metrics")?;
    let mut counts = BTreeMap::new();
    for line in text
        .lines()
        .filter(|line| line.starts_with("apiserver_request_total{"))
    {
        let label = |label: &str| {
            let start = line.find(&format!("{label}=\""))? + label.len() + 2;
            line.get(start..)?.split('"').next().map(str::to_owned)
        };
        let key = (label("resource"), label("subresource"), label("verb"));
        let (Some(resource), Some(subresource), Some(verb)) = key else {
            continue;
        };
        let count: f64 = line
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .parse()
            .unwrap_or_default();
        *counts.entry((resource, subresource, verb)).or_default() += count;
    }
    Ok(counts)
}

/// How long a list of all services takes.
pub(crate) async fn list(client: &Client) -> Result<Duration> {
    let start = Instant::now();
    services(client).list(&ListParams::default()).await?;
    Ok(start.elapsed())
}
