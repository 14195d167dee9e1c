//! What is in the way of a cluster's addresses: each thing that `lightship doctor` looks at.

use anyhow::{Result, ensure};
use lightship_tests::{Lab, eventually, lab::unit::Action};

use crate::{PATIENCE, lightship};

/// What doctor says of a check, once it says so.
pub(crate) fn found(lab: &Lab, code: i32, line: &str) -> Result<String> {
    eventually(&format!("doctor to say {line}"), PATIENCE, || {
        let outcome = lightship(lab, &["doctor"])?;
        ensure!(
            outcome.code == code,
            "exit code {}: {}",
            outcome.code,
            outcome.stdout
        );
        ensure!(outcome.stdout.contains(line), "{}", outcome.stdout);
        Ok(outcome.stdout)
    })
}

/// Each thing that doctor looks at, broken and mended.
pub(crate) fn doctor(lab: &Lab) -> Result<()> {
    lab.apply(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: kube-proxy, namespace: kube-system}, data: {config.conf: 'mode: ipvs'}}",
    )?;
    found(lab, 3, "FAIL  kube-proxy   mode ipvs without strictARP")?;
    lab.kubectl(&["-n", "kube-system", "delete", "configmap", "kube-proxy"])?;
    lab.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: cilium-config, namespace: kube-system}, data: {}}")?;
    found(lab, 3, "FAIL  announcers   Cilium's LB-IPAM is on")?;
    lab.apply(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: cilium-config, namespace: kube-system}, \
         data: {enable-lb-ipam: 'false', enable-l2-announcements: 'false'}}",
    )?;
    found(
        lab,
        0,
        "OK    announcers   Cilium leaves LoadBalancer addresses to others",
    )?;
    lab.kubectl(&["-n", "kube-system", "delete", "configmap", "cilium-config"])?;
    lab.kubectl(&["delete", "clusterrolebinding", "lightship-operator"])?;
    found(
        lab,
        3,
        "FAIL  permissions  lightship-operator may not get services",
    )?;
    lab.install_manifests()?;
    let pool = "ciliumloadbalancerippools.cilium.io";
    lab.kubectl(&[
        "label",
        "crd",
        pool,
        "--overwrite",
        "io.cilium.k8s.crd.schema.version=1.31.5",
    ])?;
    found(lab, 0, "WARN  definitions")?;
    lab.install_manifests()?;
    lab.agent(Action::Stop, "node-1")?;
    // Until its heartbeat expires it is an agent of the version that it says.
    let heartbeat = ["-n", "kube-system", "annotate", "lease", "lightship-agent-node-1"];
    lab.kubectl(
        &[
            &heartbeat[..],
            &["--overwrite", "lightship.dev/agent-version=0.0.9"],
        ]
        .concat(),
    )?;
    found(
        lab,
        0,
        "WARN  agents       those on node-1 (0.0.9) are older than this program",
    )?;
    let status = lightship(lab, &["status"])?.stdout;
    ensure!(
        status.contains("AGENT OF ANOTHER VERSION") && status.contains("0.0.9"),
        "{status}"
    );
    found(lab, 0, "WARN  agents       none is alive on node-1")?;
    lab.agent(Action::Start, "node-1")?;
    found(lab, 0, "OK    agents       alive on every node (2)")?;

    let here = lab.exec("node-1", &["lightship", "doctor", "--here"])?;
    for line in [
        "OK    kernel",
        "OK    bpffs",
        "OK    capabilities",
        "OK    seccomp       bpf(2) may be called",
        "OK    agent",
    ] {
        assert!(here.contains(line), "{here}");
    }
    let nowhere = lab.try_exec("node-1", &["lightship", "doctor", "--here", "--bpffs=/tmp"])?;
    assert_eq!(nowhere.code, 3);
    assert!(
        nowhere
            .stdout
            .contains("-> mount it with 'mount -t bpf bpf /tmp'"),
        "{}",
        nowhere.stdout
    );
    Ok(())
}
