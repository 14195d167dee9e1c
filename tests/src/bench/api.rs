//! A bare client: what the API server can do when nobody decides anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Config};
use lightship_crd::condition::service::{REASON_NO_POOL, REQUEST_SATISFIED};
use lightship_crd::field_owner;
use serde_json::json;

use crate::observer::{self, Observer};
use crate::stored;

const NAMESPACE: &str = "default";

/// A client with the rights that a kubeconfig gives.
pub(crate) async fn client(kubeconfig: &Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

fn services(client: &Client) -> Api<Service> {
    Api::namespaced(client.clone(), NAMESPACE)
}

pub(crate) fn name(number: u32) -> String {
    format!("bench-{number:05}")
}

fn service(name: &str, class: &str) -> Result<Service> {
    Ok(serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "type": "LoadBalancer",
            "allocateLoadBalancerNodePorts": false,
            "loadBalancerClass": class,
            "ports": [{"port": 80}],
        },
    }))?)
}

/// How long a bare client takes to write an address and conditions into the status of `range`'s services, in the words
/// of the operator, with so many requests under way at once.
pub(crate) async fn patch(client: &Client, range: std::ops::Range<u32>, at_once: u32) -> Result<Duration> {
    write(client, range, at_once, status).await
}

fn status(number: u32) -> serde_json::Value {
    json!({"status": stored::satisfied(number)})
}

/// Lets all services wait for a pool in the operator's own words, so that it finds nothing to write when it starts.
pub(crate) async fn wait_for_pool(client: &Client, count: u32) -> Result<()> {
    let waiting = |_| {
        json!({"status": {
            "loadBalancer": {"ingress": null},
            "conditions": [{
                "type": REQUEST_SATISFIED, "status": "False", "reason": REASON_NO_POOL,
                "message": "no IPv4 address: there is no CiliumLoadBalancerIPPool; create one with a block of addresses",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }],
        }})
    };
    write(client, 0..count, 32, waiting).await.map(drop)
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
        async move { patch_status(&api, &name(number), &body).await }
    };
    stream::iter(range)
        .map(patch)
        .buffer_unordered(usize::try_from(at_once)?)
        .try_collect::<()>()
        .await?;
    Ok(start.elapsed())
}

async fn patch_status(api: &Api<Service>, name: &str, body: &serde_json::Value) -> Result<(), kube::Error> {
    let params = PatchParams {
        field_manager: Some(field_owner::OPERATOR.to_owned()),
        ..PatchParams::default()
    };
    match api.patch_status(name, &params, &Patch::Merge(body)).await {
        // Those that a part of the benchmark deletes.
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        answer => answer.map(drop),
    }
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

/// How long it takes from the end of a service with an address until another one is seen with it, and a bare client
/// from sending a status until it is seen; several times in turn.
pub(crate) async fn hand_overs(client: &Client, times: u32) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let api = services(client);
    // Another controller's, so that the operator leaves it alone.
    api.create(&PostParams::default(), &service("trip", "bench.example/nobody")?)
        .await?;
    let all = api.list(&ListParams::default()).await?;
    let owner = all.items.into_iter().find(has_address);
    let mut owner = owner
        .and_then(|owner| owner.metadata.name)
        .context("failed to find a service with an address")?;
    let mut observer = Observer::open(client).await?;
    let (mut freed, mut trips) = (Vec::new(), Vec::new());
    for number in 0..times {
        // Looked at while the request is under way: its answer may come after what it leads to.
        let deletion = async {
            api.delete(&owner, &DeleteParams::default())
                .await
                .map_err(Into::into)
        };
        let next = async {
            observer.until(observer::is_deleted).await?;
            let start = Instant::now();
            let next = observer.until(observer::has_address).await?;
            Ok::<_, anyhow::Error>((next, start.elapsed()))
        };
        let (_, (next, took)) = futures::try_join!(deletion, next)?;
        freed.push(took);
        owner = next;
        let start = Instant::now();
        let body = status(number);
        let written = async { patch_status(&api, "trip", &body).await.map_err(Into::into) };
        let seen = async {
            observer.until(observer::has_address).await?;
            Ok::<_, anyhow::Error>(start.elapsed())
        };
        trips.push(futures::try_join!(written, seen)?.1);
    }
    Ok((freed, trips))
}

/// Resource, subresource and verb.
pub(crate) type Request = (String, String, String);

/// Requests the API server has served, by resource, subresource and verb.
pub(crate) async fn requests(client: &Client) -> Result<BTreeMap<Request, f64>> {
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
