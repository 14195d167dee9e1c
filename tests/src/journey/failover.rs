//! The holder loses its power: who answers, and since when, as the jumpbox saw it.

use std::{
    fmt::Write as _,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};

use super::{
    j0::{ADDRESS, LEASE},
    observed,
    walk::Walk,
};
use crate::{
    client::{
        arping::Probe,
        capture::{Capture, Frame},
    },
    eventually,
    lab::host::{CONTROL_PLANE, Host},
};

/// A lease duration and then some, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(90);

/// What happened, in seconds after the crash.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// The node that was crashed.
    pub old: String,
    /// The node that answers now.
    pub new: String,
    /// Its last answer; negative when it was before the crash was done.
    pub last_answer: f64,
    /// The new holder's first gratuitous ARP.
    pub announced: Option<f64>,
    /// The new holder's first answer.
    pub first_answer: f64,
}

impl Timeline {
    /// How long nobody answered.
    #[must_use]
    pub fn gap(&self) -> f64 {
        self.first_answer - self.last_answer
    }

    fn read(walk: &Walk<'_>, frames: &[Frame], crashed: f64, old: &Host) -> Result<Self> {
        let old_mac = old.lan_mac();
        let last = frames
            .iter()
            .rfind(|frame| frame.answers(ADDRESS) && frame.from == old_mac);
        let first = frames
            .iter()
            .find(|frame| frame.answers(ADDRESS) && frame.from != old_mac);
        let first = first.context("no other node has answered")?;
        let announced = frames
            .iter()
            .find(|frame| frame.announces(ADDRESS) && frame.from != old_mac);
        let nodes = Host::nodes(walk.lab.nodes());
        let new = nodes.iter().find(|node| node.lan_mac() == first.from);
        Ok(Self {
            old: old.name().to_owned(),
            new: new
                .with_context(|| format!("{} is no node's", first.from))?
                .name()
                .to_owned(),
            last_answer: last.context("the holder never answered")?.time - crashed,
            announced: announced.map(|frame| frame.time - crashed),
            first_answer: first.time - crashed,
        })
    }

    fn table(&self) -> String {
        let mut rows = vec![
            (self.last_answer, format!("last answer of {}", self.old)),
            (0.0, format!("{} has lost its power", self.old)),
            (self.first_answer, format!("first answer of {}", self.new)),
        ];
        rows.extend(
            self.announced
                .map(|time| (time, format!("first gratuitous ARP of {}", self.new))),
        );
        rows.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut table = String::from("\n     time  what the jumpbox saw\n");
        for (time, what) in rows {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{time:>+8.3}s  {what}");
        }
        let _ = writeln!(table, "\n  {ADDRESS} was silent for {:.3} s.", self.gap());
        table
    }
}

/// Crashes the holder while the jumpbox asks every 10 ms, waits until another node answers and serves, and shows when.
pub fn crash_holder(walk: &Walk<'_>) -> Result<Timeline> {
    let lab = walk.lab;
    let old = lab.host(&observed::holder(lab)?)?;
    walk.say(&format!(
        "The power of the holder, {}, is pulled while the jumpbox asks every 10 ms.",
        old.name()
    ))?;
    let capture = Capture::start(lab, "arp")?;
    let probe = Probe::start(lab, ADDRESS);
    eventually("the holder's answers", Duration::from_secs(10), || {
        let count = capture
            .frames()
            .iter()
            .filter(|frame| frame.answers(ADDRESS))
            .count();
        ensure!(count > 20, "there were {count}");
        Ok(())
    })?;
    walk.show(&format!("\n$ hack/lab node crash {}\n", old.name()))?;
    let off = lab.crash(old.name())?;
    let off = off
        .duration_since(UNIX_EPOCH)
        .context("failed to read the clock")?
        .as_secs_f64();
    let read = || Timeline::read(walk, &capture.frames(), off, &old);
    let answered = eventually("another node answering", PATIENCE, read);
    // Ended in any case: it would go on for ever.
    let probed = probe.finish()?;
    answered?;
    // Read again, for what was still on its way when the first answer was seen.
    let timeline = read()?;
    ensure!(
        timeline.new != CONTROL_PLANE,
        "the control-plane node answers, which the policy leaves out: {timeline:?}"
    );
    walk.show(&timeline.table())?;
    walk.show(&format!(
        "  Of {} requests {} were answered.\n",
        probed.sent, probed.received
    ))?;
    eventually("the lease naming the new holder", PATIENCE, || {
        let holder = observed::holder(lab)?;
        ensure!(holder == timeline.new, "it names {holder}");
        Ok(())
    })?;
    walk.kubectl(&["get", "lease", "-n", "kube-system", LEASE])?;
    eventually("the page from the new holder", PATIENCE, || observed::page(lab))?;
    walk.on(
        "jumpbox",
        &[
            "curl",
            "--silent",
            "--show-error",
            "--max-time",
            "2",
            "http://10.0.10.0/",
        ],
    )?;
    walk.on("jumpbox", &["ip", "neigh", "show", ADDRESS])?;
    Ok(timeline)
}
