//! An agent that is killed and started again leaves nobody without an answer.

use std::time::Duration;

use anyhow::ensure;
use lightship_tests::{
    Options,
    client::arping::Probe,
    eventually,
    journey::{Walk, j0, observed},
    lab::{testing::TestLab, unit::Action},
};

#[test]
fn a_killed_agent_is_answered_for_throughout() {
    let lab = TestLab::up("agent", &Options::default()).unwrap();
    j0::announce(&Walk::silent(&lab)).unwrap();
    let holder = observed::holder(&lab).unwrap();
    let renewed = || {
        let lease = lab.get(&["lease", "-n", "kube-system", &format!("lightship-agent-{holder}")])?;
        Ok::<_, anyhow::Error>(lease["spec"]["renewTime"].to_string())
    };

    let probe = Probe::start(&lab, j0::ADDRESS);
    lab.agent(Action::Kill, &holder).unwrap();
    let before = renewed().unwrap();
    lab.agent(Action::Start, &holder).unwrap();
    // Its heartbeat shows that the new agent is at work and has had its chance to wipe what it found.
    let seen = eventually("a heartbeat of the new agent", Duration::from_secs(30), || {
        let now = renewed()?;
        ensure!(now != before, "the heartbeat is still of {before}");
        lab.exec(
            &holder,
            &["curl", "--silent", "--fail", "http://127.0.0.1:9964/readyz"],
        )
    });
    let answers = probe.finish().unwrap();
    seen.unwrap();

    assert!(answers.sent >= 50, "{answers:?}");
    assert_eq!(answers.lost(), 0, "{answers:?}");
    assert_eq!(answers.macs, [lab.host(&holder).unwrap().lan_mac()]);
    assert_eq!(observed::holder(&lab).unwrap(), holder);
    lab.down().unwrap();
}
