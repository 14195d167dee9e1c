//! What a service is told, and what it is not.

use lightship_core::ipam::{Cause, Family, Given, Released};

use super::*;

fn web(status: &serde_json::Value) -> Service {
    serde_json::from_value(json!({
        "metadata": {"namespace": "default", "name": "web", "resourceVersion": "7", "generation": 1},
        "status": status,
    }))
    .unwrap()
}

fn given(address: &str) -> Allocation {
    let given = Given {
        address: address.parse().unwrap(),
        pool: Some("first-pool".into()),
    };
    Allocation {
        given: vec![given],
        released: vec![],
        verdict: Some(Verdict::Satisfied),
    }
}

fn decided<'a>(
    allocation: &'a Allocation,
    outcome: &'a Outcome,
    elsewhere: &'a BTreeSet<IpAddr>,
) -> Decided<'a> {
    Decided {
        allocation,
        owner: IngressOwner::Us,
        outcome: Some(outcome),
        shown_elsewhere: elsewhere,
        stranger: None,
    }
}

fn written(observed: &Service, update: &StatusUpdate) -> Service {
    let status = update.patch["status"].clone();
    Service {
        status: serde_json::from_value(status).unwrap(),
        ..observed.clone()
    }
}

#[test]
fn an_assigned_address_is_written_once_and_told_once() {
    let (allocation, none) = (given("10.0.10.0"), BTreeSet::new());
    let outcome = Outcome::Unwanted(Unwanted::NoPolicy);
    let pending = web(&json!({"loadBalancer": {}}));
    let first = update(
        &pending,
        decided(&allocation, &outcome, &none),
        Timestamp::UNIX_EPOCH,
    )
    .unwrap();
    assert_eq!(first.patch["metadata"]["resourceVersion"], "7");
    assert_eq!(
        first.patch["status"]["loadBalancer"]["ingress"],
        json!([{"ip": "10.0.10.0"}])
    );
    let reasons: Vec<_> = first.notes.iter().map(|note| note.reason).collect();
    assert_eq!(reasons, ["AddressAssigned", "NotAnnounced"]);
    let settled = written(&pending, &first);
    let later = Timestamp::from_second(60).unwrap();
    assert_eq!(
        update(&settled, decided(&allocation, &outcome, &none), later),
        None
    );
}

#[test]
fn an_address_that_another_service_still_shows_is_not_written() {
    let (allocation, elsewhere) = (given("10.0.10.0"), BTreeSet::from(["10.0.10.0".parse().unwrap()]));
    let outcome = Outcome::Unwanted(Unwanted::NoAddress);
    let pending = web(&json!({"loadBalancer": {}}));
    assert_eq!(
        update(
            &pending,
            decided(&allocation, &outcome, &elsewhere),
            Timestamp::UNIX_EPOCH
        ),
        None
    );
}

