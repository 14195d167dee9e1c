//! The status of a pool: its counts, its conflicts, what of it cannot be read, and who has which address.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use lightship_core::ipam::PoolReport;
use lightship_crd::condition::pool as names;
use lightship_crd::{Allocation, CiliumLoadBalancerIPPool, PoolStatus, event};
use serde_json::json;

use super::condition::{Conditions, Saying};
use super::{Note, StatusUpdate, patch_at};

/// The change that makes the pool say what is decided; `None` when it does already.
pub(crate) fn update(
    observed: &CiliumLoadBalancerIPPool,
    report: &PoolReport,
    now: Timestamp,
) -> Option<StatusUpdate> {
    let present = observed.status.clone().unwrap_or_default();
    let mut conditions = Conditions::new(&present.conditions, observed.metadata.generation, now);
    conditions.set(conflict(report));
    let counts = &report.counts;
    let told = [
        (names::IPS_TOTAL, counts.total),
        (names::IPS_AVAILABLE, counts.available),
        (names::IPS_USED, counts.used),
    ];
    for (type_, count) in told {
        let message = count.to_string();
        conditions.set(Saying {
            type_,
            status: "Unknown",
            reason: names::REASON_COUNT,
            message,
        });
    }
    if !report.problems.is_empty() || conditions.get(names::BAD_BLOCK).is_some() {
        conditions.set(bad_block(report));
    }
    let (allocations, allocations_omitted) = allocations(&present.allocations, report, now);
    let status = PoolStatus {
        conditions: conditions.into_list(),
        allocations,
        allocations_omitted,
    };
    if status == present {
        return None;
    }
    let notes = notes(&present.conditions, &status, report);
    let patch = patch_at(
        observed.metadata.resource_version.as_ref(),
        &json!({
            "conditions": status.conditions,
            "allocations": status.allocations,
            "allocationsOmitted": status.allocations_omitted,
        }),
    );
    Some(StatusUpdate { patch, notes })
}

fn conflict(report: &PoolReport) -> Saying<'static> {
    let (status, reason, message) = match &report.conflict {
        Some(conflict) => ("True", names::REASON_CIDR_OVERLAP, conflict.to_string()),
        None => ("False", names::REASON_RESOLVED, String::new()),
    };
    Saying {
        type_: names::CONFLICT,
        status,
        reason,
        message,
    }
}

fn bad_block(report: &PoolReport) -> Saying<'static> {
    let (status, reason) = if report.problems.is_empty() {
        ("False", names::REASON_RESOLVED)
    } else {
        ("True", names::REASON_BAD_BLOCK)
    };
    Saying {
        type_: names::BAD_BLOCK,
        status,
        reason,
        message: report.problems.join("; "),
    }
}

/// Who has what, an address that stayed with its services keeping its time.
fn allocations(before: &[Allocation], report: &PoolReport, now: Timestamp) -> (Vec<Allocation>, Option<i64>) {
    let known: BTreeMap<(&str, &[String]), &Option<Time>> = before
        .iter()
        .map(|one| ((one.address.as_str(), one.services.as_slice()), &one.since))
        .collect();
    let shown = report.allocations.iter().map(|(address, services)| {
        let services: Vec<_> = services.iter().map(ToString::to_string).collect();
        let address = address.to_string();
        let since = known
            .get(&(address.as_str(), services.as_slice()))
            .copied()
            .cloned()
            .flatten();
        Allocation {
            address,
            services,
            since: Some(since.unwrap_or(Time(now))),
        }
    });
    let omitted = i64::try_from(report.omitted).ok();
    (shown.collect(), omitted.filter(|omitted| *omitted > 0))
}

