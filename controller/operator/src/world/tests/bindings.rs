//! Leases as bindings: claims of standbys, primaries that go, leases that people and other programs wrote.

use std::collections::BTreeMap;

use lightship_crd::{annotation, label};

use super::scene::*;
use super::*;

/// How long a claimed lease is left alone, in milliseconds.
const AFTER_CLAIM: u64 = 2_000;

#[test]
fn a_claim_is_adopted_without_a_word_against_it_and_told_with_the_claimants_figure() {
    let mut scene = Scene::new(&[("a", &["192.0.2.7"]), ("b", &["192.0.2.7"])]);
    scene.take_log();
    let (deposed, claimant) = scene.claim("a");
    scene.settle();
    assert_eq!(
        (scene.spec("a"), scene.spec("b")),
        ((claimant.clone(), 1), (claimant.clone(), 1))
    );
    let order = scene.order("a");
    assert_eq!(
        (&order.deposed, order.standbys.len()),
        (&Some(deposed.as_str().into()), 1)
    );
    assert!(!order.standbys.contains(&deposed.as_str().into()));
    assert_eq!(
        scene.told(),
        [] as [&str; 0],
        "the claimant's account is waited for"
    );
    let finding = json!([{
        "number": 1, "service": {"namespace": "default", "name": "a"},
        "saw": {"kind": "claimed", "from": deposed, "silenceMs": 312, "arbiter": "lease"},
    }]);
    scene.pass(200);
    scene.beat(&claimant, &finding);
    let expected = format!(
        "Moved: Node {claimant} answers for 192.0.2.7 instead of {deposed}: {deposed} fell silent, {claimant} took \
         over after 312 ms"
    );
    assert_eq!(scene.told(), [expected]);
    scene.beat(&claimant, &finding);
    assert_eq!(scene.told(), [] as [&str; 0], "once");
    let counts = scene.world.take_counts();
    let took = Count::TookOver(Duration::from_millis(312));
    assert_eq!(counts, [Count::Moved("claimed"), Count::Moved("follows"), took]);
}

#[test]
fn while_bindings_are_claimed_one_after_the_other_nothing_is_told_for_some_seconds_at_most() {
    let named = |number: usize| (format!("s{number}"), [format!("192.0.2.{number}")]);
    let named: Vec<_> = (0..52).map(named).collect();
    let addresses: Vec<_> = named
        .iter()
        .map(|(_, one)| one.each_ref().map(String::as_str))
        .collect();
    let services = named.iter().zip(&addresses);
    let services: Vec<(&str, &[&str])> = services
        .map(|((name, _), one)| (name.as_str(), &one[..]))
        .collect();
    let mut scene = Scene::new(&services);
    let claimed = |scene: &mut Scene, number: usize| {
        let (deposed, claimant) = scene.claim(&named[number].0);
        let finding = json!([{
            "number": number + 1, "service": {"namespace": "default", "name": named[number].0},
            "saw": {"kind": "claimed", "from": deposed, "silenceMs": 312, "arbiter": "lease"},
        }]);
        scene.beat(&claimant, &finding);
    };
    claimed(&mut scene, 0);
    scene.pass(199);
    assert_eq!(scene.told().len(), 0);
    scene.pass(1);
    assert_eq!(scene.told().len(), 1, "one alone is told at once");
    for number in 1..=50 {
        assert_eq!(scene.told().len(), 0, "after {} ms", 100 * (number - 1));
        claimed(&mut scene, number);
        scene.pass(100);
    }
    assert_eq!(scene.told().len(), 50, "five seconds have passed");
}

#[test]
fn a_claim_whose_claimant_says_nothing_is_told_all_the_same() {
    let mut scene = Scene::new(&[("a", &["192.0.2.7"])]);
    let (deposed, claimant) = scene.claim("a");
    scene.settle();
    scene.pass(7_000);
    let expected = format!(
        "Moved: Node {claimant} answers for 192.0.2.7 instead of {deposed}: {deposed} fell silent, {claimant} took over"
    );
    assert_eq!(scene.told(), [expected]);
}

