//! The commands of whoever runs a cluster: what is in the way before and after installing, what every wrong
//! circumstance is answered with, and leaving without a trace.

mod circumstances;
mod doctor;
mod leaving;

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{
    Lab, Options, binaries,
    command::{Outcome, Tool},
    eventually,
    journey::{Walk, j0},
    lab::{testing::TestLab, unit::Action},
    snapshot,
};

use circumstances::every_circumstance;
use doctor::{doctor, found};
use leaving::leave;

const PATIENCE: Duration = Duration::from_mins(1);

/// The command as somebody else, or towards another cluster.
fn as_told_by(kubeconfig: &Path, args: &[&str]) -> Result<Outcome> {
    let program = binaries::lightship()?.to_string_lossy().into_owned();
    let line = [program]
        .into_iter()
        .chain(args.iter().map(|arg| (*arg).to_owned()));
    Tool::new(line).env("KUBECONFIG", kubeconfig).attempt()
}

fn lightship(lab: &Lab, args: &[&str]) -> Result<Outcome> {
    as_told_by(&lab.folder().kubeconfig(), args)
}

/// Beside Cilium's own LB-IPAM or L2 announcements the operator does not begin.
fn refuses_beside_cilium(lab: &Lab) -> Result<()> {
    for (settings, words) in [
        ("{}", "Cilium's LB-IPAM is on"),
        (
            "{enable-lb-ipam: 'false', enable-l2-announcements: 'true'}",
            "Cilium's L2 announcements are on",
        ),
    ] {
        lab.apply(&format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: cilium-config, namespace: kube-system}}, data: {settings}}}"
        ))?;
        lab.operator(Action::Start, 2)?;
        eventually("the operator to refuse", PATIENCE, || {
            let log = lab.logs("operator-2")?;
            ensure!(
                log.contains("refuses to start beside Cilium") && log.contains(words),
                "{log}"
            );
            ensure!(log.contains("turn it off: helm upgrade cilium"), "{log}");
            Ok(())
        })?;
        lab.operator(Action::Stop, 2)?;
    }
    lab.kubectl(&["-n", "kube-system", "delete", "configmap", "cilium-config"])?;
    Ok(())
}

#[test]
fn whoever_runs_a_cluster_is_told_what_to_do_and_can_leave() {
    let options = Options {
        nodes: 1,
        bare: true,
        agent_flags: vec!["--l2-announcements-lease-duration=3s".to_owned()],
        operator_flags: vec!["--l2-announcements-lease-duration=3s".to_owned()],
        ..Options::default()
    };
    let lab = TestLab::up("operate", &options).unwrap();
    let before = lightship(&lab, &["doctor"]).unwrap();
    assert_eq!(before.code, 0, "{}", before.stdout);
    snapshot::check("doctor_before", &snapshot::screen("lightship doctor", &before)).unwrap();
    every_circumstance(&lab).unwrap();

    lab.install_manifests().unwrap();
    lab.start_lightship().unwrap();
    found(&lab, 0, "OK    agents       alive on every node (2)").unwrap();
    let well = lightship(&lab, &["doctor"]).unwrap();
    snapshot::check("doctor_after", &snapshot::screen("lightship doctor", &well)).unwrap();
    doctor(&lab).unwrap();
    refuses_beside_cilium(&lab).unwrap();

    j0::announce(&Walk::silent(&lab)).unwrap();
    plugin(&lab).unwrap();
    colours(&lab).unwrap();
    leave(&lab).unwrap();
    lab.down().unwrap();
}

/// Colours are for a terminal, and for nobody who does not want them.
fn colours(lab: &Lab) -> Result<()> {
    const GREEN: &str = "\x1b[32m";
    let terminal = ["script", "-qec", "lightship doctor", "/dev/null"];
    let tool = lab.tool("control-plane", &terminal)?.env("TERM", "xterm");
    let shown = tool.run()?;
    ensure!(shown.contains(GREEN), "no colour on a terminal: {shown}");
    let shown = tool.env("NO_COLOR", "1").run()?;
    ensure!(!shown.contains('\x1b'), "colours that nobody wants: {shown}");
    let shown = lab.exec("control-plane", &["lightship", "doctor"])?;
    ensure!(!shown.contains('\x1b'), "colours in a pipe: {shown}");
    Ok(())
}

/// As kubectl's plugin it is the same program.
fn plugin(lab: &Lab) -> Result<()> {
    let folder = lab.folder().path().join("plugins");
    fs::create_dir_all(&folder).context("failed to make a folder for the plugin")?;
    std::os::unix::fs::symlink(binaries::lightship()?, folder.join("kubectl-lightship"))
        .context("failed to name the plugin")?;
    let path = format!("{}:{}", folder.display(), binaries::path().to_string_lossy());
    let shown = lab
        .kubectl_tool(&["lightship", "ips", "-o", "wide"])?
        .env("PATH", path)
        .run()?;
    ensure!(shown.contains(j0::ADDRESS) && shown.contains("node-1"), "{shown}");
    Ok(())
}
