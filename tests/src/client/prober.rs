//! The probing client: asks for every address every 10 ms, from a packet socket, and records who answers.
//!
//! Each question carries its number in its sender's address, which comes back with the answer: no answer is ever taken for
//! that of another question, however late this program gets its processor.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lightship_abi::mac::MacAddress;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, ppoll},
    sys::time::TimeSpec,
};

use super::{
    frames::{self, question},
    packets::{self, Packets},
    recording::{Question, Record, Recording},
};
use crate::lab::{Lab, host::Host, network::LAN};

/// Between two questions for one address, while there are few.
pub const INTERVAL: Duration = Duration::from_millis(10);

/// Between any two questions: 5,000 a second at most, however many addresses there are.
const SPACING: Duration = Duration::from_micros(200);

/// A client that asks until it is told to stop.
#[derive(Debug)]
pub struct Prober {
    start: Instant,
    stop: Arc<AtomicBool>,
    shared: Arc<Mutex<Recording>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Prober {
    /// Starts asking for `addresses` from the jumpbox.
    pub fn start(lab: &Lab, addresses: &[IpAddr]) -> Result<Self> {
        Self::every(lab, addresses, INTERVAL)
    }

    /// The same with another time between two questions for one address.
    pub fn every(lab: &Lab, addresses: &[IpAddr], interval: Duration) -> Result<Self> {
        ensure!(!addresses.is_empty(), "failed to probe: there are no addresses");
        let jumpbox = Host::jumpbox();
        let arp = Packets::open(lab, &jumpbox, LAN, frames::ARP)?;
        let ndp = Packets::open(lab, &jumpbox, LAN, frames::IPV6)?;
        let shared = Arc::new(Mutex::new(Recording::default()));
        for address in addresses {
            lock(&shared).records.insert(*address, Record::default());
        }
        let (start, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let asking = Asking {
            arp,
            ndp,
            own: jumpbox.lan_card(),
            addresses: addresses.to_vec(),
            interval,
            start,
            stop: Arc::clone(&stop),
            shared: Arc::clone(&shared),
        };
        let thread = Some(thread::spawn(move || asking.run()));
        Ok(Self {
            start,
            stop,
            shared,
            thread,
        })
    }

    /// The time on the recording's clock.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Notes what the test does, for the timeline, and says when.
    pub fn mark(&self, what: impl Into<String>) -> Duration {
        let now = self.now();
        lock(&self.shared).marks.push((now, what.into()));
        now
    }

    /// Looks at the recording while it grows.
    pub fn look<T>(&self, look: impl FnOnce(&Recording) -> T) -> T {
        look(&lock(&self.shared))
    }

    /// What was recorded so far.
    #[must_use]
    pub fn snapshot(&self) -> Recording {
        lock(&self.shared).clone()
    }

    /// Ends it and returns what it saw.
    pub fn finish(mut self) -> Result<Recording> {
        // The last questions get their time too.
        thread::sleep(super::recording::IN_FLIGHT);
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            packets::join(thread)?;
        }
        let recording = std::mem::take(&mut *lock(&self.shared));
        Ok(recording)
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn lock(shared: &Mutex<Recording>) -> MutexGuard<'_, Recording> {
    // A recording is whole between any two frames.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread's own.
struct Asking {
    arp: Packets,
    ndp: Packets,
    own: MacAddress,
    addresses: Vec<IpAddr>,
    interval: Duration,
    start: Instant,
    stop: Arc<AtomicBool>,
    shared: Arc<Mutex<Recording>>,
}

impl Asking {
    fn run(&self) -> Result<()> {
        let count = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX);
        let spacing = (self.interval / count).max(SPACING);
        let mut due = Duration::ZERO;
        let mut turn = (0..self.addresses.len()).cycle();
        while !self.stop.load(Ordering::Relaxed) {
            let now = self.start.elapsed();
            {
                let mut recording = lock(&self.shared);
                recording.until = now;
                let late = now.saturating_sub(due);
                recording.longest_pause = recording.longest_pause.max(late);
            }
            if now.saturating_sub(due) > INTERVAL {
                // What was missed is not made up for: a burst would measure nothing.
                due = now;
            }
            while due <= self.start.elapsed() {
                self.drain()?;
                if let Some(index) = turn.next() {
                    self.ask(self.addresses[index])?;
                }
                due += spacing;
            }
            self.drain()?;
            self.wait(due.max(self.start.elapsed() + Duration::from_micros(100)))?;
        }
        self.drain()
    }

    fn ask(&self, address: IpAddr) -> Result<()> {
        let mut recording = lock(&self.shared);
        let Some(record) = recording.records.get_mut(&address) else {
            return Ok(());
        };
        let number = u32::try_from(record.questions.len()).unwrap_or_default();
        let frame = question(self.own, address, number);
        record.questions.push(Question {
            sent: self.start.elapsed(),
            answers: Vec::new(),
        });
        drop(recording);
        if address.is_ipv4() {
            self.arp.send(&frame)
        } else {
            self.ndp.send(&frame)
        }
    }

    fn drain(&self) -> Result<()> {
        let mut buffer = [0; 512];
        for socket in [&self.arp, &self.ndp] {
            while let Some(frame) = socket.next(&mut buffer)? {
                let Some(heard) = frames::hear(frame) else {
                    continue;
                };
                let now = self.start.elapsed();
                lock(&self.shared).hear(now, heard);
            }
        }
        Ok(())
    }

    fn wait(&self, until: Duration) -> Result<()> {
        let left = until.saturating_sub(self.start.elapsed());
        let mut waiting = [
            PollFd::new(self.arp.descriptor(), PollFlags::POLLIN),
            PollFd::new(self.ndp.descriptor(), PollFlags::POLLIN),
        ];
        match ppoll(&mut waiting, Some(TimeSpec::from_duration(left)), None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error).context("failed to wait for frames"),
        }
    }
}
