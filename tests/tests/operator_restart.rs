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

type Versions = (String, String);

fn versions(lab: &Lab) -> Result<Versions> {
    let version =
        |what: &[&str]| Ok::<_, anyhow::Error>(lab.get(what)?["metadata"]["resourceVersion"].to_string());
    Ok((
        version(&["service", j0::SERVICE])?,
        version(&["lease", "-n", "kube-system", j0::LEASE])?,
    ))
}

/// Waits until a leader works again. The dead leader's own lease must run out first.
fn works_again(lab: &Lab) -> Result<()> {
    lab.apply(LATER)?;
    eventually("an address from the new leader", Duration::from_mins(1), || {
        let later = lab.get(&["service", "later"])?;
        let ingress = &later["status"]["loadBalancer"]["ingress"];
        ensure!(ingress[0]["ip"] == "10.0.10.1", "the ingress is {ingress}");
        lab.get(&["lease", "-n", "kube-system", "cilium-l2announce-default-later"])
            .map(drop)
    })
}

#[test]
fn a_killed_operator_changes_nothing() {
    let lab = TestLab::up("operator", &Options::default()).unwrap();
    j0::announce(&Walk::silent(&lab)).unwrap();
    let before = versions(&lab).unwrap();

    lab.operator(Action::Kill, 1).unwrap();
    lab.operator(Action::Start, 1).unwrap();
    works_again(&lab).unwrap();

    assert_eq!(versions(&lab).unwrap(), before);
    observed::page(&lab).unwrap();
    lab.down().unwrap();
}

#[test]
fn the_other_replica_takes_over_and_changes_nothing() {
    let lab = TestLab::up("replica", &Options::default()).unwrap();
    lab.operator(Action::Start, 2).unwrap();
    j0::announce(&Walk::silent(&lab)).unwrap();
    let before = versions(&lab).unwrap();

    lab.operator(Action::Kill, 1).unwrap();
    works_again(&lab).unwrap();

    assert_eq!(versions(&lab).unwrap(), before);
    observed::page(&lab).unwrap();
    lab.down().unwrap();
}
