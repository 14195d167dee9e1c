//! J1: both families on one segment, chosen by labels. The Gateway (J1.2) and the second segment (J1.5) are not in here.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{
    Lab, Options, client, eventually,
    lab::{host::JUMPBOX, testing::TestLab},
};

const SOON: Duration = Duration::from_mins(1);
const LEASE: &str = "cilium-l2announce-default-dual-stack";

/// Short, so that a dead node's addresses move within seconds.
fn timings() -> Vec<String> {
    let flags = [
        ("lease-duration", "3s"),
        ("renew-deadline", "1s"),
        ("retry-period", "500ms"),
    ];
    flags
        .iter()
        .map(|(name, value)| format!("--l2-announcements-{name}={value}"))
        .collect()
}

fn addresses(lab: &Lab) -> Result<Vec<String>> {
    let ingress = &lab.get(&["service", "dual-stack"])?["status"]["loadBalancer"]["ingress"];
    let entries = ingress.as_array().cloned().unwrap_or_default();
    Ok(entries
        .iter()
        .filter_map(|entry| entry["ip"].as_str().map(str::to_owned))
        .collect())
}

fn holder(lab: &Lab) -> Result<String> {
    let lease = lab.get(&["lease", "-n", "kube-system", LEASE])?;
    lease["spec"]["holderIdentity"]
        .as_str()
        .map(str::to_owned)
        .context("the lease names no holder")
}

/// Both addresses are answered by the holder, as arping and ndisc6 on the client see it.
fn answered_by_holder(lab: &Lab, addresses: &[String]) -> Result<String> {
    let [v4, v6] = addresses else {
        anyhow::bail!("two addresses are expected, not {addresses:?}")
    };
    let holder = holder(lab)?;
    let mac = lab.host(&holder)?.lan_mac();
    let answers = client::arping::arping(lab, v4, 1)?;
    ensure!(
        answers.macs == std::slice::from_ref(&mac),
        "{holder} has {mac}, but arping saw {answers:?}"
    );
    let found = lab.try_exec(JUMPBOX, &["ndisc6", "--single", "--retry", "1", v6, "eth0"])?;
    let seen = found.stdout.to_lowercase();
    ensure!(
        seen.contains(&mac),
        "{holder} has {mac}, but ndisc6 saw {}{}",
        found.stdout,
        found.stderr
    );
    Ok(holder)
}

#[test]
fn a_dual_stack_service_is_announced_by_both_families_and_survives_its_node() {
    let options = Options {
        nodes: 3,
        agent_flags: timings(),
        operator_flags: timings(),
        ..Options::default()
    };
    let lab = TestLab::up("j1", &options).unwrap();
    lab.kubectl(&["label", "node", "node-1", "datacenter=dc1"])
        .unwrap();
    lab.kubectl(&["label", "node", "node-2", "datacenter=dc2"])
        .unwrap();
    for sample in ["pool", "policy", "services"] {
        lab.apply_file(&format!("samples/j1/{sample}.yaml")).unwrap();
    }
    let given = eventually("one address of each family", SOON, || {
        let given = addresses(&lab)?;
        ensure!(given.len() == 2, "it has {given:?}");
        Ok(given)
    })
    .unwrap();
    assert_eq!(given, ["10.0.10.0", "2004::"]);
    eventually(
        "the service without the label to be told which one it lacks",
        SOON,
        || {
            let status = lab.get(&["service", "unlabelled"])?["status"].clone();
            ensure!(
                status.to_string().contains("ippool=l2announced"),
                "its status is {status}"
            );
            ensure!(
                status["loadBalancer"]["ingress"].is_null(),
                "it has an address: {status}"
            );
            Ok(())
        },
    )
    .unwrap();

    let first = eventually("both addresses answered", SOON, || {
        answered_by_holder(&lab, &given)
    })
    .unwrap();
    assert!(
        ["node-1", "node-2"].contains(&first.as_str()),
        "{first} is in no data centre of the policy"
    );
    for (address, url) in given.iter().zip(["http://10.0.10.0/", "http://[2004::]/"]) {
        // The client's own kernel learns of the holder by talking to it; whether somebody serves is not the question.
        client::curl(&lab, url).unwrap();
        let known = client::neighbour(&lab, address).unwrap();
        assert_eq!(known, Some(lab.host(&first).unwrap().lan_mac()), "{address}");
    }

    lab.crash(&first).unwrap();
    let second = eventually("both addresses answered by another node", SOON, || {
        let holder = answered_by_holder(&lab, &given)?;
        ensure!(holder != first, "{first} still holds");
        Ok(holder)
    })
    .unwrap();
    // Nobody flushes anything: the new holder's announcements change what the client knows.
    eventually("the client's neighbour table to follow by itself", SOON, || {
        let mac = lab.host(&second)?.lan_mac();
        for address in &given {
            let known = client::neighbour(&lab, address)?;
            ensure!(
                known.as_ref() == Some(&mac),
                "{address} is believed to be at {known:?}, not at {mac}"
            );
        }
        Ok(())
    })
    .unwrap();
    lab.down().unwrap();
}
