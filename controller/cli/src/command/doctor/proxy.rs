//! kube-proxy: in IPVS mode it gives every node the addresses, and the node's kernel answers for them too.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use serde_json::Value;

use super::Check;

const PROXY: &str = "kube-proxy";

/// Where kubeadm keeps kube-proxy's settings: namespace, object, key.
const SETTINGS: [&str; 3] = ["kube-system", "kube-proxy", "config.conf"];

pub(super) async fn check(client: &Client) -> Check {
    let [namespace, name, key] = SETTINGS;
    let found = Api::<ConfigMap>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await;
    match found {
        Ok(Some(settings)) => judge(settings.data.unwrap_or_default().get(key).map(String::as_str)),
        Ok(None) => Check::ok(
            PROXY,
            "no settings of kube-proxy are kept in the cluster: each node tells by lightship doctor --here",
        ),
        Err(error) => Check::unknown(PROXY, &error),
    }
}

fn judge(settings: Option<&str>) -> Check {
    let settings: Value = settings
        .and_then(|text| serde_saphyr::from_str(text).ok())
        .unwrap_or_default();
    let mode = settings["mode"].as_str().unwrap_or_default();
    match (mode, settings["ipvs"]["strictARP"].as_bool()) {
        ("ipvs", Some(true)) => Check::ok(PROXY, "mode ipvs, strictARP is true"),
        ("ipvs", _) => Check::fail(
            PROXY,
            "mode ipvs without strictARP: every node answers ARP for every address",
            "kubectl -n kube-system edit configmap kube-proxy: ipvs.strictARP: true; then kubectl -n kube-system rollout \
             restart daemonset kube-proxy",
        ),
        ("", _) => Check::ok(PROXY, "mode iptables, its default"),
        (mode, _) => Check::ok(PROXY, format!("mode {mode}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn ipvs_needs_strict_arp() {
        for (settings, state) in [
            ("mode: nftables\n", State::Ok),
            ("mode: \"\"\nipvs: {strictARP: false}\n", State::Ok),
            ("mode: ipvs\nipvs: {strictARP: false}\n", State::Fail),
            ("mode: ipvs\n", State::Fail),
            ("mode: ipvs\nipvs: {strictARP: true}\n", State::Ok),
        ] {
            assert_eq!(judge(Some(settings)).state, state, "{settings}");
        }
    }
}
