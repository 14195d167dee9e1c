//! tcpdump on the jumpbox, from the moment it listens.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Result, ensure};

use crate::{
    command::Tool,
    eventually,
    lab::{Lab, host::Host, network::LAN},
    process::{self, Process},
};

/// Numbers the files of one process.
static CAPTURES: AtomicU32 = AtomicU32::new(0);

/// A capture that goes on until it is dropped.
#[derive(Debug)]
pub struct Capture {
    process: Process,
    log: PathBuf,
}

impl Capture {
    /// Starts capturing what matches `filter` on the LAN; returns once tcpdump listens.
    pub fn start(lab: &Lab, filter: &str) -> Result<Self> {
        Self::through(lab, LAN, filter)
    }

    /// The same on one of the jumpbox's cards.
    pub fn through(lab: &Lab, card: &str, filter: &str) -> Result<Self> {
        let argv = [
            "tcpdump",
            "-i",
            card,
            "-l",
            "-n",
            "-e",
            "-tt",
            "--immediate-mode",
            filter,
        ];
        let argv = Host::jumpbox().enter(lab.folder(), &argv)?;
        let number = CAPTURES.fetch_add(1, Ordering::Relaxed);
        let log = lab
            .folder()
            .log(&format!("capture-{}-{number}", std::process::id()));
        let process = process::spawn(&argv, &BTreeMap::new(), &log, lab.folder().path())?;
        let capture = Self { process, log };
        eventually("tcpdump listening", Duration::from_secs(10), || {
            let text = capture.text();
            ensure!(text.contains("listening on"), "it says {text:?}");
            Ok(())
        })?;
        Ok(capture)
    }

    /// Everything printed so far.
    #[must_use]
    pub fn text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The frames seen so far.
    #[must_use]
    pub fn frames(&self) -> Vec<Frame> {
        self.text().lines().filter_map(Frame::parse).collect()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // When this fails the process goes with the lab.
        let _ = self.process.kill();
    }
}

/// Frames recorded whole, on any interface of the lab, to be decoded when all of them are there.
#[derive(Debug)]
pub struct Tape {
    process: Process,
    file: PathBuf,
}

impl Tape {
    /// Starts recording what matches `filter`; returns once tcpdump listens. On a bridge it sees all that the bridge forwards.
    pub fn start(lab: &Lab, host: &Host, interface: &str, filter: &str) -> Result<Self> {
        let number = CAPTURES.fetch_add(1, Ordering::Relaxed);
        let name = format!("tape-{}-{number}", std::process::id());
        let (log, file) = (
            lab.folder().log(&name),
            lab.folder().path().join(format!("{name}.pcap")),
        );
        let path = file.to_string_lossy();
        let argv = [
            "tcpdump",
            "-i",
            interface,
            "--immediate-mode",
            "-U",
            "-Z",
            "root",
            "-w",
            &path,
            filter,
        ];
        let process = process::spawn(
            &host.enter(lab.folder(), &argv)?,
            &BTreeMap::new(),
            &log,
            lab.folder().path(),
        )?;
        let tape = Self { process, file };
        eventually("tcpdump listening", Duration::from_secs(10), || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            ensure!(text.contains("listening on"), "it says {text:?}");
            Ok(())
        })?;
        Ok(tape)
    }

    /// What tcpdump makes of the frames so far, in as many words as it has.
    pub fn decode(&self) -> Result<Decoded> {
        let path = self.file.to_string_lossy();
        let argv = ["tcpdump", "-r", &path, "-n", "-e", "-tt", "-vvv"];
        let text = Tool::new(argv).run()?;
        let mut frames: Vec<String> = Vec::new();
        for line in text.lines() {
            match frames.last_mut() {
                // What does not fit on a line goes on in the next ones, indented.
                Some(frame) if line.starts_with(char::is_whitespace) => frame.push_str(line),
                _ => frames.push(line.to_owned()),
            }
        }
        Ok(Decoded(frames))
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        // When this fails the process goes with the lab.
        let _ = self.process.kill();
    }
}

/// Recorded frames as tcpdump decodes them, one line each.
#[derive(Debug)]
pub struct Decoded(Vec<String>);

impl Decoded {
    /// How many frames contain all these words.
    #[must_use]
    pub fn count(&self, words: &[&str]) -> usize {
        let has_all = |frame: &&String| words.iter().all(|word| frame.contains(word));
        self.0.iter().filter(has_all).count()
    }

    /// The frames that tcpdump finds fault with. Of `ICMPv6` it says when the checksum is right, and must.
    #[must_use]
    pub fn faulty(&self) -> Vec<&String> {
        const COMPLAINTS: [&str; 8] = [
            "bad ",
            "wrong",
            "incorrect",
            "malformed",
            "invalid",
            "truncated",
            "[|",
            "missing",
        ];
        let is_faulty = |frame: &&String| {
            COMPLAINTS.iter().any(|complaint| frame.contains(complaint))
                || frame.contains("ICMP6") && !frame.contains("[icmp6 sum ok]")
        };
        self.0.iter().filter(is_faulty).collect()
    }
}

