//! ARP requests from the jumpbox, answered or not, by Habets' arping.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result, bail};

use crate::lab::{Lab, host::JUMPBOX, network::LAN};

/// How many requests were sent, and what came back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// Requests sent.
    pub sent: u32,
    /// Requests answered.
    pub received: u32,
    /// Who answered, each MAC address once, in order of appearance.
    pub macs: Vec<String>,
}

impl Answers {
    /// Requests without an answer.
    #[must_use]
    pub fn lost(&self) -> u32 {
        self.sent.saturating_sub(self.received)
    }

    /// Reads what arping printed.
    pub fn parse(output: &str) -> Result<Self> {
        let mut answers = Self::default();
        let mut counted = false;
        for line in output.lines() {
            if let Some((_, answer)) = line.split_once(" bytes from ") {
                let mac = answer.split(' ').next().unwrap_or_default().to_owned();
                if !answers.macs.contains(&mac) {
                    answers.macs.push(mac);
                }
            } else if let Some((sent, rest)) = line.split_once(" packets transmitted, ") {
                answers.sent = sent
                    .trim()
                    .parse()
                    .context("failed to read arping's count of requests")?;
                let received = rest.split(' ').next().unwrap_or_default();
                answers.received = received
                    .parse()
                    .context("failed to read arping's count of answers")?;
                counted = true;
            }
        }
        if !counted {
            bail!("failed to find the statistics in what arping printed: {output}");
        }
        Ok(answers)
    }

    fn add(&mut self, more: Self) {
        self.sent += more.sent;
        self.received += more.received;
        let new: Vec<String> = more
            .macs
            .into_iter()
            .filter(|mac| !self.macs.contains(mac))
            .collect();
        self.macs.extend(new);
    }
}

/// The command line for `count` requests on the LAN, `interval` seconds apart.
#[must_use]
pub fn command(address: &str, count: u32, interval: &str) -> Vec<String> {
    through(LAN, address, count, interval)
}

/// The same through one of the jumpbox's cards.
fn through(card: &str, address: &str, count: u32, interval: &str) -> Vec<String> {
    [
        "arping",
        "-i",
        card,
        "-W",
        interval,
        "-c",
        &count.to_string(),
        address,
    ]
    .map(str::to_owned)
    .into()
}

/// Sends `count` requests, 100 ms apart.
pub fn arping(lab: &Lab, address: &str, count: u32) -> Result<Answers> {
    Answers::parse(&lab.try_exec(JUMPBOX, &command(address, count, "0.1"))?.stdout)
}

/// Requests every 10 ms until it is told to stop.
#[derive(Debug)]
pub struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Answers>>,
}

impl Probe {
    /// Starts asking on the LAN.
    #[must_use]
    pub fn start(lab: &Lab, address: &str) -> Self {
        Self::through(lab, LAN, address)
    }

    /// Starts asking through one of the jumpbox's cards.
    #[must_use]
    pub fn through(lab: &Lab, card: &str, address: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let command = through(card, address, 50, "0.01");
        let (lab, asked_to) = (lab.clone(), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut all = Answers::default();
            // In short runs that end by themselves: one that is interrupted counts the request in flight as lost.
            while !asked_to.load(Ordering::Relaxed) {
                let run = lab.try_exec(JUMPBOX, &command)?;
                all.add(Answers::parse(&run.stdout)?);
            }
            Ok(all)
        });
        Self { stop, thread }
    }

    /// Ends it, half a second later at most, and returns what it saw.
    pub fn finish(self) -> Result<Answers> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .unwrap_or_else(|_| bail!("failed to go on probing; see the messages above"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_arping_prints() {
        let output = "ARPING 10.0.10.0\n\
            42 bytes from 02:00:00:00:01:02 (10.0.10.0): index=0 time=9.000 usec\n\
            42 bytes from 02:00:00:00:01:02 (10.0.10.0): index=1 time=9.000 usec\n\n\
            --- 10.0.10.0 statistics ---\n\
            3 packets transmitted, 2 packets received,  33% unanswered (0 extra)\n";
        let answers = Answers::parse(output).unwrap();
        assert_eq!(
            answers,
            Answers {
                sent: 3,
                received: 2,
                macs: vec!["02:00:00:00:01:02".to_owned()]
            }
        );
        assert_eq!(answers.lost(), 1);
    }

    #[test]
    fn output_without_statistics_is_an_error() {
        assert!(Answers::parse("arping: permission denied").is_err());
    }
}
