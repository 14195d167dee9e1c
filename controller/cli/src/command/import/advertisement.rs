//! L2 advertisements: which nodes announce which pools' services, on which interfaces. Policies add up here as the
//! selectors of one advertisement do there, so each of its node selectors becomes a policy.

use lightship_crd::{CiliumL2AnnouncementPolicy, LabelSelector, PolicySpec};

use super::metallb::{AdvertisementSpec, Found, Object};
use super::pool::{Converted, LABEL, matches, united};
use super::{Import, Lost};

pub(super) fn convert(found: &Found, pools: &[Converted], import: &mut Import) {
    if found.advertisements.is_empty() && !pools.is_empty() {
        import.not_carried_over.push(Lost {
            object: "L2Advertisement".to_owned(),
            what: "there is none, so MetalLB announces nothing by ARP and NDP; create a CiliumL2AnnouncementPolicy if you want \
                   that"
            .to_owned(),
        });
    }
    for one in &found.advertisements {
        let name = &one.metadata.name;
        let mut lost = |what: String| {
            import.not_carried_over.push(Lost {
                object: format!("L2Advertisement/{name}"),
                what,
            });
        };
        let services = services(&one.spec, pools, &mut lost);
        let interfaces: Vec<_> = one.spec.interfaces.iter().map(|name| exactly(name)).collect();
        let several = one.spec.node_selectors.len() > 1;
        let nodes: Vec<Option<LabelSelector>> = if one.spec.node_selectors.is_empty() {
            vec![None]
        } else {
            one.spec.node_selectors.iter().cloned().map(Some).collect()
        };
        for (number, node_selector) in nodes.into_iter().enumerate() {
            let name = if several {
                format!("{name}-{}", number + 1)
            } else {
                name.clone()
            };
            for (index, service_selector) in services.iter().enumerate() {
                let name = if services.len() > 1 {
                    format!("{name}-{}", index + 1)
                } else {
                    name.clone()
                };
                import.policies.push(CiliumL2AnnouncementPolicy::new(
                    &name,
                    PolicySpec {
                        node_selector: node_selector.clone(),
                        service_selector: service_selector.clone(),
                        load_balancer_ips: Some(true),
                        external_ips: None,
                        interfaces: interfaces.clone(),
                    },
                ));
            }
        }
    }
    doubled(found, import);
}

/// The selectors of services, one policy each.
fn services(
    spec: &AdvertisementSpec,
    pools: &[Converted],
    lost: &mut impl FnMut(String),
) -> Vec<Option<LabelSelector>> {
    let chosen = |pool: &Converted| {
        (spec.ip_address_pools.is_empty() && spec.ip_address_pool_selectors.is_empty())
            || spec.ip_address_pools.contains(&pool.name)
            || spec
                .ip_address_pool_selectors
                .iter()
                .any(|selector| matches(selector, &pool.labels))
    };
    for unknown in spec
        .ip_address_pools
        .iter()
        .filter(|name| !pools.iter().any(|pool| pool.name == **name))
    {
        lost(format!("ipAddressPools: there is no pool {unknown}"));
    }
    let named: Vec<_> = pools.iter().filter(|pool| chosen(pool)).collect();
    if !spec.service_selectors.is_empty() {
        if named.len() < pools.len() {
            lost("ipAddressPools: a policy selects services, not pools; here the serviceSelectors alone decide".to_owned());
        }
        return match united(&spec.service_selectors) {
            Some(selector) => vec![Some(selector)],
            None => spec.service_selectors.iter().cloned().map(Some).collect(),
        };
    }
    if named.len() == pools.len() {
        return vec![None];
    }
    // A policy for each pool that is advertised, where the pool's own selector says which services it has.
    let each = named.into_iter().map(|pool| {
        if pool.selector.is_none() {
            lost(format!(
                "ipAddressPools: a policy selects services, not pools, and pool {0} serves any service: here only services \
                 labelled {LABEL}={0} are announced; label them, or take the serviceSelector out of the policy",
                pool.name
            ));
            let labels = [(LABEL.to_owned(), pool.name.clone())];
            return Some(LabelSelector {
                match_labels: labels.into(),
                ..LabelSelector::default()
            });
        }
        pool.selector.clone()
    });
    each.collect()
}

/// MetalLB lets nodes and interfaces of several advertisements of one pool mix; here each policy stands for itself.
fn doubled(found: &Found, import: &mut Import) {
    let all: Vec<&Object<AdvertisementSpec>> = found.advertisements.iter().collect();
    let picky = all.iter().any(|one| !one.spec.interfaces.is_empty());
    if all.len() > 1 && picky {
        import.not_carried_over.push(Lost {
            object: "L2Advertisement".to_owned(),
            what: "several of them, and some name interfaces: MetalLB joins the interfaces of all that match a service, here \
                   each policy's nodes announce on that policy's interfaces only; look whether that is what you want"
                .to_owned(),
        });
    }
}

/// A regular expression for one name.
fn exactly(name: &str) -> String {
    let escaped: String = name
        .chars()
        .flat_map(|c| {
            let special = !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '@'));
            special.then_some('\\').into_iter().chain(std::iter::once(c))
        })
        .collect();
    format!("^{escaped}$")
}
