//! Services: the commands by which each keeps its addresses and its sharing when MetalLB goes.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt as _;
use lightship_crd::{annotation, class};

use super::metallb::Found;
use super::pool::{Converted, LABEL};
use super::{Import, Lost};

/// MetalLB's annotations, each with its older spelling.
const POOL: [&str; 2] = ["metallb.io/address-pool", "metallb.universe.tf/address-pool"];
const ADDRESSES: [&str; 2] = [
    "metallb.io/loadBalancerIPs",
    "metallb.universe.tf/loadBalancerIPs",
];
const SHARED: [&str; 2] = [
    "metallb.io/allow-shared-ip",
    "metallb.universe.tf/allow-shared-ip",
];

pub(super) fn convert(found: &Found, pools: &[Converted], import: &mut Import) {
    let balanced = |one: &&Service| {
        let type_ = one.spec.as_ref().and_then(|spec| spec.type_.as_deref());
        type_ == Some("LoadBalancer")
    };
    for service in found.services.iter().filter(balanced) {
        let (namespace, name) = (
            service.namespace().unwrap_or_else(|| "default".to_owned()),
            service.name_any(),
        );
        let spec = service.spec.as_ref();
        if let Some(class) = spec.and_then(|spec| spec.load_balancer_class.as_deref()) {
            import.not_carried_over.push(Lost {
                object: format!("Service/{namespace}/{name}"),
                what: format!(
                    "its loadBalancerClass {class} cannot be changed; make it anew without one, or with {}",
                    class::L2_ANNOUNCER
                ),
            });
            continue;
        }
        let addresses = addresses(service);
        let in_pool = |address: &IpAddr| {
            pools
                .iter()
                .find(|pool| pool.ranges.iter().any(|range| range.contains(*address)))
        };
        // Somebody else's addresses are none of MetalLB's.
        let asked = value(service, &ADDRESSES).is_some();
        if !asked && !addresses.is_empty() && !addresses.iter().any(|address| in_pool(address).is_some()) {
            continue;
        }
        let mut annotations = Vec::new();
        if !addresses.is_empty() {
            let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            annotations.push(format!("{}={}", annotation::IPS.name, list.join(",")));
        }
        if let Some(key) = value(service, &SHARED) {
            annotations.push(format!("{}={}", annotation::SHARING_KEY.name, quoted(key)));
            // There a key is shared by all namespaces.
            annotations.push(format!("{}='*'", annotation::SHARING_CROSS_NAMESPACE.name));
        }
        let pool = value(service, &POOL).map(str::to_owned);
        if let Some(pool) = &pool {
            annotations.push(format!("{}={}", annotation::POOL.name, quoted(pool)));
        }
        let pool = pool.or_else(|| addresses.iter().find_map(in_pool).map(|pool| pool.name.clone()));
        let labelled = pools
            .iter()
            .find(|one| one.by_label && Some(&one.name) == pool.as_ref());
        if !annotations.is_empty() {
            import.commands.push(format!(
                "kubectl -n {namespace} annotate service {name} --overwrite {}",
                annotations.join(" ")
            ));
        }
        if let Some(pool) = labelled {
            import.commands.push(format!(
                "kubectl -n {namespace} label service {name} --overwrite {LABEL}={}",
                pool.name
            ));
        }
    }
}

/// What it has, else what it asks for.
fn addresses(service: &Service) -> Vec<IpAddr> {
    let status = service.status.as_ref();
    let ingress = status.and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref());
    let shown: Vec<IpAddr> = ingress
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ip.as_deref()?.parse().ok())
        .collect();
    if !shown.is_empty() {
        return shown;
    }
    let asked = value(service, &ADDRESSES).unwrap_or_default();
    asked
        .split(',')
        .filter_map(|item| item.trim().parse().ok())
        .collect()
}

fn value<'a>(service: &'a Service, spellings: &[&str; 2]) -> Option<&'a str> {
    let annotations = service.annotations();
    let found = spellings.iter().find_map(|key| annotations.get(*key));
    found.map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// As a shell takes it.
fn quoted(text: &str) -> String {
    let plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_./:".contains(c));
    if plain {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
