//! J0.7: a request's way through the holder. While the agent lives and the entry is there it is answered and redirected; without
//! either it goes on to the node as it came.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::{
    j0::{ADDRESS, LEASE, MAP, POLICY, SOON, ask},
    observed,
    walk::Walk,
};
use crate::{
    client::{
        arping::arping,
        frames::{self, Heard},
        packets::Packets,
    },
    eventually,
    lab::{Lab, host::Host, network::LAN, unit::Action},
};

/// What becomes of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Way {
    /// The holder answered it.
    answered: bool,
    /// The holder's own network saw it, byte for byte as it was sent.
    passed: bool,
}

const ANSWERED: Way = Way {
    answered: true,
    passed: false,
};
const PASSED: Way = Way {
    answered: false,
    passed: true,
};

/// Step 7: answered; silent without the agent; passed without the entry; and nothing is left without the policy.
pub fn withdrawn(walk: &Walk<'_>) -> Result<()> {
    let holder = observed::holder(walk.lab)?;
    alone(walk, &holder)?;
    goes(walk, &holder, ANSWERED)?;
    without_agent(walk, &holder)?;
    without_entry(walk, &holder)?;
    without_policy(walk)
}

/// Leaves one eligible node: another would take over what the holder no longer answers.
fn alone(walk: &Walk<'_>, holder: &str) -> Result<()> {
    walk.say("From here on the policy names the holder alone, so that nobody takes over.")?;
    let labels = json!({"kubernetes.io/hostname": holder});
    let only = json!({"spec": {"nodeSelector": {"matchLabels": labels}}}).to_string();
    walk.kubectl(&["patch", "l2announcement", POLICY, "--type=merge", "-p", &only])?;
    eventually("a lease for which nobody stands by", SOON, || {
        let standbys = observed::standbys(walk.lab)?;
        ensure!(standbys == 0, "{standbys} stand by");
        Ok(())
    })?;
    let now = observed::holder(walk.lab)?;
    ensure!(now == holder, "{now} holds, although only {holder} may");
    Ok(())
}

/// An agent that is gone for good: the entry stays, and is answered for until the lease duration has passed.
fn without_agent(walk: &Walk<'_>, holder: &str) -> Result<()> {
    walk.say(
        "The agent is gone for good: its responder answers on for the lease duration, and then no more.",
    )?;
    let duration = Duration::from_secs(observed::lease_seconds(walk.lab)?);
    let mac = walk.lab.host(holder)?.lan_mac();
    let killed = Instant::now();
    walk.lab.agent(Action::Kill, holder)?;
    let answers = ask(walk, 3)?;
    ensure!(
        answers.lost() == 0 && answers.macs == [mac],
        "without its agent arping counted {answers:?}"
    );
    let mut answered = Duration::ZERO;
    eventually("silence of the node without agent", duration + SOON, || {
        // As many as are not all lost by a busy machine.
        let answers = arping(walk.lab, ADDRESS, 5)?;
        if answers.received > 0 {
            answered = killed.elapsed();
        }
        ensure!(answers.received == 0, "arping counted {answers:?}");
        Ok(())
    })?;
    ensure!(
        answered >= duration,
        "it fell silent {answered:?} after its agent, before the lease duration of {duration:?}"
    );
    gated(walk, holder)
}

/// The entry is there as before; requests for it pass, and are counted as such.
fn gated(walk: &Walk<'_>, holder: &str) -> Result<()> {
    let before = observed::responses(walk.lab, holder)?;
    goes(walk, holder, PASSED)?;
    let after = observed::responses(walk.lab, holder)?;
    ensure!(after == before, "responses_sent went from {before} to {after}");
    let counted = walk.on(holder, &["lightship", "map", "counters", ADDRESS])?;
    let gated = observed::cell(&counted, &[ADDRESS, LAN], "GATED")?;
    ensure!(gated != "0", "no request was counted as gated: {counted}");
    Ok(())
}

