//! Manifests and chart are what an API server takes to the last field, in any namespace.

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{Lab, Options, binaries, chart, command::Tool, lab::testing::TestLab};

const STRICT: [&str; 4] = ["apply", "--server-side", "--validate=strict", "-f"];

fn rendered(namespace: &str) -> Result<String> {
    let helm = binaries::control_plane("helm")?.to_string_lossy().into_owned();
    let chart = chart::folder().to_string_lossy().into_owned();
    let line = [
        &helm,
        "template",
        "lightship",
        &chart,
        "--kube-version=1.31.0",
        "--namespace",
        namespace,
    ];
    Tool::new(line).run()
}

fn can(lab: &Lab, account: &str, what: &[&str]) -> Result<bool> {
    let account = format!("--as=system:serviceaccount:ships:{account}");
    let asked = lab.try_kubectl(&[&["auth", "can-i", "--namespace=ships", &account], what].concat())?;
    Ok(asked.stdout.trim() == "yes")
}

#[test]
fn every_object_is_taken_strictly_and_without_a_warning() -> Result<()> {
    let options = Options {
        nodes: 1,
        bare: true,
        ..Options::default()
    };
    let lab = TestLab::up("install", &options)?;
    let folder = binaries::source().join("manifests");
    let shipped = lab.kubectl(&["kustomize", &folder.to_string_lossy()])?;
    let apply = |text: &str| {
        lab.kubectl_tool(&[&STRICT[..], &["-"]].concat())?
            .input(text)
            .attempt()
    };

    let taken = apply(&shipped)?;
    ensure!(
        taken.succeeded() && taken.stderr.is_empty(),
        "the API server says {}",
        taken.stderr
    );
    let again = lab.kubectl(&["diff", "-k", &folder.to_string_lossy()])?;
    ensure!(again.is_empty(), "applied a second time it would change {again}");
    // What is not strict would take this.
    let typo = apply(&shipped.replace("readOnlyRootFilesystem", "readOnlyRootFileSystem"))?;
    ensure!(
        !typo.succeeded() && typo.stderr.contains("field not declared in schema"),
        "a field that does not exist was taken: {}{}",
        typo.stdout,
        typo.stderr
    );
    let rule = apply(&shipped.replace("variables.claims ||", "variables.claim ||"))?;
    ensure!(
        !rule.succeeded() && rule.stderr.contains("undefined field 'claim'"),
        "a rule that cannot be evaluated was taken: {}{}",
        rule.stdout,
        rule.stderr
    );
    lab.down()
}

#[test]
fn the_chart_gives_its_rights_to_the_accounts_of_its_namespace() -> Result<()> {
    let options = Options {
        nodes: 1,
        bare: true,
        ..Options::default()
    };
    let lab = TestLab::up("chart", &options)?;
    lab.kubectl(&["create", "namespace", "ships"])?;
    let objects = rendered("ships")?;
    let taken = lab
        .kubectl_tool(&[&STRICT[..], &["-"]].concat())?
        .input(objects)
        .attempt()?;
    ensure!(
        taken.succeeded() && taken.stderr.is_empty(),
        "the API server says {}",
        taken.stderr
    );
    let agent = lab.get(&["-n", "ships", "daemonset", "lightship-agent"])?;
    let account = agent.pointer("/spec/template/spec/serviceAccountName");
    let account = account.and_then(|name| name.as_str()).context("no account")?;
    ensure!(
        can(&lab, account, &["update", "leases"])?,
        "an agent cannot write leases"
    );
    ensure!(
        !can(&lab, account, &["delete", "leases"])?,
        "an agent may delete leases"
    );
    ensure!(
        !can(&lab, account, &["get", "secrets"])?,
        "an agent may read secrets"
    );
    let operator = "lightship-operator";
    ensure!(
        can(&lab, operator, &["delete", "leases"])?,
        "the operator cannot delete leases"
    );
    let patched = ["patch", "services", "--subresource=status"];
    ensure!(can(&lab, operator, &patched)?, "the operator cannot write status");
    ensure!(
        !can(&lab, operator, &["patch", "services"])?,
        "the operator may write services"
    );
    lab.down()
}