fn notes(before: &[Condition], status: &PoolStatus, report: &PoolReport) -> Vec<Note> {
    let is_true =
        |list: &[Condition], type_| list.iter().any(|one| one.type_ == type_ && one.status == "True");
    let mut notes = Vec::new();
    let conflicted = (
        is_true(before, names::CONFLICT),
        is_true(&status.conditions, names::CONFLICT),
    );
    match (&report.conflict, conflicted) {
        (Some(conflict), (false, _)) => notes.push(Note::warning(
            event::POOL_CONFLICT,
            format!("{conflict}; the pool gives nothing new until one of them is changed"),
        )),
        (None, (true, _)) => notes.push(Note::normal(
            event::POOL_CONFLICT_RESOLVED,
            "No other pool overlaps any more; the pool gives addresses again".to_owned(),
        )),
        (None, _) if before.is_empty() => notes.push(Note::normal(
            event::POOL_READY,
            format!(
                "{} addresses, {} of them available",
                report.counts.total, report.counts.available
            ),
        )),
        _ => {}
    }
    let problem = |list: &[Condition]| {
        list.iter()
            .find(|one| one.type_ == names::BAD_BLOCK && one.status == "True")
            .map(|one| one.message.clone())
    };
    if let Some(message) = problem(&status.conditions).filter(|now| problem(before).as_ref() != Some(now)) {
        notes.push(Note::warning(
            event::BAD_BLOCK,
            format!("Not used, the rest of the pool is: {message}"),
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use lightship_core::ipam::{Conflict, Counts, Range};
    use lightship_core::names::ServiceId;

    use super::*;

    fn pool(status: Option<PoolStatus>) -> CiliumLoadBalancerIPPool {
        let mut pool = CiliumLoadBalancerIPPool::new("first-pool", lightship_crd::PoolSpec::default());
        pool.metadata.generation = Some(3);
        pool.status = status;
        pool
    }

    fn report() -> PoolReport {
        PoolReport {
            counts: Counts {
                total: 256,
                available: 255,
                used: 1,
            },
            conflict: None,
            problems: vec![],
            allocations: vec![(
                "10.0.10.0".parse().unwrap(),
                vec![ServiceId::new("default", "web")],
            )],
            omitted: 0,
        }
    }

    #[test]
    fn a_fresh_pool_shows_all_its_columns_and_then_rests() {
        let first = update(&pool(None), &report(), Timestamp::UNIX_EPOCH).unwrap();
        let status: PoolStatus = serde_json::from_value(first.patch["status"].clone()).unwrap();
        let said: Vec<_> = status
            .conditions
            .iter()
            .map(|one| format!("{} {} {} {}", one.type_, one.status, one.reason, one.message))
            .collect();
        assert_eq!(
            said,
            [
                "cilium.io/PoolConflict False resolved ",
                "cilium.io/IPsTotal Unknown noreason 256",
                "cilium.io/IPsAvailable Unknown noreason 255",
                "cilium.io/IPsUsed Unknown noreason 1",
            ]
        );
        assert_eq!(status.conditions[0].observed_generation, Some(3));
        assert_eq!(first.notes[0].reason, "PoolReady");
        let later = Timestamp::from_second(60).unwrap();
        assert_eq!(update(&pool(Some(status)), &report(), later), None);
    }

    #[test]
    fn a_shared_address_lists_its_services_and_keeps_its_time() {
        let address = "10.0.10.0".parse().unwrap();
        let services = ["dns-tcp", "dns-udp"].map(|name| ServiceId::new("default", name));
        let shared = PoolReport {
            allocations: vec![(address, services.to_vec())],
            omitted: 3,
            ..report()
        };
        let first = update(&pool(None), &shared, Timestamp::UNIX_EPOCH).unwrap();
        let allocations = json!([{
            "address": "10.0.10.0", "services": ["default/dns-tcp", "default/dns-udp"], "since": "1970-01-01T00:00:00Z",
        }]);
        assert_eq!(first.patch["status"]["allocations"], allocations);
        assert_eq!(first.patch["status"]["allocationsOmitted"], 3);
        let status: PoolStatus = serde_json::from_value(first.patch["status"].clone()).unwrap();
        let later = Timestamp::from_second(60).unwrap();
        let more = PoolReport { omitted: 4, ..shared };
        let second = update(&pool(Some(status)), &more, later).unwrap();
        assert_eq!(second.patch["status"]["allocations"], allocations);
    }

    #[test]
    fn a_block_that_cannot_be_read_is_told() {
        let bad = PoolReport {
            problems: vec!["block 2: failed".to_owned()],
            ..report()
        };
        let change = update(&pool(None), &bad, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(change.notes[1].reason, "BadBlock");
        assert!(change.notes[1].message.contains("block 2: failed"));
    }

    #[test]
    fn a_conflict_is_told_when_it_comes_and_when_it_goes() {
        let range = Range::new([10, 0, 10, 0].into(), [10, 0, 10, 255].into()).unwrap();
        let conflict = Conflict {
            range,
            with: "other".into(),
            with_range: range,
        };
        let conflicting = PoolReport {
            conflict: Some(conflict),
            ..report()
        };
        let mut known = None;
        let mut told = |report: &PoolReport| {
            let change = update(&pool(known.take()), report, Timestamp::UNIX_EPOCH).unwrap();
            known = serde_json::from_value(change.patch["status"].clone()).ok();
            let reasons = change.notes.iter().map(|note| note.reason);
            reasons.collect::<Vec<_>>()
        };
        assert_eq!(told(&conflicting), ["PoolConflict"]);
        let more = PoolReport {
            omitted: 1,
            ..conflicting
        };
        assert_eq!(told(&more), [] as [&str; 0]);
        assert_eq!(told(&report()), ["PoolConflictResolved"]);
    }
}
