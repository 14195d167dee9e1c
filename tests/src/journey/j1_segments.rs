//! J1.5: two segments, two sets of nodes and two policies in one cluster.

use anyhow::{Result, ensure};

use super::{
    Walk, j1,
    typed::{self, SOON},
};
use crate::{
    Options,
    client::arping::Probe,
    eventually,
    lab::{host::JUMPBOX, network::LAN, segment::Segment},
    objects,
};

/// The jumpbox's card on the second segment; the nodes there call theirs `eth0`, as the others do.
const SECOND: &str = "eth2";
/// The service on the second segment.
const SERVICE: &str = "second-segment";
const FIRST_ADDRESS: &str = "10.0.10.0";
const ADDRESS: &str = "10.1.10.0";
const RACK: [&str; 2] = ["node-3", "node-4"];

/// A lab whose last two nodes are on a segment of their own; the jumpbox is on both.
#[must_use]
pub fn two_segments() -> Options {
    Options {
        nodes: 4,
        segments: vec![Segment::new("rack2", LAN, &RACK).and(JUMPBOX, SECOND)],
        agent_flags: typed::quick(),
        operator_flags: typed::quick(),
        ..Options::default()
    }
}

/// After J1.1: each segment answers for its own address alone, and what happens to one does not touch the other.
pub fn independent(walk: &Walk<'_>) -> Result<()> {
    for node in RACK {
        walk.kubectl(&["label", "node", node, "datacenter=dc3"])?;
    }
    walk.apply("j1/second-segment.yaml")?;
    objects::has(walk.lab, SERVICE, &[ADDRESS])?;
    let (first, second) = (typed::holder(walk, j1::SERVICE)?, typed::holder(walk, SERVICE)?);
    ensure!(
        RACK.contains(&second.as_str()) && !RACK.contains(&first.as_str()),
        "{first} holds on the first segment, {second} on the second"
    );
    served_from(walk, &second)?;
    typed::answered_by(walk, LAN, FIRST_ADDRESS, &walk.lab.mac(&first, LAN)?)?;
    typed::silent(walk, LAN, ADDRESS)?;
    typed::silent(walk, SECOND, FIRST_ADDRESS)?;
    neighbour_segment_falls(walk, &first, &second)?;
    walk.kubectl(&["delete", "l2announcement", "l2-policy"])?;
    eventually("silence on the first segment", SOON, || {
        typed::silent(walk, LAN, FIRST_ADDRESS)
    })?;
    let third = typed::holder(walk, SERVICE)?;
    typed::answered_by(walk, SECOND, ADDRESS, &walk.lab.mac(&third, LAN)?)
}

/// The node of the rack that does not hold the address serves it: it will outlive the holder.
fn served_from(walk: &Walk<'_>, holder: &str) -> Result<()> {
    let backend = RACK[usize::from(holder == RACK[0])];
    let address = format!("10.1.1.{}", &backend["node-".len()..]);
    walk.lab.start_backend(backend, SERVICE, &[8080])?;
    walk.lab
        .apply(&typed::endpoints(SERVICE, &[("", 8080)], &address, backend))?;
    typed::answered_by(walk, SECOND, ADDRESS, &walk.lab.mac(holder, LAN)?)?;
    typed::page(walk, &format!("http://{ADDRESS}/"), SERVICE)
}

/// The second segment loses its holder; the first one does not lose an answer.
fn neighbour_segment_falls(walk: &Walk<'_>, first: &str, second: &str) -> Result<()> {
    let before = typed::lease(walk, j1::SERVICE)?["spec"].clone();
    let probe = Probe::start(walk.lab, FIRST_ADDRESS);
    let moved = walk.lab.crash(second).and_then(|_| {
        let other = RACK[usize::from(second == RACK[0])];
        typed::answered_by(walk, SECOND, ADDRESS, &walk.lab.mac(other, LAN)?)
    });
    // Ended in any case: it would go on for ever.
    let probed = probe.finish()?;
    moved?;
    ensure!(
        probed.lost() == 0 && probed.macs == [walk.lab.mac(first, LAN)?],
        "the first segment saw {probed:?}"
    );
    let after = typed::lease(walk, j1::SERVICE)?["spec"].clone();
    ensure!(
        before == after,
        "the first segment's lease went from {before} to {after}"
    );
    typed::page(walk, &format!("http://{ADDRESS}/"), SERVICE)
}
