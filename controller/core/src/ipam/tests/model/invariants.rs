//! What must hold after every event, worked out the slow way: every address and every pair is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::super::*;
use super::cluster::{Before, Cluster};
use super::event::address;
use super::operator::is_left_to_others;

type Held = BTreeMap<IpAddr, Vec<ServiceId>>;

pub(super) fn check(cluster: &Cluster, before: &Before) -> Result<(), String> {
    if let Some(broken) = cluster.doubled.as_ref().or(cluster.restarted.as_ref()) {
        return Err(broken.clone());
    }
    let mut held = Held::new();
    for id in cluster.operator.seen.keys() {
        for given in allocation(cluster, id).given {
            held.entry(given.address).or_default().push(id.clone());
        }
    }
    if let Some(frozen) = &cluster.frozen {
        counts_equal_a_recount(cluster, &held)?;
        return frozen.holds(cluster, before);
    }
    no_address_twice(cluster, &held)?;
    counts_equal_a_recount(cluster, &held)?;
    for id in cluster.operator.seen.keys() {
        nothing_left_while_it_waits(cluster, &held, id)?;
        nothing_lost_without_a_cause(cluster, before, &held, id)?;
        nothing_given_unasked(cluster, before, id)?;
    }
    Ok(())
}

fn allocation(cluster: &Cluster, id: &ServiceId) -> Allocation {
    cluster.operator.ipam.allocation(id).unwrap()
}

fn seen<'a>(cluster: &'a Cluster, id: &ServiceId) -> &'a Service {
    &cluster.operator.seen[id].1
}

fn all_addresses() -> BTreeSet<IpAddr> {
    (0..48).map(address).collect()
}

/// The sharing rules, once more.
pub(super) fn may_share(one: &Service, other: &Service) -> bool {
    let (Some(mine), Some(theirs)) = (&one.sharing, &other.sharing) else {
        return false;
    };
    let lists = |sharing: &Sharing, namespace: &str| match &sharing.namespaces {
        Namespaces::Own => false,
        Namespaces::Listed(listed) => listed.contains(namespace),
        Namespaces::All => true,
    };
    let namespaces = one.id.namespace == other.id.namespace
        || (lists(mine, &other.id.namespace) && lists(theirs, &one.id.namespace));
    let traffic = match (&mine.traffic, &theirs.traffic) {
        (Traffic::Cluster, Traffic::Cluster) => true,
        (
            Traffic::Local { pods, different },
            Traffic::Local {
                pods: p,
                different: d,
            },
        ) => {
            let opted = *different == DifferentPods::Permitted && *d == DifferentPods::Permitted;
            !pods.is_empty() && !p.is_empty() && (pods == p || opted)
        }
        _ => false,
    };
    mine.key == theirs.key && namespaces && mine.ports.is_disjoint(&theirs.ports) && traffic
}

fn no_address_twice(cluster: &Cluster, held: &Held) -> Result<(), String> {
    for (address, services) in held {
        for (place, one) in services.iter().enumerate() {
            for other in &services[place + 1..] {
                if !may_share(seen(cluster, one), seen(cluster, other)) {
                    return Err(format!("{one} and {other} both have {address}"));
                }
            }
        }
    }
    Ok(())
}

fn conflicting(cluster: &Cluster) -> BTreeSet<crate::names::PoolName> {
    let mut pools: Vec<_> = cluster.operator.pools.values().collect();
    pools.sort_by_key(|pool| (pool.created, &pool.name));
    let mut accepted: Vec<&PoolSpec> = Vec::new();
    let mut yielding = BTreeSet::new();
    for pool in pools {
        let within = pool.blocks.iter().enumerate().any(|(place, block)| {
            let earlier = &pool.blocks[..place];
            earlier.iter().any(|other| other.range.overlaps(&block.range))
        });
        let between = accepted.iter().any(|first| {
            let pairs = first
                .blocks
                .iter()
                .flat_map(|one| pool.blocks.iter().map(move |two| (one, two)));
            pairs.into_iter().any(|(one, two)| one.range.overlaps(&two.range))
        });
        if within || between {
            yielding.insert(pool.name.clone());
        } else {
            accepted.push(pool);
        }
    }
    yielding
}

fn matches(pool: &PoolSpec, service: &Service) -> bool {
    let named = service.pool.as_ref().is_none_or(|name| *name == pool.name);
    named
        && pool
            .selector
            .as_ref()
            .is_ok_and(|selector| selector.matches(&service.labels))
}

/// Whether some pool would give the address to the service, were it free.
fn would_give(cluster: &Cluster, service: &Service, address: IpAddr) -> bool {
    let yielding = conflicting(cluster);
    cluster.operator.pools.values().any(|pool| {
        let usable = pool.blocks.iter().any(|block| block.usable.contains(address));
        let reserved = pool.reserved.iter().any(|range| range.contains(address));
        pool.admission == Admission::Open
            && !yielding.contains(&pool.name)
            && matches(pool, service)
            && usable
            && (!reserved || service.requests(address))
    })
}

