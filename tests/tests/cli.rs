//! `lightship why`, `simulate drain`, `drain` and `undrain` as people type them, in a cluster that runs.

use anyhow::{Result, ensure};
use lightship_tests::{
    Lab, Options, binaries,
    command::{Outcome, Tool},
    eventually,
    journey::{j0, observed},
    lab::testing::TestLab,
    objects::PATIENCE,
};
use serde_json::Value;

const WHY: [&str; 2] = ["why", j0::SERVICE];

fn lightship(lab: &Lab, args: &[&str]) -> Result<Outcome> {
    let program = binaries::lightship()?.to_string_lossy().into_owned();
    let line = [program]
        .into_iter()
        .chain(args.iter().map(|arg| (*arg).to_owned()));
    Tool::new(line)
        .env("KUBECONFIG", lab.folder().kubeconfig())
        .attempt()
}

/// Waits until a command prints these words and ends with this exit code; returns what it printed.
fn prints(lab: &Lab, args: &[&str], code: i32, words: &[&str]) -> Result<String> {
    eventually(
        &format!("lightship {args:?} to print {words:?}"),
        PATIENCE,
        || {
            let outcome = lightship(lab, args)?;
            let text = outcome.stdout + &outcome.stderr;
            ensure!(outcome.code == code, "exit code {}: {text}", outcome.code);
            for word in words {
                ensure!(text.contains(word), "{text}");
            }
            Ok(text)
        },
    )
}

#[test]
fn why_tells_what_is_missing_and_drain_moves_what_it_can() {
    let options = Options {
        nodes: 2,
        ..Options::default()
    };
    let lab = TestLab::up("cli", &options).unwrap();

    // From nothing to an address that answers, by what the tool says alone.
    prints(
        &lab,
        &WHY,
        1,
        &["there is no service", "see kubectl get services -A"],
    )
    .unwrap();
    for sample in ["service", "endpoints"] {
        lab.apply_file(&format!("samples/j0/{sample}.yaml")).unwrap();
    }
    let missing = ["there is no CiliumLoadBalancerIPPool", "-> create a pool"];
    prints(&lab, &WHY, 3, &missing).unwrap();
    lab.apply_file("samples/j0/pool.yaml").unwrap();
    let missing = [
        j0::ADDRESS,
        "there is no CiliumL2AnnouncementPolicy",
        "-> create one",
    ];
    prints(&lab, &WHY, 3, &missing).unwrap();
    lab.apply_file("samples/j0/policy.yaml").unwrap();
    prints(&lab, &WHY, 0, &["held by node-", "stands by", "lives"]).unwrap();
    let json = lightship(&lab, &[&WHY[..], &["-o", "json"]].concat()).unwrap();
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["state"], "well", "{json}");

    // What is simulated is what happens.
    let from = observed::holder(&lab).unwrap();
    let to = if from == "node-1" { "node-2" } else { "node-1" };
    prints(&lab, &["simulate", "drain", &from], 0, &[j0::SERVICE, to]).unwrap();
    prints(
        &lab,
        &["drain", "node-9"],
        1,
        &["there is no node node-9", "node-1, node-2"],
    )
    .unwrap();
    let drained = lightship(&lab, &["drain", &from]).unwrap();
    let text = drained.stdout.clone() + &drained.stderr;
    assert_eq!(drained.code, 0, "{text}");
    assert!(
        text.contains(&format!("{from} -> {to}")) && text.contains("holds no address any more"),
        "{text}"
    );
    assert_eq!(observed::holder(&lab).unwrap(), to);

    // The last one keeps it, and says why; the other is drained already.
    let refused = lightship(&lab, &["drain", to, "--timeout=2s"]).unwrap();
    assert_eq!(refused.code, 3);
    assert!(
        refused
            .stderr
            .contains("goes on announcing what no other node can hold"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains(&format!("{from} is drained")),
        "{}",
        refused.stderr
    );
    for node in [from.as_str(), to] {
        prints(&lab, &["undrain", node], 0, &[]).unwrap();
    }
    prints(&lab, &["undrain", to], 0, &["was not drained"]).unwrap();
    lab.down().unwrap();
}
