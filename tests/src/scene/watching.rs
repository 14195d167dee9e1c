//! The clients at work, and what is asked of what they saw. Every complaint comes with the timeline.

use std::{fmt::Write as _, net::IpAddr, time::Duration};

use anyhow::{Context as _, Result, anyhow, ensure};

use super::{PATIENCE, Scene};
use crate::{
    client::{
        connections::{Connections, Fetched},
        prober::Prober,
        recording::{Record, Recording},
    },
    eventually,
};

/// One flood of the switch, which may be spread over two processors that have other things to do.
pub const FLOOD: Duration = Duration::from_millis(2);

/// The clients while they watch.
#[derive(Debug)]
pub struct Watching<'a> {
    scene: &'a Scene,
    prober: Prober,
    connections: Connections,
}

impl<'a> Watching<'a> {
    pub(super) fn start(scene: &'a Scene, prober: Prober, connections: Connections) -> Result<Self> {
        eventually("the first answers", PATIENCE, || {
            let rounds =
                prober.look(|recording| recording.records.values().map(|one| one.questions.len()).min());
            ensure!(rounds > Some(3), "nothing was asked yet");
            Ok(())
        })?;
        Ok(Self {
            scene,
            prober,
            connections,
        })
    }

    /// Notes what the test does next, and says when.
    pub fn mark(&self, what: impl Into<String>) -> Duration {
        self.prober.mark(what)
    }

    /// The probing client, for looking at what it records.
    #[must_use]
    pub fn prober(&self) -> &Prober {
        &self.prober
    }

    /// Waits until the latest answers for every address are by others than `old`.
    pub fn answered_by_others(&self, old: &str) -> Result<()> {
        let old = self.scene.host(old)?.lan_card();
        eventually(
            &format!("answers by others than {}", self.scene.name_of(old)),
            PATIENCE,
            || self.last_answers(|mac| mac != old),
        )
        .map_err(|error| self.told(error))
    }

    /// Waits until the latest answers for every address are by `node`.
    pub fn answered_by(&self, node: &str) -> Result<()> {
        let card = self.scene.host(node)?.lan_card();
        eventually(&format!("answers by {node}"), PATIENCE, || {
            self.last_answers(|mac| mac == card)
        })
        .map_err(|error| self.told(error))
    }

    fn last_answers(&self, wanted: impl Fn(lightship_abi::mac::MacAddress) -> bool) -> Result<()> {
        let since = self.prober.now().saturating_sub(Duration::from_millis(600));
        self.prober.look(|recording| {
            for (address, record) in &recording.records {
                let last = record
                    .between(since, Duration::MAX)
                    .filter_map(|question| question.answers.last())
                    .last();
                let last = last.with_context(|| format!("nobody answers for {address}"))?;
                ensure!(
                    wanted(last.mac),
                    "{} answers for {address}",
                    self.scene.name_of(last.mac)
                );
            }
            Ok(())
        })
    }

    /// Goes on watching for a while: the fault lasts, and nothing must happen.
    pub fn for_a_while(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn told(&self, error: anyhow::Error) -> anyhow::Error {
        let recording = self.prober.snapshot();
        let timeline = timeline(self.scene, &recording, Duration::ZERO);
        error.context(timeline)
    }

    /// Ends both clients.
    pub fn finish(self) -> Result<Seen<'a>> {
        let recording = self.prober.finish()?;
        Ok(Seen {
            scene: self.scene,
            recording,
            fetched: self.connections.finish()?,
        })
    }
}

/// What both clients saw.
#[derive(Debug)]
pub struct Seen<'a> {
    scene: &'a Scene,
    /// The probing client's.
    pub recording: Recording,
    /// The other's.
    pub fetched: Fetched,
}

