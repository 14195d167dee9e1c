//! Leaving without a trace.

use std::thread;

use anyhow::{Result, anyhow, ensure};
use lightship_tests::{
    Lab,
    client::arping::arping,
    command::Outcome,
    eventually,
    journey::j0,
    lab::{host::Host, unit::Action},
};
use serde_json::json;

use crate::{PATIENCE, lightship};

/// What a kubelet does when the DaemonSet of the agents is to clean the nodes.
fn kubelets(lab: &Lab) -> Result<()> {
    eventually("the end of the Deployment", PATIENCE, || {
        let asked = lab.try_kubectl(&["-n", "kube-system", "get", "deployment", "lightship-operator"])?;
        ensure!(asked.stderr.contains("NotFound"), "it is there");
        Ok(())
    })?;
    lab.operator(Action::Stop, 1)?;
    let set = eventually("the DaemonSet to clean nodes", PATIENCE, || {
        let set = lab.get(&["-n", "kube-system", "daemonset", "lightship-agent"])?;
        let args = &set["spec"]["template"]["spec"]["containers"][0]["args"];
        ensure!(*args == json!(["cleanup", "--stay"]), "its args are {args}");
        Ok(set)
    })?;
    let nodes = Host::nodes(lab.nodes());
    for node in &nodes {
        lab.agent(Action::Stop, node.name())?;
        lab.exec(node.name(), &["lightship", "cleanup"])?;
    }
    let all = nodes.len();
    let status = json!({"status": {
        "observedGeneration": set["metadata"]["generation"], "desiredNumberScheduled": all, "currentNumberScheduled": all,
        "updatedNumberScheduled": all, "numberReady": all, "numberMisscheduled": 0,
    }});
    lab.kubectl(&[
        "-n",
        "kube-system",
        "patch",
        "daemonset",
        "lightship-agent",
        "--subresource=status",
        "--type=merge",
        "-p",
        &status.to_string(),
    ])
    .map(drop)
}

/// Takes Lightship out of the cluster: a dry run shows what goes, and afterwards nothing is left.
pub(crate) fn leave(lab: &Lab) -> Result<()> {
    lab.drain("node-1")?;
    let dry = lightship(lab, &["uninstall", "--dry-run"])?;
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    for row in [
        "DaemonSet kube-system lightship-agent",
        "Lease kube-system cilium-l2announce-default-cilium-ingress-basic-ingress",
        "ClusterRole lightship-operator",
        "CustomResourceDefinition ciliumloadbalancerippools.cilium.io",
    ] {
        let mut rows = dry.stdout.lines();
        let is_there = rows.any(|line| line.split_whitespace().eq(row.split(' ')));
        assert!(is_there, "{row} is not in:\n{}", dry.stdout);
    }
    assert!(dry.stderr.starts_with("Nothing was changed."), "{}", dry.stderr);
    assert!(arping(lab, j0::ADDRESS, 1)?.received > 0, "a dry run silenced it");

    let gone = thread::scope(|scope| -> Result<Outcome> {
        let played = scope.spawn(|| kubelets(lab));
        let gone = lightship(lab, &["uninstall"])?;
        let ended = played.join();
        ended.map_err(|_| anyhow!("the kubelets' part failed; see above"))??;
        Ok(gone)
    })?;
    assert_eq!(gone.code, 0, "{}{}", gone.stdout, gone.stderr);
    let again = lightship(lab, &["uninstall", "--dry-run"])?;
    assert!(
        again.stdout.contains("Nothing of Lightship is in this cluster."),
        "{}",
        again.stdout
    );
    for (what, words) in [
        (&["crds"][..], "cilium.io"),
        (&["leases", "-A"], "ightship"),
        (&["leases", "-A"], "l2announce"),
        (&["clusterroles,clusterrolebindings"], "lightship"),
        (
            &[
                "all,roles,rolebindings,serviceaccounts,configmaps,poddisruptionbudgets",
                "-A",
            ],
            "lightship",
        ),
        (
            &["validatingadmissionpolicies,validatingadmissionpolicybindings"],
            "lightship",
        ),
        (&["nodes", "-o", "yaml"], "lightship.dev"),
    ] {
        let left = lab.kubectl(&[&["get"], what].concat())?;
        assert!(!left.contains(words), "{what:?}: {left}");
    }
    for node in Host::nodes(lab.nodes()) {
        let pins = lab.exec(
            node.name(),
            &[
                "find",
                "/sys/fs/bpf",
                "-mindepth",
                "1",
                // The kernel's own.
                "!",
                "-name",
                "*.debug",
            ],
        )?;
        assert_eq!(pins, "", "pins on {}", node.name());
        let links = lab.exec(node.name(), &["bpftool", "net"])?;
        assert!(
            !links.contains("lightship") && !links.contains("l2_responder"),
            "{links}"
        );
    }
    assert_eq!(arping(lab, j0::ADDRESS, 2)?.received, 0);
    Ok(())
}
