//! A watch that looks at nothing but names and addresses, so that watching costs the measurement little.

use std::collections::HashSet;
use std::pin::Pin;

use anyhow::{Context as _, Result};
use futures::io::{AsyncBufRead, AsyncBufReadExt as _};
use futures::stream::StreamExt as _;
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::api::{Api, ListParams};

/// An open watch of all services.
pub(crate) struct Observer(futures::io::Lines<Pin<Box<dyn AsyncBufRead + Send>>>);

impl Observer {
    /// Watches from now on.
    pub(crate) async fn open(client: &Client) -> Result<Self> {
        let all: Api<Service> = Api::all(client.clone());
        let now = all.list(&ListParams::default().limit(1)).await?.metadata;
        let version = now.resource_version.unwrap_or_default();
        let uri = format!("/api/v1/services?watch=1&timeoutSeconds=3600&resourceVersion={version}");
        let stream = client
            .request_stream(http::Request::get(uri).body(vec![])?)
            .await?;
        let stream: Pin<Box<dyn AsyncBufRead + Send>> = Box::pin(stream);
        Ok(Self(stream.lines()))
    }

    /// Waits until so many services were seen with an address.
    pub(crate) async fn addresses(mut self, count: u32) -> Result<()> {
        let mut seen = HashSet::new();
        while seen.len() < usize::try_from(count)? {
            seen.insert(self.until(has_address).await?);
        }
        Ok(())
    }

    /// Waits for a change of this kind and says of which service.
    pub(crate) async fn until(&mut self, meant: impl Fn(&str) -> bool) -> Result<String> {
        loop {
            let line = self.0.next().await;
            let line = line.context("failed to watch services: the watch ended")??;
            if meant(&line) {
                return Ok(name(&line).to_owned());
            }
        }
    }
}

/// Whether a change says that the service is gone.
pub(crate) fn is_deleted(change: &str) -> bool {
    change.starts_with(r#"{"type":"DELETED""#)
}

/// Whether a change says that the service's request is judged.
pub(crate) fn is_judged(change: &str) -> bool {
    change.contains(r#""type":"cilium.io/IPAMRequestSatisfied""#)
}

/// Whether a change says that the service is there and shows an address.
pub(crate) fn has_address(change: &str) -> bool {
    !is_deleted(change) && change.contains(r#""ingress":[{"ip":"#)
}

/// The API server writes an object's name first in its metadata, and its metadata before everything else.
fn name(line: &str) -> &str {
    let behind = line.split_once(r#""name":""#).map(|(_, behind)| behind);
    behind.and_then(|text| text.split('"').next()).unwrap_or_default()
}