/// One line of tcpdump.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Seconds since the epoch.
    pub time: f64,
    /// Sender's MAC address.
    pub from: String,
    /// Receiver's MAC address.
    pub to: String,
    /// The line as it was printed.
    pub line: String,
}

impl Frame {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let time = words.next()?.parse().ok()?;
        let from = words.next()?.to_owned();
        let to = words.nth(1)?.trim_end_matches(',').to_owned();
        Some(Self {
            time,
            from,
            to,
            line: line.to_owned(),
        })
    }

    /// Whether it asks who has `address`.
    #[must_use]
    pub fn asks(&self, address: &str) -> bool {
        self.line.contains(&format!("who-has {address} ")) && !self.announces(address)
    }

    /// Whether it answers a request for `address`.
    #[must_use]
    pub fn answers(&self, address: &str) -> bool {
        self.to != "ff:ff:ff:ff:ff:ff" && self.line.contains(&format!("Reply {address} is-at"))
    }

    /// Whether it tells everybody unasked who has `address`.
    #[must_use]
    pub fn announces(&self, address: &str) -> bool {
        self.to == "ff:ff:ff:ff:ff:ff"
            && (self.line.contains(&format!("Reply {address} is-at"))
                || self.line.contains(&format!("who-has {address} "))
                    && self.line.contains(&format!("tell {address},"))
                || self.line.contains(&format!("Announcement {address}")))
    }
}

/// How long, in seconds, the station `asker` was without an answer for `address` at most: from its first unanswered request to the
/// next answer. The times are those at which the kernel saw the frames, and nobody misses what he does not ask for, so that a client
/// who waits for a processor does not count as one who waits for an answer.
#[must_use]
pub fn longest_silence(frames: &[Frame], asker: &str, address: &str) -> f64 {
    let mut longest: f64 = 0.0;
    let mut unanswered = None;
    for frame in frames {
        if frame.from == asker && frame.asks(address) {
            unanswered.get_or_insert(frame.time);
        } else if frame.to == asker
            && frame.answers(address)
            && let Some(since) = unanswered.take()
        {
            longest = longest.max(frame.time - since);
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "1795270000.5 02:00:00:00:01:02 > 02:00:00:00:01:c8, ethertype ARP (0x0806), length 42: \
        Reply 10.0.10.0 is-at 02:00:00:00:01:02, length 28";
    const GRATUITOUS: &str = "1795270000.5 02:00:00:00:01:02 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: \
        Request who-has 10.0.10.0 (ff:ff:ff:ff:ff:ff) tell 10.0.10.0, length 28";
    const REQUEST: &str = "1795270000.5 02:00:00:00:01:c8 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: \
        Request who-has 10.0.10.0 tell 10.0.1.200, length 28";

    #[test]
    fn tells_answers_announcements_and_requests_apart() {
        let seen = [ANSWER, GRATUITOUS, REQUEST].map(|line| Frame::parse(line).unwrap());
        assert_eq!(
            seen.each_ref().map(|frame| frame.answers("10.0.10.0")),
            [true, false, false]
        );
        assert_eq!(
            seen.each_ref().map(|frame| frame.announces("10.0.10.0")),
            [false, true, false]
        );
        assert_eq!(
            (seen[0].from.as_str(), seen[0].to.as_str()),
            ("02:00:00:00:01:02", "02:00:00:00:01:c8")
        );
    }

    #[test]
    fn silence_is_the_time_of_those_who_ask() {
        let (asker, address) = ("02:00:00:00:01:c8", "10.0.10.0");
        let at = |line: &str, time: &str| Frame::parse(&line.replace("1795270000.5", time)).unwrap();
        let frames = [
            at(REQUEST, "10.0"),
            at(ANSWER, "10.25"),
            // Nothing was asked for in between.
            at(REQUEST, "15.0"),
            at(REQUEST, "15.5"),
            at(GRATUITOUS, "15.75"),
            at(ANSWER, "16.0"),
            at(REQUEST, "16.0"),
        ];
        let silence = |asker| longest_silence(&frames, asker, address);
        assert!((silence(asker) - 1.0).abs() < 1e-9, "{}", silence(asker));
        assert!(silence("02:00:00:00:01:02") < 1e-9, "another station");
    }

    #[test]
    fn faults_are_found() {
        let sound = "1.5 02:00:00:00:01:02 > 33:33:00:00:00:01, ethertype IPv6 (0x86dd), length 86: (hlim 255, next-header \
            ICMPv6 (58) payload length: 32) 2004::a:0 > ff02::1: [icmp6 sum ok] ICMP6, neighbor advertisement, length 32";
        let unsound = sound.replace("[icmp6 sum ok]", "[bad icmp6 cksum 0x1 -> 0x2!]");
        let decoded = Decoded(vec![
            ANSWER.into(),
            sound.into(),
            unsound.clone(),
            sound.replace("[icmp6 sum ok] ", ""),
        ]);
        assert_eq!(
            decoded.faulty(),
            [&unsound, &sound.replace("[icmp6 sum ok] ", "")]
        );
        assert_eq!(decoded.count(&["neighbor", "sum ok"]), 1);
    }

    #[test]
    fn other_lines_are_no_frames() {
        assert_eq!(
            Frame::parse("listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes"),
            None
        );
    }
}
