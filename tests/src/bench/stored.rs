//! Services put into the store beneath the API server. Through it each one costs the more the more there are: its allocator of
//! cluster IPs counts them all again every time (26,000 services: 45 ms each), which is nobody's subject here. So these have none.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::api::{Api, ListParams};
use lightship_tests::Lab;
use lightship_tests::lab::host::FABRIC;
use serde_json::{Value, json};

/// The store takes no more changes at once.
const AT_ONCE: usize = 128;

/// Stores services of type `LoadBalancer`, numbered from zero, and waits until the API server knows them.
pub(crate) async fn create(lab: &Lab, client: &Client, count: u32) -> Result<()> {
    let changes: Vec<Value> = (0..count).map(put).collect::<Result<_>>()?;
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
    let known = api
        .list_metadata(&ListParams::default())
        .await
        .context("failed to list what was stored")?;
    let known = known.items.iter().filter(|one| {
        let name = one.metadata.name.as_deref().unwrap_or_default();
        name.starts_with("bench-")
    });
    let known = known.count();
    ensure!(
        known == count as usize,
        "the API server knows {known} of {count} services"
    );
    Ok(())
}

fn put(number: u32) -> Result<Value> {
    let name = super::api::name(number);
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": format!("00000000-0000-4000-8000-{number:012}"),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            // Without an entry the API server would not note who writes the status.
            "managedFields": [{
                "manager": "bench",
                "operation": "Update",
                "apiVersion": "v1",
                "time": "2026-01-01T00:00:00Z",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {"f:type": {}}},
            }],
        },
        "spec": {
            "type": "LoadBalancer",
            "allocateLoadBalancerNodePorts": false,
            "externalTrafficPolicy": "Cluster",
            "internalTrafficPolicy": "Cluster",
            "sessionAffinity": "None",
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        },
        "status": {"loadBalancer": {}},
    });
    let key = format!("/registry/services/specs/default/{name}");
    let (key, value) = (
        ByteString(key.into_bytes()),
        ByteString(serde_json::to_vec(&service)?),
    );
    Ok(json!({"requestPut": {"key": key, "value": value}}))
}
