//! Addresses through a real API server: what only it can show of the contract.

use anyhow::{Result, ensure};
use lightship_tests::{
    Lab, eventually,
    lab::{host::FABRIC, testing::TestLab, unit::Action},
    objects::{self, PATIENCE, has, ingress, pool, says, service, version},
};

fn lab(test: &str) -> Result<TestLab> {
    objects::addresses_only(test, &[])
}

/// Waits until the replica of the operator with this admin port exports all of these samples.
fn exports(lab: &Lab, port: u16, samples: &[&str]) -> Result<()> {
    let url = format!("http://127.0.0.1:{port}/metrics");
    eventually("metrics", PATIENCE, || {
        let text = lab.exec(FABRIC, &["curl", "--silent", "--fail", "--max-time", "5", &url])?;
        for sample in samples {
            ensure!(text.lines().any(|line| line == *sample), "no {sample} in {text}");
        }
        Ok(())
    })
}

#[test]
fn an_address_stays_for_as_long_as_a_pool_covers_it() {
    let lab = lab("stays").unwrap();
    lab.apply(&(pool("p", "blocks: [{cidr: 10.0.10.0/24}]") + &service("web", "", "")))
        .unwrap();
    has(&lab, "web", &["10.0.10.0"]).unwrap();
    let before = version(&lab, "web").unwrap();
    // In other words, wider, smaller elsewhere, disabled, in conflict, gone and back at once.
    for spec in [
        "blocks: [{start: 10.0.10.0, stop: 10.0.10.255}]",
        "blocks: [{cidr: 10.0.0.0/16}]",
        "blocks: [{cidr: 10.0.10.0/30}]",
        "blocks: [{cidr: 10.0.10.0/30}], disabled: true",
    ] {
        lab.apply(&pool("p", spec)).unwrap();
        lab.apply(&pool("later", "blocks: [{cidr: 10.0.10.0/24}]"))
            .unwrap();
    }
    lab.kubectl(&["delete", "ippools", "p", "later"]).unwrap();
    lab.apply(&pool("p", "blocks: [{cidr: 10.0.10.0/24}]")).unwrap();
    // The answer to a new service shows that all of this was taken in.
    lab.apply(&service("after", "", "")).unwrap();
    has(&lab, "after", &["10.0.10.1"]).unwrap();
    assert_eq!(ingress(&lab, "web").unwrap(), ["10.0.10.0"]);
    assert_eq!(
        version(&lab, "web").unwrap(),
        before,
        "the service was written without a cause"
    );
    lab.down().unwrap();
}

#[test]
fn what_is_asked_for_is_had_or_explained_and_a_freed_address_serves_who_waits() {
    let lab = lab("asked").unwrap();
    let asking = |name: &str, ips: &str| {
        service(
            name,
            &format!(", annotations: {{lbipam.cilium.io/ips: \"{ips}\"}}"),
            "",
        )
    };
    lab.apply(&pool(
        "p",
        "blocks: [{cidr: 10.0.10.0/24}], serviceSelector: {matchLabels: {color: blue}}",
    ))
    .unwrap();
    lab.apply(&pool("q", "blocks: [{start: 10.0.3.5, stop: 10.0.3.15}]"))
        .unwrap();
    lab.apply(&asking("first", "10.0.3.9")).unwrap();
    has(&lab, "first", &["10.0.3.9"]).unwrap();
    lab.apply(&asking("second", "10.0.3.9")).unwrap();
    says(
        &lab,
        "second",
        "already_allocated",
        "service default/first has it",
    )
    .unwrap();
    lab.apply(&asking("unlabelled", "10.0.10.4")).unwrap();
    says(&lab, "unlabelled", "pool_selector_mismatch", "color=blue").unwrap();
    lab.apply(&asking("nowhere", "192.0.2.1")).unwrap();
    says(&lab, "nowhere", "no_pool", "no pool contains it").unwrap();
    lab.apply(&asking("garbled", "10.0.3")).unwrap();
    says(&lab, "garbled", "bad_request", "\"10.0.3\"").unwrap();
    let samples = [
        r#"lightship_operator_pool_addresses_available{pool="q"} 10.0"#,
        r#"lightship_operator_pool_addresses_used{pool="q"} 1.0"#,
        r#"lightship_operator_services_waiting{reason="already_allocated"} 1"#,
        r#"lightship_operator_services_waiting{reason="bad_request"} 1"#,
        r#"lightship_operator_changes_total{reason="AddressAssigned"} 1"#,
        r#"lightship_operator_writes_total{kind="service",outcome="written"} 5"#,
    ];
    exports(&lab, 9963, &samples).unwrap();
    lab.kubectl(&["delete", "service", "first"]).unwrap();
    has(&lab, "second", &["10.0.3.9"]).unwrap();
    lab.kubectl(&["label", "service", "unlabelled", "color=blue"])
        .unwrap();
    has(&lab, "unlabelled", &["10.0.10.4"]).unwrap();
    lab.down().unwrap();
}

