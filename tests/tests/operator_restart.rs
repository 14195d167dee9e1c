//! An operator that is killed and started again changes nothing.

use std::time::Duration;

use anyhow::{Result, ensure};
use lightship_tests::{
    Lab, Options, eventually,
    journey::{Walk, j0, observed},
    lab::{testing::TestLab, unit::Action},
};

/// Comes after the restart: its address shows that the new operator leads and works.
const LATER: &str = "
apiVersion: v1
kind: Service
metadata: {name: later, namespace: default}
spec: {type: LoadBalancer, ports: [{port: 80}]}
";

fn version(lab: &Lab, what: &[&str]) -> Result<String> {
    Ok(lab.get(what)?["metadata"]["resourceVersion"].to_string())
}

#[test]
fn a_killed_operator_changes_nothing() {
    let lab = TestLab::up("operator", &Options::default()).unwrap();
    j0::announce(&Walk::silent(&lab)).unwrap();
    let service = ["service", j0::SERVICE];
    let lease = ["lease", "-n", "kube-system", j0::LEASE];
    let before = (version(&lab, &service).unwrap(), version(&lab, &lease).unwrap());

    lab.operator(Action::Kill, 1).unwrap();
    lab.operator(Action::Start, 1).unwrap();
    lab.apply(LATER).unwrap();
    // The dead leader's own lease must run out first.
    eventually("an address from the new operator", Duration::from_mins(1), || {
        let later = lab.get(&["service", "later"])?;
        let ingress = &later["status"]["loadBalancer"]["ingress"];
        ensure!(ingress[0]["ip"] == "10.0.10.1", "the ingress is {ingress}");
        lab.get(&["lease", "-n", "kube-system", "cilium-l2announce-default-later"])
    })
    .unwrap();

    let after = (version(&lab, &service).unwrap(), version(&lab, &lease).unwrap());
    assert_eq!(after, before);
    observed::page(&lab).unwrap();
    lab.down().unwrap();
}
