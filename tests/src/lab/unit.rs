//! Units: the processes of the lab that have a name, a log, and can be stopped and started again.

use std::{collections::BTreeMap, fs};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::{
    folder::{self, Folder},
    host::Host,
};
use crate::process::{self, Process};

/// What can be done to a running unit, or to bring it to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Start it unless it runs.
    Start,
    /// End it by SIGTERM.
    Stop,
    /// End it by SIGKILL.
    Kill,
    /// Stop its clock: SIGSTOP.
    Freeze,
    /// Let it go on: SIGCONT.
    Thaw,
}

/// A named process on one of the hosts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unit {
    /// Its name, which is also its log's.
    pub name: String,
    /// The host it runs on.
    pub host: String,
    /// Its command line there.
    pub argv: Vec<String>,
    /// Variables added to its environment.
    pub env: BTreeMap<String, String>,
    /// False once it was stopped or killed on purpose: reviving its node does not bring it back.
    pub wanted: bool,
    process: Option<Process>,
}

impl Unit {
    /// A unit that does not run yet.
    pub fn new<S: Into<String>>(name: &str, host: &Host, argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            name: name.to_owned(),
            host: host.name().to_owned(),
            argv: argv.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            wanted: true,
            process: None,
        }
    }

    /// The unit of this name, if the lab has one.
    pub fn find(folder: &Folder, name: &str) -> Result<Self> {
        let path = folder.entry("units", name);
        if !path.exists() {
            bail!(
                "failed to find {name}; the lab has {}",
                folder.entries("units").join(", ")
            );
        }
        folder::read(&path)
    }

    /// Every unit of the lab, by name.
    #[must_use]
    pub fn all(folder: &Folder) -> Vec<Self> {
        folder
            .entries("units")
            .iter()
            .filter_map(|name| Self::find(folder, name).ok())
            .collect()
    }

    /// Its process, if it runs.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        self.process.filter(Process::alive)
    }

    /// Whether its process runs but is frozen.
    #[must_use]
    pub fn frozen(&self) -> bool {
        let stat = self
            .process()
            .and_then(|process| fs::read_to_string(format!("/proc/{}/stat", process.pid)).ok());
        stat.is_some_and(|stat| stat.contains(") T "))
    }

    /// Does `action`, which is no error when there is nothing left to do. Its record is kept up to date.
    pub fn act(&mut self, folder: &Folder, action: Action) -> Result<()> {
        let running = self.process();
        match (action, running) {
            (Action::Start | Action::Thaw, Some(process)) => process.signal("CONT"),
            (Action::Start, None) => {
                let host = Host::named(&self.host, super::host::MOST_NODES)?;
                let argv = host.enter(folder, &self.argv)?;
                self.process = Some(process::spawn(
                    &argv,
                    &self.env,
                    &folder.log(&self.name),
                    folder.path(),
                )?);
                self.wanted = true;
                self.save(folder)
            }
            (Action::Stop | Action::Kill, running) => {
                self.wanted = false;
                self.save(folder)?;
                match running {
                    None => Ok(()),
                    Some(process) if action == Action::Stop => process.terminate(),
                    Some(process) => process.kill(),
                }
            }
            (Action::Freeze, Some(process)) => process.signal("STOP"),
            (Action::Freeze | Action::Thaw, None) => {
                bail!(
                    "failed to {action:?} {}: it does not run; see `hack/lab logs {}`",
                    self.name,
                    self.name
                )
            }
        }
    }

    /// The end of its log, and whether it still runs: for errors of those who wait for it.
    #[must_use]
    pub fn last_words(&self, folder: &Folder) -> String {
        let state = if self.process().is_some() {
            "runs"
        } else {
            "has ended"
        };
        format!(
            "{} {state}; its log ends with:\n{}",
            self.name,
            process::tail(&folder.log(&self.name), 8)
        )
    }

    fn save(&self, folder: &Folder) -> Result<()> {
        folder::write(&folder.entry("units", &self.name), self)
    }
}
