//! Pools: blocks, what is kept back, who may use them, in which order.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use kube::ResourceExt as _;
use lightship_core::ipam::{BlockError, BlockText, FirstLast, Range};
use lightship_crd::{
    Block, Cidr, CiliumLoadBalancerIPPool, LabelSelector, Operator, PoolSpec, Requirement, Reserved,
    annotation, label,
};

use super::metallb::{self, Found, Object, ServiceAllocation};
use super::{Import, Lost};

/// A pool as it was and as it is here.
pub(super) struct Converted {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) ranges: Vec<Range>,
    /// Services need this label to use it.
    pub(super) by_label: bool,
    pub(super) selector: Option<LabelSelector>,
}

/// The label that stands for the name of a pool where MetalLB's choice of services cannot be said otherwise.
pub(super) const LABEL: &str = annotation::POOL.name;

/// So many entries the API server accepts.
const MOST_RESERVED: usize = 1024;

pub(super) fn convert(found: &Found, import: &mut Import) -> Vec<Converted> {
    let ranks = ranks(&found.pools);
    let mut all = Vec::new();
    for pool in &found.pools {
        let name = pool.metadata.name.clone();
        let mut lost = |what: String| {
            import.not_carried_over.push(Lost {
                object: format!("IPAddressPool/{name}"),
                what,
            });
        };
        let (mut blocks, mut ranges) = (Vec::new(), Vec::new());
        for text in &pool.spec.addresses {
            match block(text) {
                Ok((block, range)) => {
                    blocks.push(block);
                    ranges.push(range);
                }
                Err(_) => lost(format!(
                    "{text:?} is no network and no range of addresses; correct it"
                )),
            }
        }
        let reserved = if pool.spec.avoid_buggy_ips {
            buggy(&ranges).unwrap_or_else(|| {
                lost("avoidBuggyIPs: it has too many addresses that end in .0 and .255 to keep each back; split it".to_owned());
                vec![]
            })
        } else {
            vec![]
        };
        let (selector, by_label) = selector(found, pool, &mut lost);
        let mut converted = CiliumLoadBalancerIPPool::new(
            &name,
            PoolSpec {
                blocks,
                service_selector: selector.clone(),
                priority: pool
                    .spec
                    .service_allocation
                    .as_ref()
                    .and_then(|allocation| ranks.get(&allocation.priority).copied()),
                reserved,
                ..PoolSpec::default()
            },
        );
        if !pool.metadata.labels.is_empty() {
            converted.metadata.labels = Some(pool.metadata.labels.clone());
        }
        import.pools.push(converted);
        all.push(Converted {
            name,
            labels: pool.metadata.labels.clone(),
            ranges,
            by_label,
            selector,
        });
    }
    all
}

/// Here the higher number comes first, and absent is last as 0 is there.
fn ranks(pools: &[Object<metallb::PoolSpec>]) -> BTreeMap<i64, i32> {
    let allocations = pools
        .iter()
        .filter_map(|pool| pool.spec.service_allocation.as_ref());
    let distinct: BTreeSet<i64> = allocations
        .map(|allocation| allocation.priority)
        .filter(|priority| *priority > 0)
        .collect();
    distinct.into_iter().rev().zip(1..).collect()
}

fn block(text: &str) -> Result<(Block, Range), BlockError> {
    let text = text.trim();
    if let Some((start, stop)) = text.split_once('-') {
        let (start, stop) = (start.trim(), stop.trim());
        let range = BlockText::range(start, stop).read(FirstLast::Allowed)?.range;
        let block = Block {
            start: Some(start.to_owned()),
            stop: Some(stop.to_owned()),
            ..Block::default()
        };
        return Ok((block, range));
    }
    let range = BlockText::cidr(text).read(FirstLast::Allowed)?.range;
    let block = Block {
        cidr: Some(Cidr::from(text)),
        ..Block::default()
    };
    Ok((block, range))
}

/// Every IPv4 address that ends in .0 or .255; none if there are too many to name.
fn buggy(ranges: &[Range]) -> Option<Vec<Reserved>> {
    let mut all = Vec::new();
    for range in ranges {
        let (IpAddr::V4(first), IpAddr::V4(last)) = range.ends() else {
            continue;
        };
        let (first, last) = (u32::from(first), u32::from(last));
        for network in first >> 8..=last >> 8 {
            let ends = [network << 8, network << 8 | 255];
            let inside = ends.into_iter().filter(|end| (first..=last).contains(end));
            all.extend(inside.map(|end| Reserved::from(Ipv4Addr::from(end).to_string().as_str())));
            if all.len() > MOST_RESERVED {
                return None;
            }
        }
    }
    Some(all)
}