#[test]
fn a_primary_is_retired_before_another_takes_its_place_and_the_holder_stays() {
    let mut scene = Scene::new(&[
        ("a", &["192.0.2.7"]),
        ("b", &["192.0.2.7"]),
        ("c", &["192.0.2.7"]),
    ]);
    scene.claim("a");
    scene.settle();
    let (holder, epoch) = scene.spec("a");
    scene.take_log();
    scene.drop("a");
    scene.settle();
    let expected = [
        format!("replace a by {holder} primary b epoch {epoch}"),
        format!("replace b by {holder} primary b epoch {epoch}"),
        format!("replace c by {holder} primary b epoch 1"),
        "delete a".to_owned(),
    ];
    assert_eq!(scene.take_log(), expected);
}

#[test]
fn a_claim_that_comes_before_the_retirement_is_followed_and_one_after_it_fails() {
    let mut scene = Scene::new(&[("a", &["192.0.2.7"]), ("b", &["192.0.2.7"])]);
    let mut late = scene.leases[&lease_name("a")].clone();
    claimed(&mut late);
    scene.drop("a");
    let writes = scene.world.decide(scene.instant(), ALL);
    // The claim wins against the retirement that is under way.
    let (_, claimant) = scene.claim("a");
    scene.take_log();
    for write in writes {
        scene.carry_out(write);
    }
    scene.pass(1_000);
    let log = scene.take_log();
    assert_eq!(log[0], "refused default/a");
    assert_eq!(scene.spec("b").0, claimant);
    assert_eq!(log.last().unwrap(), "delete a");
    assert!(!scene.leases.contains_key(&lease_name("a")));
}

#[test]
fn who_leaves_a_group_waits_until_claims_of_the_primary_fail() {
    let mut scene = Scene::new(&[("a", &["192.0.2.7"]), ("b", &["192.0.2.7"])]);
    scene.claim("a");
    scene.pass(AFTER_CLAIM);
    let (holder, _) = scene.spec("a");
    scene.take_log();
    scene.serve("b", &["192.0.2.8"]);
    scene.settle();
    let log = scene.take_log();
    assert_eq!(
        log[0],
        format!("replace a by {holder} primary a epoch 1"),
        "{log:?}"
    );
    assert!(
        log[1].starts_with("replace b by ") && log[1].contains("primary b"),
        "{log:?}"
    );
    // Nobody stood by meanwhile.
    assert_eq!((log.len(), &log[2]), (3, &log[0]), "{log:?}");
    scene.pass(20_000);
    assert_eq!(scene.take_log(), [] as [&str; 0]);
}

#[test]
fn the_epoch_of_an_address_never_goes_back() {
    let mut scene = Scene::new(&[("a", &["192.0.2.7"])]);
    scene.claim("a");
    scene.settle();
    scene.pass(31_000);
    scene.claim("a");
    scene.settle();
    assert_eq!(scene.spec("a").1, 2);
    scene.drop("a");
    scene.settle();
    scene.serve("b", &["192.0.2.7"]);
    scene.settle();
    assert_eq!(
        scene.spec("b").1,
        3,
        "another service, another lease, the same address"
    );
}

