//! MetalLB's kinds, as far as they matter here (metallb.io/v1beta1 and v1beta2).

use k8s_openapi::api::core::v1::{Namespace, Service};
use lightship_crd::LabelSelector;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Lost;

pub(super) const GROUP: &str = "metallb.io";

/// Versions and kinds, those without a like here too: they are reported.
pub(super) const KINDS: [(&str, &str); 6] = [
    ("v1beta1", "IPAddressPool"),
    ("v1beta1", "L2Advertisement"),
    ("v1beta1", "BGPAdvertisement"),
    ("v1beta2", "BGPPeer"),
    ("v1beta1", "BFDProfile"),
    ("v1beta1", "Community"),
];

#[derive(Clone, Debug, Deserialize)]
#[serde(bound = "S: Default + Deserialize<'de>")]
pub(super) struct Object<S> {
    pub(super) metadata: Metadata,
    /// An advertisement of everything everywhere has none.
    #[serde(default)]
    pub(super) spec: S,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) name: String,
    #[serde(default)]
    pub(super) labels: std::collections::BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PoolSpec {
    #[serde(default)]
    pub(super) addresses: Vec<String>,
    pub(super) auto_assign: Option<bool>,
    #[serde(default, rename = "avoidBuggyIPs")]
    pub(super) avoid_buggy_ips: bool,
    pub(super) service_allocation: Option<ServiceAllocation>,
}

/// Who may use a pool: any of the namespaces, and any of the service selectors.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceAllocation {
    /// The lowest number comes first; 0 is last.
    #[serde(default)]
    pub(super) priority: i64,
    #[serde(default)]
    pub(super) namespaces: Vec<String>,
    #[serde(default)]
    pub(super) namespace_selectors: Vec<LabelSelector>,
    #[serde(default)]
    pub(super) service_selectors: Vec<LabelSelector>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AdvertisementSpec {
    #[serde(default, rename = "ipAddressPools")]
    pub(super) ip_address_pools: Vec<String>,
    #[serde(default, rename = "ipAddressPoolSelectors")]
    pub(super) ip_address_pool_selectors: Vec<LabelSelector>,
    /// Any of them.
    #[serde(default)]
    pub(super) node_selectors: Vec<LabelSelector>,
    /// Names, not expressions.
    #[serde(default)]
    pub(super) interfaces: Vec<String>,
    /// Any of them.
    #[serde(default)]
    pub(super) service_selectors: Vec<LabelSelector>,
}

/// What was found in files or in the cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) pools: Vec<Object<PoolSpec>>,
    pub(super) advertisements: Vec<Object<AdvertisementSpec>>,
    pub(super) services: Vec<Service>,
    /// None where nobody said what labels the namespaces have.
    pub(super) namespaces: Option<Vec<Namespace>>,
    /// Objects that have no like here, or cannot be read.
    pub(super) strange: Vec<Lost>,
}

impl Found {
    /// Sorts an object, or each of a list, to its like.
    pub(super) fn add(&mut self, value: Value) {
        if let Some(items) = value["items"].as_array() {
            items.iter().cloned().for_each(|item| self.add(item));
            return;
        }
        let kind = value["kind"].as_str().unwrap_or_default().to_owned();
        let name = value["metadata"]["name"].as_str().unwrap_or_default();
        let object = format!("{kind}/{name}");
        let version = value["apiVersion"].as_str().unwrap_or_default();
        if version == "v1" {
            match kind.as_str() {
                "Service" => self
                    .services
                    .extend(self::typed(value, &object, &mut self.strange)),
                "Namespace" => {
                    let namespace = typed(value, &object, &mut self.strange);
                    self.namespaces.get_or_insert_default().extend(namespace);
                }
                "ConfigMap" if name == "config" => self.strange.push(Lost {
                    object,
                    what: "releases before 0.13 kept their settings so; turn them into IPAddressPools first"
                        .to_owned(),
                }),
                _ => {}
            }
            return;
        }
        if !version.starts_with(GROUP) {
            return;
        }
        match kind.as_str() {
            "IPAddressPool" => self.pools.extend(typed(value, &object, &mut self.strange)),
            "L2Advertisement" => self.advertisements.extend(typed(value, &object, &mut self.strange)),
            "AddressPool" => self.strange.push(Lost {
                object,
                what: "this kind is gone since 0.13.8; turn it into an IPAddressPool and an L2Advertisement first".to_owned(),
            }),
            "BGPAdvertisement" | "BGPPeer" | "BFDProfile" | "Community" => self.strange.push(Lost {
                object,
                what: "Lightship announces by ARP and NDP only; keep MetalLB for what routers learn by BGP, with a class of \
                       its own"
                    .to_owned(),
            }),
            // What MetalLB writes itself.
            _ => {}
        }
    }
}

fn typed<T: DeserializeOwned>(value: Value, object: &str, strange: &mut Vec<Lost>) -> Option<T> {
    serde_json::from_value(value)
        .map_err(|error| {
            strange.push(Lost {
                object: object.to_owned(),
                what: format!("it cannot be read: {error}"),
            });
        })
        .ok()
}