fn nothing_left_while_it_waits(cluster: &Cluster, held: &Held, id: &ServiceId) -> Result<(), String> {
    let (service, allocation) = (seen(cluster, id), allocation(cluster, id));
    let verdict = match (&allocation.verdict, &service.handling) {
        (Some(Verdict::Foreign { .. }), _) => return Ok(()),
        _ if is_left_to_others(service) => return Ok(()),
        (None, Handling::Ours) => return Err(format!("{id} was told nothing")),
        (Some(_), _) if service.handling != Handling::Ours => return Err(format!("{id} is not ours")),
        (None, _) => return Ok(()),
        (Some(verdict), _) => verdict,
    };
    let has = |address: IpAddr| allocation.given.iter().any(|given| given.address == address);
    let had = |address: IpAddr| {
        let services = held.get(&address).map_or(&[][..], Vec::as_slice);
        services
            .iter()
            .all(|other| may_share(service, seen(cluster, other)))
    };
    let mut lacks = Vec::new();
    for item in &service.requested {
        match item {
            Requested::Address(address) if has(*address) => {}
            Requested::Address(address) => {
                lacks.push(address.to_string());
                if had(*address) && would_give(cluster, service, *address) {
                    return Err(format!("{id} waits for {address}, which it could have"));
                }
            }
            Requested::Unreadable(text) => lacks.push(text.clone()),
        }
    }
    let families = if service.requested.is_empty() {
        service.families.as_slice()
    } else {
        &[]
    };
    for family in families {
        if allocation
            .given
            .iter()
            .any(|given| Family::of(given.address) == *family)
        {
            continue;
        }
        lacks.push(family.to_string());
        for address in all_addresses() {
            if Family::of(address) == *family && had(address) && would_give(cluster, service, address) {
                return Err(format!("{id} waits for {family}, and could have {address}"));
            }
        }
    }
    if lacks.is_empty() != (*verdict == Verdict::Satisfied) {
        return Err(format!("{id} lacks {lacks:?} and is told {verdict:?}"));
    }
    Ok(())
}

fn nothing_lost_without_a_cause(
    cluster: &Cluster,
    before: &Before,
    held: &Held,
    id: &ServiceId,
) -> Result<(), String> {
    let (Some(old), Some(known)) = (before.allocations.get(id), before.seen.get(id)) else {
        return Ok(());
    };
    let (service, now) = (seen(cluster, id), allocation(cluster, id));
    for lost in &old.given {
        let address = lost.address;
        if now.given.iter().any(|given| given.address == address) {
            continue;
        }
        let mut covering = cluster.operator.pools.values().filter(|pool| {
            let mut ranges = pool.blocks.iter().map(|block| block.range);
            ranges.any(|range| range.contains(address))
        });
        let is_covered = covering.clone().next().is_some();
        let is_served = covering.any(|pool| matches(pool, service));
        let waited = cluster.seconds > before.seconds
            && before
                .uncovered
                .as_ref()
                .is_none_or(|known| known.contains(&address));
        let others = held.get(&address).map_or(&[][..], Vec::as_slice);
        let clash = others
            .iter()
            .any(|other| !may_share(service, seen(cluster, other)));
        let asked = if service.names_addresses() {
            service.requests(address)
        } else {
            service.families.contains(&Family::of(address))
        };
        let caused = service.handling != Handling::Ours
            || is_left_to_others(service)
            || is_left_to_others(known)
            || (!is_covered && waited)
            || (is_covered && !is_served)
            || clash
            || (!asked && now.verdict == Some(Verdict::Satisfied));
        // What was decided and never shown is nobody's loss when the operator starts anew.
        let shown = service.ingress.contains(&address) || !cluster.operator.is_fresh();
        if !caused && shown {
            return Err(format!("{id} lost {address} for nothing: {now:?}"));
        }
    }
    Ok(())
}

/// What is new was asked for, by name or as the only one of its family, or the status showed it.
fn nothing_given_unasked(cluster: &Cluster, before: &Before, id: &ServiceId) -> Result<(), String> {
    let (service, now) = (seen(cluster, id), allocation(cluster, id));
    let had = before.allocations.get(id).map_or(&[][..], |old| &old.given);
    for given in now.given.iter().filter(|given| !had.contains(given)) {
        let address = given.address;
        let had_it = had.iter().any(|had| had.address == address);
        let family = Family::of(address);
        let of_family = now.given.iter().filter(|one| Family::of(one.address) == family);
        let by_family =
            service.requested.is_empty() && service.families.contains(&family) && of_family.count() == 1;
        if !(had_it || service.ingress.contains(&address) || service.requests(address) || by_family) {
            return Err(format!("{id} was given {address} without asking: {now:?}"));
        }
    }
    Ok(())
}

fn counts_equal_a_recount(cluster: &Cluster, held: &Held) -> Result<(), String> {
    let yielding = conflicting(cluster);
    for pool in cluster.operator.pools.values() {
        let report = cluster.operator.ipam.report(&pool.name, 512).unwrap();
        let mut counts = Counts::default();
        let mut allocations = Vec::new();
        for address in all_addresses() {
            let in_range = pool.blocks.iter().any(|block| block.range.contains(address));
            let usable = pool.blocks.iter().any(|block| block.usable.contains(address));
            let reserved = pool.reserved.iter().any(|range| range.contains(address));
            if let Some(services) = held.get(&address).filter(|_| in_range) {
                counts.used += 1;
                allocations.push((address, services.clone()));
            } else if in_range && !usable {
                counts.used += 1;
            } else if usable && !reserved {
                counts.available += 1;
            }
        }
        counts.total = counts.used + counts.available;
        if (report.counts, &report.allocations) != (counts, &allocations) {
            return Err(format!("pool {} is {counts:?} and reports {report:?}", pool.name));
        }
        if report.conflict.is_some() != yielding.contains(&pool.name) {
            return Err(format!("pool {} conflicts or not: {report:?}", pool.name));
        }
    }
    Ok(())
}