/// Everything that can be wrong with a lease ends in a binding that agents can read, and then nothing is written any more.
#[test]
fn whatever_is_done_to_a_lease_by_hand_is_mended() {
    type Edit = fn(&mut Lease);
    let edits: [(&str, Edit); 12] = [
        ("a stranger holds", |lease| {
            lease.spec.as_mut().unwrap().holder_identity = Some("nobody".to_owned());
        }),
        ("nobody holds", |lease| {
            lease.spec.as_mut().unwrap().holder_identity = None;
        }),
        ("the empty name holds", |lease| {
            lease.spec.as_mut().unwrap().holder_identity = Some(String::new());
        }),
        ("no specification", |lease| lease.spec = None),
        ("no annotations", |lease| lease.metadata.annotations = None),
        ("a broken order", |lease| {
            let annotations = lease.metadata.annotations.as_mut().unwrap();
            annotations.insert(annotation::WORK_ORDER.to_owned(), "{".to_owned());
        }),
        ("another's name", |lease| {
            let annotations = lease.metadata.annotations.as_mut().unwrap();
            annotations.insert(annotation::SERVICE.to_owned(), "default/other".to_owned());
        }),
        ("another primary", |lease| {
            let annotations = lease.metadata.annotations.as_mut().unwrap();
            let order = annotations[annotation::WORK_ORDER].replace(
                "\"primary\":{\"namespace\":\"default\",\"name\":\"a\"",
                "\"primary\":{\"namespace\":\"default\",\"name\":\"x\"",
            );
            annotations.insert(annotation::WORK_ORDER.to_owned(), order);
        }),
        ("standbys that are no nodes", |lease| {
            let mut order = lightship_edge::lease::binding(lease).unwrap().order;
            order.standbys = vec!["x".into(), "y".into()];
            let annotations = lease.metadata.annotations.as_mut().unwrap();
            annotations.insert(annotation::WORK_ORDER.to_owned(), order.to_annotation().unwrap());
        }),
        ("a negative epoch", |lease| {
            let spec = lease.spec.as_mut().unwrap();
            (spec.lease_transitions, spec.holder_identity) = (Some(-7), Some("nobody".to_owned()));
        }),
        ("the last epoch", |lease| {
            let spec = lease.spec.as_mut().unwrap();
            (spec.lease_transitions, spec.holder_identity) = (Some(i32::MAX), Some("nobody".to_owned()));
        }),
        ("absurd times", |lease| {
            let spec = lease.spec.as_mut().unwrap();
            spec.renew_time = serde_json::from_value(json!("9000-12-31T23:59:59.000000Z")).unwrap();
            spec.acquire_time = serde_json::from_value(json!("0001-01-01T00:00:00.000000Z")).unwrap();
            spec.lease_duration_seconds = Some(-1);
        }),
    ];
    for (what, edit) in edits {
        let mut scene = Scene::new(&[("a", &["192.0.2.7"])]);
        let holder = scene.spec("a").0;
        scene.take_log();
        scene.edit("a", edit);
        scene.settle();
        let lease = &scene.leases[&lease_name("a")];
        let binding = lightship_edge::lease::binding(lease).unwrap();
        assert_eq!(binding.order.primary, ServiceId::new("default", "a"), "{what}");
        assert!(binding.transitions >= 0, "{what}");
        assert_eq!(
            lease.metadata.annotations.as_ref().unwrap()[annotation::SERVICE],
            "default/a",
            "{what}"
        );
        if ["a stranger holds", "a negative epoch", "the last epoch"].contains(&what) {
            assert!(binding.holder.as_str().starts_with("node-"), "{what}");
        } else {
            assert_eq!(binding.holder.as_str(), holder, "{what}: the holder stays");
        }
        assert!(scene.log.len() <= 1, "{what}: {:?}", scene.log);
        scene.pass(60_000);
        assert!(scene.log.len() <= 1, "{what}: {:?}", scene.log);
    }
}

#[test]
fn a_lease_deleted_by_hand_comes_back_with_its_holder() {
    let mut scene = Scene::new(&[
        ("a", &["192.0.2.7"]),
        ("b", &["192.0.2.8"]),
        ("c", &["192.0.2.9"]),
    ]);
    for name in ["a", "b", "c"] {
        let (holder, epoch) = scene.spec(name);
        let lease = scene.leases.remove(&lease_name(name)).unwrap();
        scene
            .world
            .observe(Change::Binding(Seen::Deleted(Box::new(lease))), scene.instant());
        scene.settle();
        assert_eq!(scene.spec(name), (holder, epoch + 1));
    }
}

#[test]
fn a_lease_that_lost_its_label_is_taken_back_with_its_holder() {
    let mut scene = Scene::new(&[
        ("a", &["192.0.2.7"]),
        ("b", &["192.0.2.8"]),
        ("c", &["192.0.2.9"]),
    ]);
    for name in ["a", "b", "c"] {
        let (holder, _) = scene.spec(name);
        let mut lease = scene.leases[&lease_name(name)].clone();
        let shown = lease.clone();
        lease.metadata.labels = None;
        scene.put(lease);
        // A watch by label shows a lease that loses it as deleted.
        scene
            .world
            .observe(Change::Binding(Seen::Deleted(Box::new(shown))), scene.instant());
        scene.settle();
        scene.pass(1_000);
        assert_eq!(scene.spec(name).0, holder);
        let labels = scene.leases[&lease_name(name)].metadata.labels.clone().unwrap();
        assert_eq!(labels[label::LEASE], label::LEASE_SERVICE);
    }
}

