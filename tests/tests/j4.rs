//! J4: ping, leases and settings; each thing that commonly goes wrong is told with its cause and its remedy, and the remedy mends it.

use std::fs;

use anyhow::{Result, ensure};
use lightship_tests::{
    Options, binaries,
    journey::{
        Walk,
        j4::{self, cases},
        j4_lease,
        results::step,
        typed,
    },
    lab::testing::TestLab,
    snapshot,
};

#[test]
fn the_address_answers_ping_and_its_lease_tells_what_there_is_to_know() -> Result<()> {
    let lab = TestLab::up("j4-lease", &j4_lease::options())?;
    let walk = Walk::silent(&lab);
    step("J4.2", || j4_lease::pinged(&walk))?;
    step("J4.3", || j4_lease::described(&walk))?;
    lab.down()
}

#[test]
fn everything_that_goes_wrong_is_mended_by_what_the_tool_says() -> Result<()> {
    let options = Options {
        nodes: 1,
        agent_flags: typed::quick(),
        operator_flags: typed::quick(),
        ..Options::default()
    };
    let lab = TestLab::up("j4", &options)?;
    lab.kubectl(&["create", "namespace", j4::NAMESPACE])?;
    lab.start_backend("control-plane", j4::SERVICE, &[8080])?;
    let only = std::env::var("LIGHTSHIP_CASE").ok();
    let chosen = || {
        cases().filter(|case| {
            let only = only.as_deref();
            only.is_none_or(|only| only.split(',').any(|name| name == case.name))
        })
    };
    let play = || {
        let failed = chosen().filter_map(|case| {
            let played = j4::whole(&lab).and_then(|()| j4::play(&lab, case));
            played.err().map(|error| format!("{}: {error:#}", case.name))
        });
        let failed: Vec<String> = failed.collect();
        ensure!(failed.is_empty(), "{}", failed.join("\n\n"));
        Ok(())
    };
    // Some of the cases are not the step.
    if only.is_some() {
        play()?;
    } else {
        step("J4.4", play)?;
    }
    lab.down()
}

const TROUBLESHOOT: &str = "<!-- Generated: LIGHTSHIP_UPDATE_SNAPSHOTS=1 cargo test -p lightship-tests --test j4 writes it. -->
# An address does not answer

Ask first: `lightship why SERVICE` (`-n NAMESPACE` for another namespace). It goes the way from the address to the frames on the
network, marks what is wrong and says behind `->` what to do. Below is what it says for each thing that commonly goes wrong, as a test
sees it that breaks each of them, does as told, and waits until the address answers.

Where `why` finds nothing wrong and the address still does not answer, ask `lightship doctor` about the cluster, and
`lightship doctor --here` on the node that `why` names (`kubectl -n kube-system exec POD -- lightship doctor --here` in the agent's pod there).
";

#[test]
fn what_is_documented_is_what_the_tool_says() {
    let sections = cases().map(|case| {
        let screen = fs::read_to_string(snapshot::path(&format!("j4/{}", case.name))).unwrap_or_default();
        format!("\n## {}\n\n```\n{screen}```\n", case.title)
    });
    let text = TROUBLESHOOT.to_owned() + &sections.collect::<String>();
    let path = binaries::source().join("docs/troubleshoot.md");
    if snapshot::updating() {
        fs::write(&path, &text).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == text,
        "docs/troubleshoot.md is not what the snapshots say: set {}=1",
        snapshot::UPDATE
    );
}