#[test]
fn a_released_address_goes_and_other_peoples_entries_and_conditions_stay() {
    let observed = web(&json!({
        "loadBalancer": {"ingress": [{"hostname": "web.example"}, {"ip": "10.0.10.0"}]},
        "conditions": [{"type": "example.com/Seen", "status": "True", "reason": "seen", "message": "",
                        "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    }));
    let released = vec![Released {
        address: "10.0.10.0".parse().unwrap(),
        cause: Cause::NoPool,
    }];
    let no_pool = Verdict::Unsatisfied(vec![Reason::NoPool {
        family: Family::V4,
        missed: vec![],
    }]);
    let allocation = Allocation {
        given: vec![],
        released,
        verdict: Some(no_pool),
    };
    let (outcome, none) = (Outcome::Unwanted(Unwanted::NoAddress), BTreeSet::new());
    let change = update(
        &observed,
        decided(&allocation, &outcome, &none),
        Timestamp::UNIX_EPOCH,
    )
    .unwrap();
    let status = &change.patch["status"];
    assert_eq!(
        status["loadBalancer"]["ingress"],
        json!([{"hostname": "web.example"}])
    );
    assert_eq!(status["conditions"][0]["type"], "example.com/Seen");
    assert_eq!(status["conditions"][1]["reason"], "no_pool");
    assert_eq!(
        change.notes[0].message,
        "Address 10.0.10.0 was taken back: no pool contains it any more"
    );
    assert_eq!(change.notes[1].reason, "RequestUnsatisfied");
}

#[test]
fn a_service_that_somebody_else_serves_is_not_touched() {
    let observed = web(&json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}));
    let verdict = Some(Verdict::Unsatisfied(vec![Reason::NoPool {
        family: Family::V4,
        missed: vec![],
    }]));
    let allocation = Allocation {
        given: vec![],
        released: vec![],
        verdict,
    };
    let (outcome, none) = (Outcome::Unwanted(Unwanted::NoPolicy), BTreeSet::new());
    let foreign = Decided {
        owner: IngressOwner::Another,
        ..decided(&allocation, &outcome, &none)
    };
    assert_eq!(update(&observed, foreign, Timestamp::UNIX_EPOCH), None);
}

#[test]
fn what_somebody_else_assigned_from_our_pools_is_said_to_be_kept_for_as_long_as_it_is() {
    let metallbs = web(&json!({"loadBalancer": {"ingress": [{"ip": "192.168.1.153"}]}}));
    let (kept, none) = (given("192.168.1.153"), BTreeSet::new());
    let outcome = Outcome::Unwanted(Unwanted::NoPolicy);
    let by_another = |allocation| Decided {
        owner: IngressOwner::Another,
        ..decided(allocation, &outcome, &none)
    };
    let change = update(&metallbs, by_another(&kept), Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(change.patch["status"].get("loadBalancer"), None);
    let said = |change: &StatusUpdate, place: usize| {
        let one = &change.patch["status"]["conditions"][place];
        ["type", "status", "reason", "message"]
            .map(|field| one[field].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(
        said(&change, 0),
        [
            names::REQUEST_SATISFIED,
            "True",
            "kept",
            "192.168.1.153 was assigned by somebody else and is kept"
        ]
    );
    assert_eq!(said(&change, 1)[..3], [names::ANNOUNCED, "False", "no_policy"]);

    let mut told = written(&metallbs, &change);
    told.status.as_mut().unwrap().load_balancer = metallbs.status.unwrap().load_balancer;
    assert_eq!(update(&told, by_another(&kept), Timestamp::UNIX_EPOCH), None);
    let foreign = Allocation {
        given: vec![],
        released: vec![],
        verdict: Some(Verdict::Foreign {
            addresses: vec!["192.168.1.153".parse().unwrap()],
            pool: None,
        }),
    };
    let change = update(&told, by_another(&foreign), Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(change.patch["status"]["conditions"], json!([]));
}

#[test]
fn what_somebody_else_assigned_satisfies_nobody_who_asks_for_another_address() {
    let mut metallbs = web(&json!({"loadBalancer": {"ingress": [{"ip": "192.168.1.153"}]}}));
    let asking = [(
        annotation::IPS.name.to_owned(),
        "192.168.1.153, 192.168.1.154".to_owned(),
    )];
    metallbs.metadata.annotations = Some(asking.into());
    let (kept, none) = (given("192.168.1.153"), BTreeSet::new());
    let outcome = Outcome::Unwanted(Unwanted::NoPolicy);
    let decided = Decided {
        owner: IngressOwner::Another,
        ..decided(&kept, &outcome, &none)
    };
    assert_eq!(update(&metallbs, decided, Timestamp::UNIX_EPOCH), None);
}

#[test]
fn an_ingress_that_stays_is_not_written() {
    let observed =
        web(&json!({"loadBalancer": {"ingress": [{"ip": "10.0.10.0", "hostname": "web.example"}]}}));
    let (allocation, none) = (given("10.0.10.0"), BTreeSet::new());
    let outcome = Outcome::Unwanted(Unwanted::NoPolicy);
    let change = update(
        &observed,
        decided(&allocation, &outcome, &none),
        Timestamp::UNIX_EPOCH,
    )
    .unwrap();
    assert_eq!(change.patch["status"].get("loadBalancer"), None);
    assert_eq!(change.patch["status"]["conditions"][0]["reason"], "satisfied");
}

#[test]
fn a_foreign_address_that_is_gone_is_told_as_resolved() {
    let observed = web(&json!({
        "loadBalancer": {"ingress": [{"ip": "10.0.10.0"}]},
        "conditions": [{"type": names::FOREIGN_ADDRESS, "status": "True", "reason": names::REASON_FOREIGN, "message": "",
                        "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    }));
    let (allocation, none) = (given("10.0.10.0"), BTreeSet::new());
    let outcome = Outcome::Unwanted(Unwanted::NoPolicy);
    let change = update(
        &observed,
        decided(&allocation, &outcome, &none),
        Timestamp::UNIX_EPOCH,
    )
    .unwrap();
    let said = &change.patch["status"]["conditions"][0];
    assert_eq!(
        (&said["type"], &said["status"], &said["reason"]),
        (
            &json!(names::FOREIGN_ADDRESS),
            &json!("False"),
            &json!(names::REASON_RESOLVED)
        )
    );
}

#[test]
fn a_condition_that_stays_bad_is_not_told_again_when_something_else_changes() {
    let observed = web(&json!({"loadBalancer": {"ingress": [{"ip": "10.0.10.0"}]}}));
    let no_pool = Reason::NoPool {
        family: Family::V6,
        missed: vec![],
    };
    let allocation = Allocation {
        verdict: Some(Verdict::Unsatisfied(vec![no_pool])),
        ..given("10.0.10.0")
    };
    let none = BTreeSet::new();
    let told = |observed: &Service, why: Unwanted| {
        let outcome = Outcome::Unwanted(why);
        let decided = decided(&allocation, &outcome, &none);
        let change = update(observed, decided, Timestamp::UNIX_EPOCH).unwrap();
        let reasons: Vec<_> = change.notes.iter().map(|note| note.reason).collect();
        (change.patch["status"]["conditions"].clone(), reasons)
    };
    let (conditions, reasons) = told(&observed, Unwanted::NoAddress);
    assert_eq!(reasons, ["RequestUnsatisfied"]);
    let mut settled = observed.clone();
    settled.status.as_mut().unwrap().conditions = serde_json::from_value(conditions).unwrap();
    assert_eq!(told(&settled, Unwanted::NoPolicy).1, ["NotAnnounced"]);
}