fn of_cilium(holder: &str) -> BTreeMap<String, Lease> {
    let lease = json!({
        "metadata": {"name": lease_name("a"), "namespace": "kube-system", "resourceVersion": "1"},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 4},
    });
    [(lease_name("a"), serde_json::from_value(lease).unwrap())].into()
}

#[test]
fn a_lease_of_cilium_that_nobody_holds_is_adopted_at_once() {
    let scene = Scene::with_leases(&[("a", &["192.0.2.7"])], of_cilium(""));
    let mut scene = scene;
    scene.pass(1_000);
    assert_eq!(scene.spec("a").1, 5);
    assert_eq!(scene.order("a").service, ServiceId::new("default", "a"));
}

#[test]
fn a_lease_of_cilium_is_left_alone_while_it_is_renewed_and_adopted_once_it_is_not() {
    let mut scene = Scene::with_leases(&[("a", &["192.0.2.7"])], of_cilium("node-3"));
    for _ in 0..5 {
        scene.pass(14_000);
        let lease = scene.leases[&lease_name("a")].clone();
        assert_eq!(lease.metadata.labels, None, "it is not touched");
        scene.put(lease);
        scene.pass(1_000);
    }
    assert_eq!(scene.log, [] as [&str; 0]);
    assert_eq!(
        scene.world.strangers.holder(&ServiceId::new("default", "a")),
        Some("node-3")
    );
    scene.pass(15_000);
    scene.pass(15_000);
    assert_eq!(scene.spec("a").1, 5, "it expired");
    assert_eq!(
        scene.world.strangers.holder(&ServiceId::new("default", "a")),
        None
    );
}

#[test]
fn after_a_crash_of_everything_leases_without_a_service_are_deleted() {
    let first = Scene::new(&[("a", &["192.0.2.7"]), ("b", &["192.0.2.7"])]);
    let scene = Scene::with_leases(&[], first.leases);
    assert_eq!(scene.leases.len(), 0, "{:?}", scene.log);
}

#[test]
fn findings_are_told_once_and_those_of_before_never() {
    let mut scene = Scene::new(&[("a", &["192.0.2.7"])]);
    let conflict = |number: u64| {
        json!({"number": number, "service": {"namespace": "default", "name": "a"}, "saw": {
            "kind": "conflict", "address": "192.0.2.7", "interface": "eth0", "mac": "02:00:00:00:00:99",
        }})
    };
    let said = "AddressConflict: Station 02:00:00:00:00:99 on eth0 of node node-1 says that it has 192.0.2.7: give it \
                another address, or take this one out of the pool";
    scene.beat("node-1", &json!([conflict(1)]));
    assert_eq!(scene.told(), [said]);
    scene.beat("node-1", &json!([conflict(1), conflict(2)]));
    assert_eq!(scene.told(), [said]);
    let mut other = Scene::new(&[("a", &["192.0.2.7"])]);
    other
        .world
        .observe(Change::Node(Seen::Applied(Box::new(node("node-4")))), at(0));
    other.beat("node-4", &json!([conflict(1), conflict(2)]));
    assert_eq!(other.told(), [] as [&str; 0]);
    other.beat("node-4", &json!([conflict(2), conflict(3)]));
    assert_eq!(other.told().len(), 1);
}

#[test]
fn an_address_that_its_holder_cannot_answer_for_is_told_with_what_to_do() {
    let mut scene = Scene::new(&[("a", &["192.0.2.7"])]);
    let refused = json!({"number": 1, "service": {"namespace": "default", "name": "a"}, "saw": {
        "kind": "refused", "address": "192.0.2.7", "interface": "eth0", "why": "the map is full: give it room",
    }});
    scene.beat("node-1", &json!([refused]));
    assert_eq!(
        scene.told(),
        [
            "NotAnswered: Node node-1 holds 192.0.2.7 and cannot be made to answer for it on eth0, where it is not announced: \
             the map is full: give it room"
        ]
    );
}
