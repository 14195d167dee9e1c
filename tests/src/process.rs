//! Processes that outlive the command that started them, and finding them again.
//!
//! A process is known by its id and its start time, so that an id used again is never signalled by mistake. All of a
//! lab's processes carry the lab's folder in their environment: whatever half-built or crashed state a lab is in, its
//! processes can be found.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::{
    command::{Tool, without_proxies},
    eventually,
};

/// The environment variable that marks the processes of a lab; its value is the lab's state folder.
pub const MARK: &str = "LIGHTSHIP_LAB_FOLDER";

/// One running, or once running, process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Clock ticks from boot to its start.
    started: u64,
}

impl Process {
    /// The process with this id, unless it is gone or only waits to be reaped.
    #[must_use]
    pub fn find(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything; the fields after it are counted from the state.
        let mut fields = stat.get(stat.rfind(')')? + 2..)?.split(' ');
        let dead = matches!(fields.next()?, "Z" | "X");
        let started = fields.nth(18)?.parse().ok()?;
        (!dead).then_some(Self { pid, started })
    }

    /// Whether it still runs (a frozen process does).
    #[must_use]
    pub fn alive(&self) -> bool {
        Self::find(self.pid).as_ref() == Some(self)
    }

    /// Sends a signal, named as for kill(1). Nothing happens when the process is gone.
    pub fn signal(&self, signal: &str) -> Result<()> {
        if !self.alive() {
            return Ok(());
        }
        let sent =
            Tool::new(["sh", "-c", "kill -s \"$0\" \"$1\"", signal, &self.pid.to_string()]).attempt()?;
        ensure!(
            sent.succeeded() || !self.alive(),
            "failed to send {signal} to process {}: {}",
            self.pid,
            sent.stderr
        );
        Ok(())
    }

    /// Waits until it is gone.
    pub fn wait_gone(&self, timeout: Duration) -> Result<()> {
        eventually(&format!("the end of process {}", self.pid), timeout, || {
            ensure!(!self.alive(), "it still runs");
            Ok(())
        })
    }

    /// Ends it at once.
    pub fn kill(&self) -> Result<()> {
        self.signal("KILL")?;
        self.wait_gone(Duration::from_secs(10))
    }

    /// Asks it to end; kills it when it has not after ten seconds, and says so by an error.
    pub fn terminate(&self) -> Result<()> {
        self.signal("TERM")?;
        // A frozen process would never see the request.
        self.signal("CONT")?;
        if self.wait_gone(Duration::from_secs(10)).is_err() {
            self.kill()?;
            bail!(
                "failed to end process {} by SIGTERM within 10 s; it was killed",
                self.pid
            );
        }
        Ok(())
    }

    /// Its name as the kernel shows it.
    #[must_use]
    pub fn name(&self) -> String {
        fs::read_to_string(format!("/proc/{}/comm", self.pid))
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    /// The identity of its network namespace.
    #[must_use]
    pub fn network(&self) -> Option<String> {
        Some(
            fs::read_link(format!("/proc/{}/ns/net", self.pid))
                .ok()?
                .to_string_lossy()
                .into_owned(),
        )
    }
}

/// Starts `argv` in a session of its own, marked as part of the lab in `folder`, with its output appended to `log`.
pub fn spawn(argv: &[String], env: &BTreeMap<String, String>, log: &Path, folder: &Path) -> Result<Process> {
    let out = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("failed to open the log {}", log.display()))?;
    let mut command = Command::new("setsid");
    command
        .args(argv)
        .envs(env)
        .env(MARK, folder)
        .stdin(Stdio::null())
        .stdout(
            out.try_clone()
                .context("failed to share the log between both outputs")?,
        )
        .stderr(out);
    without_proxies(&mut command);
    let mut child = command
        .spawn()
        .with_context(|| format!("failed to start `{}`", argv.join(" ")))?;
    let process = Process::find(child.id());
    // Reaped here when it ends before us; when we end first, init does it.
    thread::spawn(move || child.wait());
    process.with_context(|| format!("failed to start `{}`: {}", argv.join(" "), tail(log, 10)))
}

/// All processes of the lab in `folder`: those that carry its mark, and any other in one of the given namespaces.
#[must_use]
pub fn members(folder: &Path, networks: &[String]) -> Vec<Process> {
    let mark = format!("{MARK}={}", folder.display());
    let own = std::process::id();
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        .filter_map(Process::find)
        .filter(|process| {
            let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|item| item == mark.as_bytes())
                || process
                    .network()
                    .is_some_and(|network| networks.contains(&network))
        })
        .collect()
}

/// The last lines of a log, for error messages.
#[must_use]
pub fn tail(log: &Path, lines: usize) -> String {
    let text = fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