#[test]
fn other_writers_of_a_status_lose_nothing_and_take_nothing() {
    let lab = lab("writers").unwrap();
    lab.apply(&(pool("p", "blocks: [{cidr: 10.0.10.0/24}]") + &service("web", "", "")))
        .unwrap();
    has(&lab, "web", &["10.0.10.0"]).unwrap();
    let patch = |name: &str, body: &str| {
        let subresource = "--subresource=status";
        lab.kubectl(&[
            "patch",
            "service",
            name,
            subresource,
            "--type=strategic",
            "-p",
            body,
        ])
        .unwrap()
    };
    // Another controller's condition stays beside ours through our next write.
    patch(
        "web",
        r#"{"status":{"conditions":[{"type":"example.com/Seen","status":"True","reason":"seen","message":"",
            "lastTransitionTime":"2026-01-01T00:00:00Z"}]}}"#,
    );
    // Somebody clears the ingress: the same address comes back.
    lab.kubectl(&[
        "patch",
        "service",
        "web",
        "--subresource=status",
        "--type=merge",
        "-p",
        r#"{"status":{"loadBalancer":{"ingress":null}}}"#,
    ])
    .unwrap();
    has(&lab, "web", &["10.0.10.0"]).unwrap();
    let conditions = lab.get(&["service", "web"]).unwrap()["status"]["conditions"].to_string();
    assert!(conditions.contains("example.com/Seen"), "{conditions}");
    // A service of another class is left alone, and so is what another controller gave.
    lab.apply(&service("foreign", "", ", loadBalancerClass: example.com/other"))
        .unwrap();
    lab.kubectl(&[
        "patch",
        "service",
        "foreign",
        "--subresource=status",
        "--type=merge",
        "-p",
        r#"{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.7"}]}}}"#,
    ])
    .unwrap();
    let before = version(&lab, "foreign").unwrap();
    lab.apply(&service("after", "", "")).unwrap();
    has(&lab, "after", &["10.0.10.1"]).unwrap();
    assert_eq!(version(&lab, "foreign").unwrap(), before);
    lab.down().unwrap();
}

#[test]
fn a_frozen_leader_is_replaced_and_thawed_does_no_harm() {
    let lab = lab("thaw").unwrap();
    lab.operator(Action::Start, 2).unwrap();
    lab.apply(&(pool("p", "blocks: [{cidr: 10.0.10.0/24}]") + &service("web", "", "")))
        .unwrap();
    has(&lab, "web", &["10.0.10.0"]).unwrap();
    lab.operator(Action::Freeze, 1).unwrap();
    // What changes meanwhile the frozen one will see late: the address goes from one service to another.
    lab.kubectl(&["delete", "service", "web"]).unwrap();
    lab.apply(&service("next", "", "")).unwrap();
    has(&lab, "next", &["10.0.10.0"]).unwrap();
    lab.operator(Action::Thaw, 1).unwrap();
    exports(&lab, 9963, &["lightship_operator_leader 0"]).unwrap();
    exports(&lab, 9965, &["lightship_operator_leader 1"]).unwrap();
    let leader = |lab: &Lab| {
        let lease = lab.get(&["lease", "-n", "kube-system", "lightship-operator"])?;
        Ok::<_, anyhow::Error>(
            lease["spec"]["holderIdentity"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    };
    lab.apply(&service("after", "", "")).unwrap();
    has(&lab, "after", &["10.0.10.1"]).unwrap();
    assert_eq!(leader(&lab).unwrap(), "operator-2");
    assert_eq!(ingress(&lab, "next").unwrap(), ["10.0.10.0"]);
    lab.down().unwrap();
}

#[test]
fn an_api_server_that_is_away_for_a_while_costs_nothing() {
    let lab = lab("away").unwrap();
    lab.apply(&(pool("p", "blocks: [{cidr: 10.0.10.0/24}]") + &service("web", "", "")))
        .unwrap();
    has(&lab, "web", &["10.0.10.0"]).unwrap();
    let before = version(&lab, "web").unwrap();
    lab.api(Action::Freeze).unwrap();
    eventually("the operator to notice", PATIENCE, || {
        let said = lab.logs("operator-1")?;
        ensure!(said.contains("does not lead any more"), "it still leads");
        Ok(())
    })
    .unwrap();
    lab.api(Action::Thaw).unwrap();
    lab.apply(&service("after", "", "")).unwrap();
    has(&lab, "after", &["10.0.10.1"]).unwrap();
    assert_eq!(version(&lab, "web").unwrap(), before);
    lab.down().unwrap();
}