/// The selector that serves the same services, and whether they need a label for it.
fn selector(
    found: &Found,
    pool: &Object<metallb::PoolSpec>,
    lost: &mut impl FnMut(String),
) -> (Option<LabelSelector>, bool) {
    let name = &pool.metadata.name;
    let by_label = || {
        let labels = [(LABEL.to_owned(), name.clone())];
        (
            Some(LabelSelector {
                match_labels: labels.into(),
                ..LabelSelector::default()
            }),
            true,
        )
    };
    if pool.spec.auto_assign == Some(false) {
        lost(format!(
            "autoAssign: false: here a service needs the label {LABEL}={name} to get an address of it; those that have one \
             are labelled by the commands below"
        ));
        return by_label();
    }
    let Some(allocation) = &pool.spec.service_allocation else {
        return (None, false);
    };
    let Some(namespaces) = namespaces(found, allocation) else {
        lost(format!(
            "serviceAllocation.namespaceSelectors: the namespaces' labels are not known; ask the cluster (without -f), or \
             label the services {LABEL}={name}"
        ));
        return by_label();
    };
    let Some(mut selector) = united(&allocation.service_selectors) else {
        lost(format!(
            "serviceAllocation.serviceSelectors: a pool has one selector here, and these cannot be made one; label the \
             services {LABEL}={name}"
        ));
        return by_label();
    };
    if !allocation.namespace_selectors.is_empty() {
        lost(format!(
            "serviceAllocation.namespaceSelectors: they select {} now; namespaces that come later have to be added",
            namespaces.iter().cloned().collect::<Vec<_>>().join(", ")
        ));
    }
    if !(allocation.namespaces.is_empty() && allocation.namespace_selectors.is_empty()) {
        selector.match_expressions.push(Requirement {
            key: label::SERVICE_NAMESPACE.to_owned(),
            operator: Operator::In,
            values: namespaces.into_iter().collect(),
        });
    }
    ((selector != LabelSelector::default()).then_some(selector), false)
}

/// The namespaces that are named or selected; none if labels matter that are not known.
fn namespaces(found: &Found, allocation: &ServiceAllocation) -> Option<BTreeSet<String>> {
    let mut all: BTreeSet<String> = allocation.namespaces.iter().cloned().collect();
    for selector in &allocation.namespace_selectors {
        let known = found.namespaces.as_ref()?;
        let matching = known.iter().filter(|one| matches(selector, one.labels()));
        all.extend(matching.map(kube::ResourceExt::name_any));
    }
    Some(all)
}

/// One selector for any of several: the only one, or values of the same label.
pub(super) fn united(selectors: &[LabelSelector]) -> Option<LabelSelector> {
    match selectors {
        [] => return Some(LabelSelector::default()),
        [only] => return Some(only.clone()),
        _ => {}
    }
    let mut key = None;
    let mut values = Vec::new();
    for selector in selectors {
        let (this, these) = match (
            selector.match_labels.iter().collect::<Vec<_>>().as_slice(),
            selector.match_expressions.as_slice(),
        ) {
            ([(key, value)], []) => ((*key).clone(), vec![(*value).clone()]),
            ([], [one]) if one.operator == Operator::In => (one.key.clone(), one.values.clone()),
            _ => return None,
        };
        if *key.get_or_insert_with(|| this.clone()) != this {
            return None;
        }
        values.extend(these);
    }
    Some(LabelSelector {
        match_expressions: vec![Requirement {
            key: key?,
            operator: Operator::In,
            values,
        }],
        ..LabelSelector::default()
    })
}

/// Whether labels meet a selector.
pub(super) fn matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let of = |one: &Requirement| {
        let value = labels.get(&one.key);
        let among = value.is_some_and(|value| one.values.contains(value));
        match one.operator {
            Operator::In => among,
            Operator::NotIn => !among,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    };
    selector
        .match_labels
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
        && selector.match_expressions.iter().all(of)
}
