//! The commands of whoever runs a cluster: what is in the way before and after installing, what every wrong
//! circumstance is answered with, and leaving without a trace.

mod doctor;
mod leaving;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{
    Lab, Options, binaries,
    command::{Outcome, Tool},
    eventually,
    journey::{Walk, j0},
    lab::{testing::TestLab, unit::Action},
    snapshot,
};
use serde_json::Value;

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

/// A command ends with this code and says this; asked for JSON it says it in JSON.
fn ends(kubeconfig: &Path, args: &[&str], code: i32, words: &[&str]) -> Result<()> {
    let outcome = as_told_by(kubeconfig, args)?;
    let shown = outcome.stdout.clone() + &outcome.stderr;
    assert_eq!(outcome.code, code, "{args:?}: {shown}");
    for word in words {
        assert!(shown.contains(word), "{args:?} does not say {word:?}: {shown}");
    }
    let outcome = as_told_by(kubeconfig, &[args, &["-o", "json"]].concat())?;
    assert_eq!(outcome.code, code, "{args:?} -o json: {}", outcome.stderr);
    let document: Value = serde_json::from_str(&outcome.stdout)
        .with_context(|| format!("{args:?} -o json: {:?}", outcome.stdout))?;
    if !matches!(code, 0 | 3) {
        assert_eq!(document["error"]["exitCode"], code, "{document}");
        assert!(document["error"]["message"].is_string(), "{document}");
    }
    Ok(())
}

/// A kubeconfig of the lab's with something changed.
fn changed(lab: &Lab, name: &str, change: impl FnOnce(&mut Value)) -> Result<PathBuf> {
    let text = fs::read_to_string(lab.folder().kubeconfig())?;
    let mut config: Value = serde_json::from_str(&text)?;
    change(&mut config);
    let path = lab.folder().path().join(name);
    fs::write(&path, config.to_string())?;
    Ok(path)
}

const ASKED: [&[&str]; 6] = [
    &["status"],
    &["ips"],
    &["holders"],
    &["why", "web"],
    &["simulate", "drain", "node-1"],
    &["uninstall", "--dry-run"],
];

/// Where there is no cluster, no right, no definition: a sentence, a remedy, a code.
fn every_circumstance(lab: &Lab) -> Result<()> {
    let admin = lab.folder().kubeconfig();
    // Leases there are in every cluster.
    for args in ASKED
        .iter()
        .filter(|args| !matches!(args[0], "uninstall" | "holders"))
    {
        ends(&admin, args, 6, &["install the definitions"])?;
    }
    ends(&admin, &["import", "metallb"], 6, &["no IPAddressPool", "-f"])?;
    let closed = changed(lab, "closed", |config| {
        config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9".into();
    })?;
    let stranger = changed(lab, "stranger", |config| {
        config["users"][0]["user"]["token"] = "nobody".into();
    })?;
    lab.kubectl(&["create", "serviceaccount", "reader"])?;
    let token = lab.kubectl(&["create", "token", "reader"])?;
    let reader = changed(lab, "reader", |config| {
        config["users"][0]["user"]["token"] = token.trim().into();
    })?;
    for args in ASKED {
        ends(
            &closed,
            args,
            4,
            &["failed to reach the API server", "check that it runs"],
        )?;
        ends(&stranger, args, 5, &["refuses the credentials"])?;
        ends(&reader, args, 5, &["you may not", "ask"])?;
    }
    let nowhere = lab.folder().path().join("nowhere");
    ends(
        &nowhere,
        &["status"],
        4,
        &["failed to read the kubeconfig named by KUBECONFIG"],
    )?;
    ends(&admin, &["status", "--nonsense"], 2, &["--nonsense"])?;
    ends(&admin, &["nonsense"], 2, &["nonsense"])?;
    let agent = Tool::new([
        binaries::lightship()?.to_string_lossy().into_owned(),
        "agent".to_owned(),
    ])
    .env("NODE_NAME", "")
    .attempt()?;
    assert_eq!(agent.code, 2);
    assert!(
        agent
            .stderr
            .contains("the variable NODE_NAME stands in for --node-name; it is set, but empty"),
        "{}",
        agent.stderr
    );
    Ok(())
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
