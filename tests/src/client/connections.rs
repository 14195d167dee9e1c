//! A client that fetches a page again and again through its own kernel, which finds the holder by its own neighbour cache.
//!
//! Connections do not survive a move: the new holder's kernel knows nothing of them, with any announcer of this kind. What
//! counts for a user is how soon a new one works, so each request makes its own.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Result;

use super::packets::{inside, join};
use crate::lab::{Lab, host::Host};

/// Less than the second after which a kernel repeats a lost SYN.
const PATIENCE: Duration = Duration::from_millis(250);

/// Between two requests.
const INTERVAL: Duration = Duration::from_millis(20);

/// What it came to.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    /// Pages that came.
    pub pages: usize,
    /// Requests that failed.
    pub failed: usize,
    /// From the start of a request that failed to the next page, at its longest.
    pub longest_stall: Duration,
    /// What went wrong last.
    pub last_error: String,
}

/// The client at work.
#[derive(Debug)]
pub struct Connections {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Fetched>>,
}

impl Connections {
    /// Starts fetching from the jumpbox.
    pub fn start(lab: &Lab, server: SocketAddr) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked_to = Arc::clone(&stop);
        let thread = inside(lab, &Host::jumpbox(), move || Ok(run(server, &asked_to)))?;
        Ok(Self { stop, thread })
    }

    /// Ends it and returns what it saw.
    pub fn finish(self) -> Result<Fetched> {
        self.stop.store(true, Ordering::Relaxed);
        join(self.thread)
    }
}

fn run(server: SocketAddr, stop: &AtomicBool) -> Fetched {
    let mut fetched = Fetched::default();
    let mut stalled: Option<Instant> = None;
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        match fetch(server) {
            Ok(()) => {
                fetched.pages += 1;
                let stall = stalled.take().map(|since| since.elapsed());
                fetched.longest_stall = fetched.longest_stall.max(stall.unwrap_or_default());
            }
            Err(error) => {
                fetched.failed += 1;
                fetched.last_error = error.to_string();
                stalled.get_or_insert(start);
            }
        }
        thread::sleep(INTERVAL.saturating_sub(start.elapsed()));
    }
    if let Some(since) = stalled {
        fetched.longest_stall = fetched.longest_stall.max(since.elapsed());
    }
    fetched
}

fn fetch(server: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n")?;
    let mut page = [0; 15];
    stream.read_exact(&mut page)
}
