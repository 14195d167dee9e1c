//! Services put into the store beneath the API server. Through it each one costs the more the more there are: its allocator of
//! cluster IPs counts them all again every time (26,000 services: 45 ms each), which is nobody's subject here. So these have none.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::api::{Api, ListParams};
use lightship_core::placement::Unwanted;
use lightship_crd::condition::service::{ANNOUNCED, REASON_NO_POLICY, REASON_SATISFIED, REQUEST_SATISFIED};
use lightship_crd::field_owner;
use lightship_tests::Lab;
use lightship_tests::lab::host::FABRIC;
use serde_json::{Value, json};

const CREATED: &str = "2026-01-01T00:00:00Z";

/// How long the API server may take to know what was stored.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// The store takes no more changes at once.
const AT_ONCE: usize = 128;

/// What the status of stored services says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Nothing.
    Empty,
    /// That each has an address of 10.16.0.0/12 that no policy announces, as the operator wrote it.
    Satisfied,
}

/// Stores services of type `LoadBalancer`, numbered from zero, and waits until the API server knows them.
pub(crate) async fn create(lab: &Lab, client: &Client, count: u32, status: Status) -> Result<()> {
    let changes = (0..count).map(|number| put(number, status));
    let changes: Vec<Value> = changes.collect::<Result<_>>()?;
    for changes in changes.chunks(AT_ONCE) {
        let argv = [
            "curl",
            "--silent",
            "--fail-with-body",
            "--max-time",
            "30",
            "--data-binary",
            "@-",
            "http://127.0.0.1:2379/v3/kv/txn",
        ];
        lab.tool(FABRIC, &argv)?
            .input(json!({ "success": changes }).to_string())
            .run()
            .context("failed to store services")?;
    }
    let api: Api<Service> = Api::default_namespaced(client.clone());
    let deadline = Instant::now() + LONGEST_WAIT;
    loop {
        // Its cache follows what others put into the store.
        let known = api
            .list_metadata(&ListParams::default())
            .await
            .context("failed to list what was stored")?;
        let known = known.items.iter().filter(|one| {
            let name = one.metadata.name.as_deref().unwrap_or_default();
            name.starts_with("bench-")
        });
        let known = known.count();
        if known == count as usize {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "the API server knows {known} of {count} services"
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn put(number: u32, status: Status) -> Result<Value> {
    let name = super::api::name(number);
    let (status, status_manager) = match status {
        Status::Empty => (json!({"loadBalancer": {}}), None),
        Status::Satisfied => (satisfied(number), Some(operator())),
    };
    // Without an entry the API server would not note who writes the status.
    let managers = [json!({
        "manager": "bench",
        "operation": "Update",
        "apiVersion": "v1",
        "time": CREATED,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:type": {}}},
    })];
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": format!("00000000-0000-4000-8000-{number:012}"),
            "creationTimestamp": CREATED,
            "managedFields": managers.into_iter().chain(status_manager).collect::<Vec<_>>(),
        },
        "spec": {
            "type": "LoadBalancer",
            "allocateLoadBalancerNodePorts": false,
            "externalTrafficPolicy": "Cluster",
            "internalTrafficPolicy": "Cluster",
            "sessionAffinity": "None",
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        },
        "status": status,
    });
    let key = format!("/registry/services/specs/default/{name}");
    let (key, value) = (
        ByteString(key.into_bytes()),
        ByteString(serde_json::to_vec(&service)?),
    );
    Ok(json!({"requestPut": {"key": key, "value": value}}))
}

/// The status of a service with an address of 10.16.0.0/12 that no policy announces, in the operator's words.
pub(crate) fn satisfied(number: u32) -> Value {
    let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 16, 0, 0)) + number);
    json!({
        "loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"}]},
        "conditions": [
            {
                "type": REQUEST_SATISFIED, "status": "True", "reason": REASON_SATISFIED, "message": "",
                "lastTransitionTime": CREATED,
            },
            {
                "type": ANNOUNCED, "status": "False", "reason": REASON_NO_POLICY,
                "message": Unwanted::NoPolicy.to_string(), "lastTransitionTime": CREATED,
            },
        ],
    })
}

/// The record of who wrote such a status.
fn operator() -> Value {
    json!({
        "manager": field_owner::OPERATOR,
        "operation": "Update",
        "apiVersion": "v1",
        "time": CREATED,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:status": {
            "f:conditions": {".": {}, "k:{\"type\":\"cilium.io/IPAMRequestSatisfied\"}": {".": {}, "f:type": {}}},
            "f:loadBalancer": {"f:ingress": {}},
        }},
        "subresource": "status",
    })
}
