//! The yardstick of a new address and of a deleted one: the same way through the API server with nothing decided on it. Who
//! watches one object writes another, as the operator does; who watches that one, as the agents do, knows.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::stream::{BoxStream, StreamExt as _};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use serde::de::DeserializeOwned;
use serde_json::json;

/// How long the way took, each time.
#[derive(Default)]
pub(crate) struct Chain {
    pub(crate) created: Vec<Duration>,
    pub(crate) deleted: Vec<Duration>,
}

/// An object of this name is created and deleted so often.
pub(crate) async fn run(client: &Client, runs: u32) -> Result<Chain> {
    let first: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let second: Api<Lease> = Api::namespaced(client.clone(), "default");
    let mut chain = Chain::default();
    for run in 0..runs {
        let name = format!("chain-{run}");
        let mut asked = follow(&first, &name).await?;
        let mut bound = follow(&second, &name).await?;
        // The watches took the connections that were open; those of the writes are not to be opened while time is taken.
        let any = ListParams::default().limit(1);
        futures::try_join!(first.list(&any), second.list(&any))?;
        let config: ConfigMap = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        let lease: Lease = serde_json::from_value(json!({"metadata": {"name": name}, "spec": {}}))?;

        let (post, delete) = (PostParams::default(), DeleteParams::default());
        let created = first.create(&post, &config);
        let bind = second.create(&post, &lease);
        chain
            .created
            .push(trip(created, bind, &mut asked, &mut bound).await?);
        let deleted = first.delete(&name, &delete);
        let unbind = second.delete(&name, &delete);
        chain
            .deleted
            .push(trip(deleted, unbind, &mut asked, &mut bound).await?);
    }
    Ok(chain)
}

/// How long it takes from a request until its `answer`, sent when the request is heard of, is heard of itself.
async fn trip<A, B, K, L>(
    request: impl Future<Output = kube::Result<A>>,
    answer: impl Future<Output = kube::Result<B>>,
    asked: &mut Events<K>,
    bound: &mut Events<L>,
) -> Result<Duration> {
    let sent = Instant::now();
    let request = async { request.await.map(drop).map_err(anyhow::Error::from) };
    let answer = async {
        event(asked).await?;
        answer.await.map(drop).map_err(anyhow::Error::from)
    };
    let heard = async {
        event(bound).await?;
        anyhow::Ok(sent.elapsed())
    };
    let ((), (), took) = futures::try_join!(request, answer, heard)?;
    Ok(took)
}

type Events<K> = BoxStream<'static, kube::Result<WatchEvent<K>>>;

/// Watches one name from now on.
async fn follow<K>(api: &Api<K>, name: &str) -> Result<Events<K>>
where
    K: Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let now = api.list(&ListParams::default().limit(1)).await?.metadata;
    let named = WatchParams::default().fields(&format!("metadata.name={name}"));
    let version = now.resource_version.unwrap_or_default();
    Ok(api.watch(&named, &version).await?.boxed())
}

/// The next change.
async fn event<K>(events: &mut Events<K>) -> Result<()> {
    loop {
        match events.next().await.context("the watch ended")?? {
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(error) => bail!("the watch failed: {error:?}"),
            WatchEvent::Added(_) | WatchEvent::Modified(_) | WatchEvent::Deleted(_) => return Ok(()),
        }
    }
}