/// The entry is taken away while the agent lives: requests pass untouched until the agent looks at the map again, and has put
/// it back.
fn without_entry(walk: &Walk<'_>, holder: &str) -> Result<()> {
    walk.say("The agent is back. Its entry is taken away: the request passes, until the agent has looked.")?;
    walk.lab.agent(Action::Start, holder)?;
    eventually("answers under the new agent", SOON, || {
        goes(walk, holder, ANSWERED)
    })?;
    let key = observed::key(walk.lab, holder)?;
    let mut delete = vec!["bpftool", "map", "delete", "pinned", MAP, "key"];
    delete.extend(key.iter().map(String::as_str));
    // Where the agent looks in between, this begins anew, long before it looks again.
    let asked = eventually("an entry that stays away while it is asked for", SOON, || {
        walk.on(holder, &delete)?;
        let way = goes(walk, holder, PASSED);
        let answers = ask(walk, 2)?;
        let entry = observed::entry(walk.lab, holder)?;
        ensure!(entry.is_none(), "the agent has put it back already");
        Ok(way.map(|()| answers))
    })?;
    let answers = asked?;
    ensure!(
        answers.received == 0,
        "without the entry arping counted {answers:?}"
    );
    eventually("the entry put back by the agent", SOON, || {
        observed::responses(walk.lab, holder)
    })?;
    goes(walk, holder, ANSWERED)?;
    let answers = ask(walk, 3)?;
    ensure!(answers.lost() == 0, "arping counted {answers:?}");
    Ok(())
}

/// Without the policy nobody answers, every table is empty, and the lease is gone.
fn without_policy(walk: &Walk<'_>) -> Result<()> {
    walk.say("Without the policy nobody answers, every table is empty, and the lease is gone.")?;
    walk.kubectl(&["delete", "l2announcement", POLICY])?;
    eventually("silence on the segment", SOON, || {
        let answers = arping(walk.lab, ADDRESS, 2)?;
        ensure!(answers.received == 0, "arping counted {answers:?}");
        Ok(())
    })?;
    for node in Host::nodes(walk.lab.nodes()) {
        eventually(&format!("an empty table on {}", node.name()), SOON, || {
            let entries = observed::map(walk.lab, node.name())?;
            ensure!(entries.as_array().is_some_and(Vec::is_empty), "it has {entries}");
            Ok(())
        })?;
    }
    eventually("the end of the lease", SOON, || {
        let lease = walk
            .lab
            .try_kubectl(&["get", "lease", "-n", "kube-system", LEASE])?;
        ensure!(
            lease.stderr.contains("NotFound"),
            "kubectl printed {}{}",
            lease.stdout,
            lease.stderr
        );
        Ok(())
    })
}

/// Sends a request, which has to go this way.
fn goes(walk: &Walk<'_>, node: &str, wanted: Way) -> Result<()> {
    let gone = follow(walk.lab, node)?;
    ensure!(gone == wanted, "a request came to {gone:?}, not to {wanted:?}");
    Ok(())
}

/// Sends a request for the address and watches both ends of its way.
fn follow(lab: &Lab, node: &str) -> Result<Way> {
    let (jumpbox, node) = (Host::jumpbox(), lab.host(node)?);
    let client = Packets::open(lab, &jumpbox, LAN, frames::ARP)?;
    // One for ARP alone is served behind the responder; tcpdump's, which is for every kind of frame, would be before it.
    let behind = Packets::open(lab, &node, LAN, frames::ARP)?;
    let address: IpAddr = ADDRESS.parse().context("failed to read the address")?;
    let request = frames::question(jumpbox.lan_card(), address, 0);
    client.send(&request)?;
    let answer = Heard::Answer {
        address,
        mac: node.lan_card(),
        number: 0,
    };
    let mut gone = Way::default();
    eventually("what becomes of a request", SOON, || {
        gone.answered |= came(&client, |frame| frames::hear(frame) == Some(answer))?;
        gone.passed |= came(&behind, |frame| frame == request)?;
        ensure!(gone != Way::default(), "it is neither answered nor passed on");
        Ok(())
    })?;
    Ok(gone)
}

/// Whether such a frame is among those that came.
fn came(socket: &Packets, is_it: impl Fn(&[u8]) -> bool) -> Result<bool> {
    let mut buffer = [0; 256];
    while let Some(frame) = socket.next(&mut buffer)? {
        if is_it(frame) {
            return Ok(true);
        }
    }
    Ok(false)
}
