//! Cilium in the same cluster: what of it does the same as we, by its own settings.

use std::collections::BTreeMap;
use std::fmt;

/// The namespaces that Cilium's settings are looked for in.
pub const NAMESPACES: [&str; 2] = ["kube-system", "cilium"];

/// The `ConfigMap` that holds its settings.
pub const SETTINGS: &str = "cilium-config";

/// A part of Cilium that serves what we serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rival {
    /// It gives addresses of the same pools to the same services.
    LbIpam,
    /// Its agents answer for the same addresses.
    L2Announcements,
}

/// The parts that are on. LB-IPAM has a setting since 1.17 and is on where nothing is said.
#[must_use]
pub fn rivals(settings: &BTreeMap<String, String>) -> Vec<Rival> {
    let on = |key: &str, default: bool| settings.get(key).map_or(default, |value| value.trim() == "true");
    let both = [
        (on("enable-lb-ipam", true), Rival::LbIpam),
        (on("enable-l2-announcements", false), Rival::L2Announcements),
    ];
    both.into_iter()
        .filter(|(on, _)| *on)
        .map(|(_, rival)| rival)
        .collect()
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LbIpam => {
                "Cilium's LB-IPAM is on: it gives addresses of the same pools to the same services"
            }
            Self::L2Announcements => {
                "Cilium's L2 announcements are on: its agents answer for the same addresses"
            }
        })
    }
}

impl Rival {
    /// What turns it off.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::LbIpam => {
                "helm upgrade cilium cilium/cilium -n kube-system --reuse-values --set enableLBIPAM=false; then kubectl -n \
                 kube-system rollout restart deployment/cilium-operator"
            }
            Self::L2Announcements => {
                "helm upgrade cilium cilium/cilium -n kube-system --reuse-values --set l2announcements.enabled=false; then \
                 kubectl -n kube-system rollout restart daemonset/cilium"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Vec<Rival> {
        let settings = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        rivals(&settings.collect())
    }

    #[test]
    fn lb_ipam_is_on_unless_it_is_turned_off() {
        assert_eq!(of(&[]), [Rival::LbIpam]);
        assert_eq!(of(&[("enable-lb-ipam", "false")]), []);
        let both = [("enable-lb-ipam", "true"), ("enable-l2-announcements", "true")];
        assert_eq!(of(&both), [Rival::LbIpam, Rival::L2Announcements]);
    }
}
