//! Whether the service has the addresses it asks for.

use std::net::IpAddr;

use kube::ResourceExt as _;
use lightship_core::ipam::{Missed, Reason, Verdict};
use lightship_core::names::PoolName;
use lightship_core::service::Handling;

use super::{Step, View, remedy};

/// So many pools are told of each.
const NAMED: usize = 8;

/// The addresses the service has or is to have, and its external ones.
pub(super) fn of(view: &View<'_>) -> Vec<IpAddr> {
    let service = view.rehearsal.cluster().services.get(view.id);
    let both = service.map(|service| service.load_balancer.iter().chain(&service.external).copied());
    both.into_iter().flatten().collect()
}

pub(super) fn steps(view: &View<'_>) -> Vec<Step> {
    let wrong = |found: String, remedy: String| vec![Step::wrong("address", found, remedy)];
    let (namespace, name) = (&view.id.namespace, &view.id.name);
    match view.rehearsal.handling(view.id) {
        Some(Handling::Ours) => {}
        Some(Handling::ForeignClass(class)) => {
            return wrong(
                format!("loadBalancerClass {class} says that another controller serves it"),
                format!(
                    "the class cannot be changed, so the service has to be made anew: kubectl -n {namespace} get service {name} \
                     -o yaml >{name}.yaml; take the line loadBalancerClass out of it, or write {} there; kubectl replace --force \
                     -f {name}.yaml",
                    lightship_crd::class::L2_ANNOUNCER
                ),
            );
        }
        Some(Handling::DefaultElsewhere) => {
            return wrong(
                "it names no loadBalancerClass, and by --default-lb-service-ipam those are somebody else's"
                    .to_owned(),
                format!(
                    "create it again with spec.loadBalancerClass: {}, or run the operator with \
                     --default-lb-service-ipam=lbipam",
                    lightship_crd::class::L2_ANNOUNCER
                ),
            );
        }
        Some(Handling::NotLoadBalancer) | None => {
            let external = of(view);
            return if external.is_empty() {
                wrong(
                    "it is not of type LoadBalancer and has no externalIPs, so there is nothing to announce"
                        .to_owned(),
                    format!(
                        "kubectl -n {namespace} patch service {name} --type=merge -p '{{\"spec\":{{\"type\":\"LoadBalancer\"}}}}'"
                    ),
                )
            } else {
                vec![Step::well(
                    "address",
                    format!("{} by spec.externalIPs", list(&external)),
                )]
            };
        }
    }
    let Some(allocation) = view.rehearsal.allocation(view.id) else {
        return vec![];
    };
    let mut steps: Vec<Step> = Vec::new();
    let shown = shown(view);
    for given in &allocation.given {
        let pool = given.pool.as_ref().map(|pool| format!(" of pool {pool}"));
        let found = format!("{}{}", given.address, pool.unwrap_or_default());
        steps.push(if shown.contains(&given.address) {
            Step::well("address", found)
        } else {
            let found = format!("{found} is to be its own, but its status does not show it yet");
            let remedy = "look again in a moment; if it stays so, the operator's log says why".to_owned();
            Step::note("address", found, Some(remedy))
        });
    }
    for lost in &allocation.released {
        let found = format!("{} is taken back: {}", lost.address, lost.cause);
        steps.push(Step::note("address", found, None));
    }
    match &allocation.verdict {
        Some(Verdict::Unsatisfied(reasons)) => {
            steps.extend(reasons.iter().flat_map(|reason| missing(view, reason)));
            steps.extend(bad_pools(view));
        }
        Some(Verdict::Foreign { addresses, pool }) => {
            let what = if addresses.is_empty() {
                "a name".to_owned()
            } else {
                list(addresses)
            };
            let pool = pool.as_ref().map(|pool| format!("; pool {pool} would serve it"));
            steps.push(Step::note(
                "address",
                format!("{what} was put into its status by somebody else and is left{}", pool.unwrap_or_default()),
                Some("let one controller serve it: set spec.loadBalancerClass, or stop the other one and empty the status".to_owned()),
            ));
        }
        Some(Verdict::Satisfied | Verdict::Deferred) | None => {}
    }
    steps
}

fn shown(view: &View<'_>) -> Vec<IpAddr> {
    let status = view.service.status.as_ref();
    let balancer = status.and_then(|status| status.load_balancer.as_ref());
    let entries = balancer.and_then(|balancer| balancer.ingress.as_ref());
    let addresses = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ip.as_deref());
    addresses
        .filter_map(|text| text.parse().ok())
        .map(|address: IpAddr| address.to_canonical())
        .collect()
}

/// One step for a reason, and one for each pool that it names.
fn missing(view: &View<'_>, reason: &Reason) -> Vec<Step> {
    let step = |found: String, remedy: String| Step::wrong("address", found, remedy);
    match reason {
        Reason::NoPool { family, missed } if !missed.is_empty() => {
            let pools = missed.iter().take(NAMED).map(|(pool, why)| {
                let found = format!("no {family} address of pool {pool}: {}", told(view, pool, why));
                step(found, remedy::missed(view, pool, why))
            });
            pools.collect()
        }
        Reason::PoolMissed {
            address,
            pool,
            missed,
        } => {
            let found = format!("{address} lies in pool {pool}, but {}", told(view, pool, missed));
            vec![step(found, remedy::missed(view, pool, missed))]
        }
        Reason::NoPool { .. }
        | Reason::OutOfAddresses { .. }
        | Reason::NotInAnyPool(_)
        | Reason::Taken { .. }
        | Reason::CannotShare { .. }
        | Reason::Withheld { .. }
        | Reason::Unreadable(_)
        | Reason::Frozen(_) => vec![step(reason.to_string(), remedy::reason(view, reason))],
    }
}

/// Why a pool does not serve it; of a conflict also which.
fn told(view: &View<'_>, pool: &PoolName, missed: &Missed) -> String {
    let conflict = view.rehearsal.pool(pool).and_then(|report| report.conflict);
    match (missed, conflict) {
        (Missed::Conflicting, Some(conflict)) => format!("{missed}: {conflict}"),
        _ => missed.to_string(),
    }
}

/// What of the pools cannot be read may be what is missing.
fn bad_pools(view: &View<'_>) -> Vec<Step> {
    let names = view
        .cluster
        .objects
        .pools
        .iter()
        .map(|pool| PoolName::from(pool.name_any()));
    let bad = names.filter_map(|name| Some((view.rehearsal.pool(&name)?.problems, name)));
    let bad = bad.filter(|(problems, _)| !problems.is_empty());
    bad.map(|(problems, name)| {
        let found = format!("part of pool {name} is not used: {}", problems.join("; "));
        Step::wrong(
            "address",
            found,
            format!("correct it: kubectl edit ippools {name}"),
        )
    })
    .collect()
}

fn list(addresses: &[IpAddr]) -> String {
    let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
