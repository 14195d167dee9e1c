//! Everything malformed that the API server lets through, at once: each object says what is wrong with it, and the
//! others go on.

use anyhow::{Result, ensure};
use lightship_tests::{
    Lab, eventually,
    objects::{PATIENCE, addresses_only, condition, has, ingress, pool, says, service, told},
};

const BAD_BLOCK: &str = "lightship.dev/BadBlock";

/// Somebody who writes statuses of services and is not us.
fn writes_status(lab: &Lab, service: &str, ingress: &str) -> Result<String> {
    lab.kubectl(&[
        "patch",
        "service",
        service,
        "--subresource=status",
        "--type=merge",
        "-p",
        &format!(r#"{{"status":{{"loadBalancer":{{"ingress":{ingress}}}}}}}"#),
    ])
}

/// Waits for an event about an object, of this reason and with these words.
fn event(lab: &Lab, name: &str, reason: &str, words: &str) -> Result<()> {
    let field = format!("involvedObject.name={name},reason={reason}");
    eventually(
        &format!("an event {reason} about {name}: {words}"),
        PATIENCE,
        || {
            let events = lab.get(&["events", "--all-namespaces", "--field-selector", &field])?;
            let messages: Vec<_> = events["items"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|one| one["message"].to_string())
                .collect();
            ensure!(
                messages.iter().any(|message| message.contains(words)),
                "there are {messages:?}"
            );
            Ok(())
        },
    )
}

fn services_say(lab: &Lab) -> Result<()> {
    for (name, words) in [
        (
            "network",
            "\"10.0.10.5/32\" is requested, but it is no IP address",
        ),
        ("zone", "\"fe80::1%eth0\""),
        ("partly", "\"nonsense\""),
        ("by-name", "\"router.example\""),
        ("absurd", "more items; at most 256 are read"),
    ] {
        says(lab, name, "bad_request", words)?;
    }
    event(lab, "network", "RequestUnsatisfied", "\\\"10.0.10.5/32\\\"")?;
    event(lab, "absurd", "RequestUnsatisfied", "\\\"x0\\\"")?;
    says(
        lab,
        "nowhere",
        "no_pool",
        "pool good: the service asks for pool nowhere only",
    )?;
    for (name, address) in [
        ("partly", "10.0.10.79"),
        ("mapped", "10.0.10.77"),
        ("odd-sharing", "10.0.10.90"),
    ] {
        has(lab, name, &[address])?;
    }
    Ok(())
}

fn pools_say(lab: &Lab) -> Result<()> {
    for (name, words) in [
        (
            "backwards",
            "block 1: failed to make a range of 2004::9 to 2004::1",
        ),
        (
            "no-values",
            "serviceSelector: failed to read the requirement on \"color\": In needs at least one value",
        ),
        ("no-label", "\"not a key!\": no label can have such a key"),
        ("reserved-backwards", "reserved \"2004::9-2004::1\""),
    ] {
        told(lab, &["ippools", name], BAD_BLOCK, "bad_block", words)?;
        event(lab, name, "BadBlock", "the rest of the pool is")?;
    }
    told(
        lab,
        &["ippools", "backwards"],
        "cilium.io/IPsTotal",
        "noreason",
        "256",
    )?;
    // What stands beside a cidr is not looked at.
    told(lab, &["ippools", "both"], "cilium.io/IPsTotal", "noreason", "256")?;
    assert_eq!(condition(&lab.get(&["ippools", "both"])?, BAD_BLOCK), None);
    let itself = "10.2.0.255 - 10.2.1.9";
    told(
        lab,
        &["ippools", "overlapping"],
        "cilium.io/PoolConflict",
        "cidr_overlap",
        itself,
    )?;
    Ok(())
}

fn policies_say(lab: &Lab) -> Result<()> {
    let policies = "ciliuml2announcementpolicies";
    for (name, type_, words) in [
        ("bad-regex", "io.cilium/bad-interface-regex", "\"eth[\""),
        (
            "bad-selectors",
            "io.cilium/bad-node-selector",
            "NotIn needs at least one value",
        ),
        (
            "bad-selectors",
            "io.cilium/bad-service-selector",
            "Exists takes no values",
        ),
    ] {
        told(lab, &[policies, name], type_, "error", words)?;
    }
    event(lab, "bad-regex", "BadInterfaceRegex", "eth[")?;
    Ok(())
}

fn others_are_left(lab: &Lab) -> Result<()> {
    // What others wrote is as they wrote it, and the service says why.
    for (name, shown) in [
        ("named-by-cloud", &[""][..]),
        ("twice", &["192.0.2.1", "192.0.2.1", ""]),
    ] {
        let foreign = "lightship.dev/ForeignAddress";
        told(
            lab,
            &["service", name],
            foreign,
            "left_alone",
            "put into the status by somebody else",
        )?;
        assert_eq!(ingress(lab, name)?, shown, "{name}");
    }
    Ok(())
}

#[test]
fn what_is_malformed_says_so_and_everything_else_goes_on() {
    let lab = addresses_only("malformed", &[]).unwrap();
    // Two services that have a status before anybody could serve them.
    lab.apply(&(service("named-by-cloud", "", "") + &service("twice", "", "")))
        .unwrap();
    writes_status(&lab, "named-by-cloud", r#"[{"hostname":"lb.example"}]"#).unwrap();
    writes_status(
        &lab,
        "twice",
        r#"[{"ip":"192.0.2.1"},{"ip":"192.0.2.1"},{"hostname":"lb.example"}]"#,
    )
    .unwrap();
    lab.apply(include_str!("bad_input.yaml")).unwrap();
    // An annotation as long as they may be: tens of thousands of items, each of them wrong.
    let many: Vec<_> = (0..40_000).map(|number| format!("x{number:x}")).collect();
    let annotations = format!(", annotations: {{lbipam.cilium.io/ips: \"{}\"}}", many.join(","));
    // Not applied, for `kubectl apply` would store it in a second annotation, which is then too long.
    lab.kubectl_tool(&["create", "-f", "-"])
        .unwrap()
        .input(service("absurd", &annotations, ""))
        .run()
        .unwrap();

    services_say(&lab).unwrap();
    pools_say(&lab).unwrap();
    policies_say(&lab).unwrap();
    others_are_left(&lab).unwrap();

    // A sane service and a sane pool, in the midst of it.
    lab.apply(
        &(pool(
            "later",
            "blocks: [{cidr: 10.6.0.0/24}], serviceSelector: {matchLabels: {color: blue}}",
        ) + &service("sane", "", "")
            + &service(
                "blue",
                ", labels: {color: blue}, annotations: {lightship.dev/pool: later}",
                "",
            )),
    )
    .unwrap();
    has(&lab, "sane", &["10.0.10.0"]).unwrap();
    has(&lab, "blue", &["10.6.0.0"]).unwrap();
    let fine = lab.get(&["ippools", "good"]).unwrap();
    assert_eq!(condition(&fine, BAD_BLOCK), None);
    assert!(!lab.logs("operator-1").unwrap().contains("panicked"));
    lab.down().unwrap();
}
