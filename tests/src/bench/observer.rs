//! A watch that looks at nothing but names and addresses, so that watching costs the measurement little.

use std::collections::HashSet;
use std::pin::Pin;

use anyhow::{Result, ensure};
use futures::io::{AsyncBufRead, AsyncBufReadExt as _};
use futures::stream::StreamExt as _;
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::api::{Api, ListParams};

/// A watch of all services.
pub(crate) struct Observer {
    client: Client,
    /// Of the last change that was seen.
    version: String,
    changes: Changes,
}

type Changes = futures::io::Lines<Pin<Box<dyn AsyncBufRead + Send>>>;

impl Observer {
    /// Watches from now on.
    pub(crate) async fn open(client: &Client) -> Result<Self> {
        let all: Api<Service> = Api::all(client.clone());
        let now = all.list(&ListParams::default().limit(1)).await?.metadata;
        let version = now.resource_version.unwrap_or_default();
        let changes = changes(client, &version).await?;
        let client = client.clone();
        Ok(Self {
            client,
            version,
            changes,
        })
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
            let Some(line) = self.changes.next().await else {
                // The API server closes a watch that does not keep up, as on a busy machine.
                self.changes = changes(&self.client, &self.version).await?;
                continue;
            };
            let line = line?;
            ensure!(
                !line.starts_with(r#"{"type":"ERROR""#),
                "failed to watch services: {line}"
            );
            if let Some(version) = text(&line, r#""resourceVersion":""#) {
                version.clone_into(&mut self.version);
            }
            if meant(&line) {
                return Ok(text(&line, r#""name":""#).unwrap_or_default().to_owned());
            }
        }
    }
}

async fn changes(client: &Client, version: &str) -> Result<Changes> {
    let uri = format!("/api/v1/services?watch=1&timeoutSeconds=3600&resourceVersion={version}");
    let stream = client
        .request_stream(http::Request::get(uri).body(vec![])?)
        .await?;
    let stream: Pin<Box<dyn AsyncBufRead + Send>> = Box::pin(stream);
    Ok(stream.lines())
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

/// The text behind the first occurrence of a key: the API server writes an object's metadata before everything else.
fn text<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_once(key)?.1.split('"').next()
}