impl Seen<'_> {
    fn each(&self) -> impl Iterator<Item = (&IpAddr, &Record)> {
        self.recording.records.iter()
    }

    /// What happened to the address that was silent for the longest, and the leases' history.
    #[must_use]
    pub fn timeline(&self, from: Duration) -> String {
        timeline(self.scene, &self.recording, from)
    }

    fn complaint(&self, what: &str, from: Duration) -> anyhow::Error {
        anyhow!("{what}\n{}", timeline(self.scene, &self.recording, from))
    }

    pub(crate) fn story(&self, address: IpAddr, from: Duration) -> String {
        let name = |mac| self.scene.name_of(mac);
        self.recording.timeline(address, from, &name)
    }

    /// No question sent since `from` stayed without an answer.
    pub fn nothing_lost(&self, from: Duration) -> Result<()> {
        self.silent_less_than(Duration::ZERO, from)
    }

    /// No address was silent for longer than `most` since `from`.
    pub fn silent_less_than(&self, most: Duration, from: Duration) -> Result<()> {
        let Some((address, silence)) = self.recording.worst(from) else {
            return Ok(());
        };
        let said = format!(
            "{address} was silent for {:?}, {} questions",
            silence.length(),
            silence.lost
        );
        ensure!(
            silence.lost == 0 || silence.length() < most,
            self.complaint(&said, from)
        );
        Ok(())
    }

    /// Nobody answered for an address since `from` after a better claim of another for it was heard.
    pub fn nobody_stale(&self, from: Duration) -> Result<()> {
        for (address, record) in self.each() {
            let stale = record.stale(from, self.recording.until, FLOOD);
            ensure!(
                stale.is_empty(),
                self.complaint(
                    &format!(
                        "{} answers for {address} after another's claim, the first {:?}",
                        stale.len(),
                        stale[0]
                    ),
                    from
                )
            );
        }
        Ok(())
    }

    /// No address moved more often than this since `from`.
    pub fn moves(&self, most: usize, from: Duration) -> Result<()> {
        for (address, record) in self.each() {
            let holders = record.holders(from, self.recording.until);
            ensure!(
                holders.len() <= most + 1,
                self.complaint(
                    &format!(
                        "{address} moved {} times; {}",
                        holders.len() - 1,
                        self.story(*address, from)
                    ),
                    from
                )
            );
        }
        Ok(())
    }

    /// Each address has one answerer or changes to another once, within `overlap` of the first answer by the other: who is
    /// deaf to a claim answers until its agent has read who holds the lease.
    pub fn settles_in_one_move(&self, from: Duration, overlap: Duration) -> Result<()> {
        for (address, record) in self.each() {
            let first = record.answerers(from, self.recording.until).first().copied();
            let answers = || {
                record
                    .between(from, self.recording.until)
                    .flat_map(|question| &question.answers)
            };
            let Some(moved) = answers().find(|answer| Some(answer.mac) != first) else {
                continue;
            };
            let settled = record.answerers(moved.at + overlap, self.recording.until);
            let others = answers()
                .filter(|answer| Some(answer.mac) != first && answer.mac != moved.mac)
                .count();
            ensure!(
                settled == [moved.mac] && others == 0,
                self.complaint(
                    &format!("{address} wandered: {settled:?} answer in the end"),
                    from
                )
            );
        }
        Ok(())
    }

    /// Since `from` no question was answered by two nodes, `most` excepted.
    pub fn doubly_answered(&self, most: usize, from: Duration) -> Result<()> {
        for (address, record) in self.each() {
            let count = record.doubly_answered(from, self.recording.until);
            ensure!(
                count <= most,
                self.complaint(
                    &format!("{count} questions for {address} were answered by two nodes"),
                    from
                )
            );
        }
        Ok(())
    }

    /// Pages came, and never failed to for longer than this.
    pub fn pages(&self, most: Duration) -> Result<()> {
        ensure!(
            self.fetched.pages > 0 && self.fetched.longest_stall <= most,
            self.complaint(&format!("pages stalled: {:?}", self.fetched), Duration::ZERO)
        );
        Ok(())
    }
}

/// The worst address's timeline, and the leases'.
fn timeline(scene: &Scene, recording: &Recording, from: Duration) -> String {
    let worst = recording.worst(from).map(|(address, _)| address);
    let stale = recording
        .records
        .iter()
        .find(|(_, record)| !record.stale(from, recording.until, FLOOD).is_empty());
    let mut text = String::new();
    let mut shown: Vec<IpAddr> = worst
        .into_iter()
        .chain(stale.map(|(address, _)| *address))
        .collect();
    shown.dedup();
    for address in shown {
        text += &recording.timeline(address, from, &|mac| scene.name_of(mac));
    }
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "the client itself paused for {:?} at most\nchanges of leases:\n{}",
        recording.longest_pause,
        scene.lease_history()
    );
    text
}
