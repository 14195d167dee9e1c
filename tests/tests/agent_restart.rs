//! An agent that is killed and started again leaves nobody without an answer, and does not shout what everybody knows.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, ensure};
use lightship_tests::{
    Lab, Options,
    client::{
        arping::Probe,
        capture::{Capture, Frame},
    },
    eventually,
    journey::{Walk, j0, observed},
    lab::{testing::TestLab, unit::Action},
    scene::{PATIENCE, Plan, Scene},
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
    unpinned_by_cilium(&lab, &holder).unwrap();
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

/// What Cilium's agent does as the CNI, with its own announcements switched off; without the pins the next agent would begin
/// with empty maps.
fn unpinned_by_cilium(lab: &Lab, node: &str) -> Result<()> {
    const PINS: [&str; 2] = [
        "/sys/fs/bpf/tc/globals/cilium_l2_responder_v4",
        "/sys/fs/bpf/tc/globals/cilium_l2_responder_v6",
    ];
    lab.exec(node, &[&["rm"][..], &PINS].concat())?;
    eventually("the pins to be there again", PATIENCE, || {
        lab.exec(node, &[&["ls"][..], &PINS].concat()).map(drop)
    })
}

const SERVICES: u32 = 200;
/// Gratuitous ARP.
const ANNOUNCEMENTS: &str = "ether broadcast and arp[6:2] = 1 and arp[14:4] = arp[24:4]";

/// All that it finds is due at the same moment.
#[test]
fn what_a_new_agent_finds_held_is_announced_little_by_little() -> Result<()> {
    let options = Options {
        agent_flags: vec!["--announce-interval=4s".into()],
        ..Options::default()
    };
    let plan = Plan {
        workers: 1,
        services: SERVICES,
        dual: false,
    };
    let scene = Scene::with("refreshes", plan, &options)?;
    let holder = scene.ready()?;
    scene.agent(Action::Kill, &holder)?;
    let capture = Capture::start(&scene, ANNOUNCEMENTS)?;
    scene.agent(Action::Start, &holder)?;
    let announced = eventually("an announcement of every address", PATIENCE, || {
        let frames = capture.frames();
        let first = |address: &String| frames.iter().find(|frame| frame.announces(address)).cloned();
        let addresses = scene.addresses().iter().map(ToString::to_string);
        let first: Vec<Frame> = addresses.filter_map(|address| first(&address)).collect();
        ensure!(first.len() == SERVICES as usize, "there are {}", first.len());
        Ok(first)
    })?;
    let mut quarters: BTreeMap<String, u32> = BTreeMap::new();
    for frame in &announced {
        *quarters.entry(format!("{:.0}", frame.time * 4.0)).or_default() += 1;
    }
    // A sixteenth of them each, on a machine that has time.
    ensure!(
        quarters.len() >= 8 && quarters.values().all(|frames| *frames <= SERVICES / 4),
        "they come as {quarters:?}"
    );
    scene.down()
}
