//! What a node's owner does with the datapath through the program itself: counters, a trace, a stop, a cleanup.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{
    Lab, Options,
    client::arping::arping,
    eventually,
    journey::{Walk, j0, observed},
    lab::{testing::TestLab, unit::Action},
};
use serde_json::Value;

/// Everything of ours in a node's kernel, by the tools of others.
fn left_in(lab: &Lab, node: &str) -> Result<Vec<String>> {
    let mut left = Vec::new();
    let pins = lab.exec(node, &["find", "/sys/fs/bpf", "-mindepth", "1"])?;
    let ours =
        |line: &&str| line.contains("lightship") || line.contains("cilium") || line.contains("tc/globals");
    left.extend(pins.lines().filter(ours).map(str::to_owned));
    let attached = lab.exec(node, &["bpftool", "net"])?;
    let programs = attached.lines().filter(|line| line.contains("lightship"));
    left.extend(programs.map(str::to_owned));
    let groups = lab.exec(node, &["ip", "-6", "-o", "addr", "show"])?;
    let groups = groups.lines().filter(|line| line.contains("ff02::1:ff"));
    left.extend(groups.map(str::to_owned));
    Ok(left)
}

/// Three frames of a trace in the form for programs, while a client asks.
fn traced(lab: &Lab, node: &str) -> Result<Vec<Value>> {
    let shown = thread::scope(|scope| {
        let trace = scope.spawn(|| {
            let line = [
                "timeout",
                "20",
                "lightship",
                "trace",
                j0::ADDRESS,
                "-c",
                "3",
                "-o",
                "json",
            ];
            lab.exec(node, &line)
        });
        while !trace.is_finished() {
            let _ = arping(lab, j0::ADDRESS, 1);
        }
        trace.join().map_err(|_| anyhow::anyhow!("the trace panicked"))?
    })?;
    shown
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("a line of JSON: {line}")))
        .collect()
}

#[test]
fn frames_are_counted_and_shown_a_stop_leaves_everything_and_a_cleanup_nothing() {
    let options = Options {
        nodes: 2,
        ..Options::default()
    };
    let lab = TestLab::up("datapath", &options).unwrap();
    j0::announce(&Walk::silent(&lab)).unwrap();
    let holder = observed::holder(&lab).unwrap();
    let other = if holder == "node-1" { "node-2" } else { "node-1" };

    // Ten times a second the standby asks too: all three may be its probes.
    let asked = eventually("a client's question to be shown", Duration::from_secs(20), || {
        let frames = traced(&lab, &holder)?;
        ensure!(frames.len() == 3, "{frames:?}");
        let asked = frames.iter().find(|frame| frame["outcome"] == "answered");
        asked
            .cloned()
            .with_context(|| format!("none of a client among {frames:?}"))
    })
    .unwrap();
    assert_eq!(
        (&asked["verdict"], &asked["frame"], &asked["to"]),
        (&"answered".into(), &"ARP request".into(), &"everybody".into())
    );
    let refused = lab.try_exec(other, &["lightship", "trace", j0::ADDRESS]).unwrap();
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("lightship holders"), "{}", refused.stderr);
    // Killed: whoever comes next finds neither lock nor filter in the way.
    let killed = ["timeout", "-s", "KILL", "1", "lightship", "trace", j0::ADDRESS];
    assert!(!lab.try_exec(&holder, &killed).unwrap().succeeded());
    assert_eq!(traced(&lab, &holder).unwrap().len(), 3);

    let counters = ["lightship", "map", "counters", j0::ADDRESS, "-o", "json"];
    let counted: Value = serde_json::from_str(&lab.exec(&holder, &counters).unwrap()).unwrap();
    assert!(counted[0]["frames"]["answered"].as_u64() >= Some(2), "{counted}");
    let table = lab.exec(&holder, &counters[..3]).unwrap();
    assert!(
        table.contains("ANSWERED") && table.contains(j0::ADDRESS),
        "{table}"
    );

    // A plain stop leaves everything, for a lease duration: there is an answer, and every pin.
    let before = left_in(&lab, &holder).unwrap();
    lab.agent(Action::Stop, &holder).unwrap();
    assert_eq!(left_in(&lab, &holder).unwrap(), before);
    let answers = arping(&lab, j0::ADDRESS, 2).unwrap();
    assert_eq!(answers.lost(), 0, "{answers:?}");
    assert_eq!(answers.macs, [lab.host(&holder).unwrap().lan_mac()]);

    let said = lab.exec(&holder, &["lightship", "cleanup"]).unwrap();
    assert!(
        said.contains("/sys/fs/bpf/tc/globals/cilium_l2_responder_v4 removed"),
        "{said}"
    );
    eventually("nothing to be left", Duration::from_secs(10), || {
        let left = left_in(&lab, &holder)?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .unwrap();
    let again = lab.exec(&holder, &["lightship", "cleanup"]).unwrap();
    assert!(
        again.starts_with("Nothing of Lightship is on this node"),
        "{again}"
    );
    lab.down().unwrap();
}
