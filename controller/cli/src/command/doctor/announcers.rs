//! Others that give addresses or announce them: two that do it for the same services fight.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, PodSpec};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use lightship_core::cilium;
use lightship_crd::class;

use super::Check;

const ANNOUNCERS: &str = "announcers";

/// Who is known, by a part of the names of their images.
const KNOWN: [(&str, &[&str]); 4] = [
    (
        "MetalLB",
        &[
            "metallb/controller",
            "metallb/speaker",
            "metallb-controller",
            "metallb-speaker",
        ],
    ),
    ("kube-vip", &["kube-vip/kube-vip", "kube-vip-cloud-provider"]),
    ("PureLB", &["purelb/allocator", "purelb/lbnodeagent"]),
    ("OpenELB", &["openelb/openelb", "kubesphere/openelb"]),
];

pub(super) async fn checks(client: &Client) -> Vec<Check> {
    let everything = ListParams::default();
    let sets = Api::<DaemonSet>::all(client.clone()).list(&everything).await;
    let deployments = Api::<Deployment>::all(client.clone()).list(&everything).await;
    let mut checks = Vec::new();
    for namespace in cilium::NAMESPACES {
        let settings = Api::<ConfigMap>::namespaced(client.clone(), namespace)
            .get_opt(cilium::SETTINGS)
            .await;
        match settings {
            Ok(Some(settings)) => checks.extend(judge_cilium(&settings.data.unwrap_or_default())),
            Ok(None) => {}
            Err(error) => checks.push(Check::unknown(ANNOUNCERS, &error)),
        }
    }
    match (sets, deployments) {
        (Ok(sets), Ok(deployments)) => {
            let of_sets = sets
                .items
                .iter()
                .filter_map(|one| Some((one.namespace()?, one.spec.as_ref()?.template.spec.as_ref()?)));
            let of_deployments = deployments
                .items
                .iter()
                .filter_map(|one| Some((one.namespace()?, one.spec.as_ref()?.template.spec.as_ref()?)));
            checks.extend(judge_pods(of_sets.chain(of_deployments)));
        }
        (Err(error), _) | (_, Err(error)) => checks.push(Check::unknown(ANNOUNCERS, &error)),
    }
    if checks.is_empty() {
        checks.push(Check::ok(ANNOUNCERS, "nobody else gives or announces addresses"));
    }
    checks
}

fn judge_cilium(settings: &BTreeMap<String, String>) -> Vec<Check> {
    let rivals = cilium::rivals(settings);
    if rivals.is_empty() {
        return vec![Check::ok(
            ANNOUNCERS,
            "Cilium leaves LoadBalancer addresses to others",
        )];
    }
    let each = rivals.into_iter();
    each.map(|rival| Check::fail(ANNOUNCERS, rival.to_string(), rival.remedy()))
        .collect()
}

fn judge_pods<'a>(pods: impl Iterator<Item = (String, &'a PodSpec)>) -> Vec<Check> {
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    for (namespace, spec) in pods {
        let images = spec.containers.iter().filter_map(|one| one.image.as_deref());
        for image in images {
            let known = KNOWN
                .iter()
                .find(|(_, parts)| parts.iter().any(|part| image.contains(part)));
            if let Some((name, _)) = known {
                found.entry(name).or_insert_with(|| namespace.clone());
            }
        }
    }
    let each = found.into_iter().map(|(name, namespace)| {
        let import = if name == "MetalLB" {
            ", or move over: lightship import metallb"
        } else {
            ""
        };
        Check::warn(
            ANNOUNCERS,
            format!(
                "{name} runs in namespace {namespace}: who serves a service has to be settled by its class"
            ),
            format!(
                "give our services spec.loadBalancerClass: {} and run the operator with \
                 --default-lb-service-ipam=none{import}",
                class::L2_ANNOUNCER
            ),
        )
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn others_are_known_by_their_images_and_told_once() {
        let pod = |image: &str| -> PodSpec {
            serde_json::from_value(json!({"containers": [{"name": "a", "image": image}]})).unwrap()
        };
        let pods = [
            pod("quay.io/metallb/controller:v0.15.2"),
            pod("quay.io/metallb/speaker:v0.15.2"),
            pod("ghcr.io/kube-vip/kube-vip:v1.0.0"),
            pod("nginx"),
        ];
        let found = judge_pods(pods.iter().map(|pod| ("there".to_owned(), pod)));
        let names: Vec<_> = found
            .iter()
            .map(|check| check.found.split(' ').next().unwrap())
            .collect();
        assert_eq!(names, ["MetalLB", "kube-vip"]);
    }
}
