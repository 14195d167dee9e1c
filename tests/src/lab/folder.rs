//! A lab's state folder: everything that a later command must know about it, and every log.
//!
//! `${XDG_RUNTIME_DIR:-/run}/lightship/<lab>/`: `lab.json` (the plan and whether it is complete), `hosts/` (the holders of the
//! namespaces), `units/` (what runs where), `logs/`, `keys/`, `etcd/` and the kubeconfigs.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::segment::Segment;
use crate::process::Process;

/// What a lab was asked to be, and how far it got.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Number of workers.
    pub nodes: u32,
    /// Which of the management networks it uses; no two labs share one. None until one is claimed.
    pub slot: Option<u8>,
    /// False while it is being built, and for ever when that failed.
    pub complete: bool,
    /// Who builds it, or built it.
    pub builder: Process,
    /// More flags for every agent.
    pub agent_flags: Vec<String>,
    /// More flags for every operator.
    pub operator_flags: Vec<String>,
    /// The networks beside the LAN.
    #[serde(default)]
    pub segments: Vec<Segment>,
    /// Where operators and agents send traces: a port of the machine's own end of the management network.
    #[serde(default)]
    pub collector: Option<u16>,
}

/// The paths within the folder.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder of the lab of this name, which need not exist.
    pub fn of(lab: &str) -> Result<Self> {
        let plain = lab
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        ensure!(
            plain && !lab.is_empty() && !lab.starts_with('.'),
            "failed to use {lab:?} as a lab's name; use letters, digits, '-', '_' and '.'"
        );
        let base = env::var_os("XDG_RUNTIME_DIR").map_or_else(|| PathBuf::from("/run"), PathBuf::from);
        Ok(Self(base.join("lightship").join(lab)))
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folder and its parts, readable by its owner only: it holds keys.
    pub fn create(&self) -> Result<()> {
        for part in ["hosts", "units", "logs", "keys"] {
            let path = self.0.join(part);
            fs::create_dir_all(&path).with_context(|| format!("failed to create {}", path.display()))?;
        }
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(&self.0, private)
            .with_context(|| format!("failed to make {} private", self.0.display()))
    }

    /// Removes the folder, and the one that holds all labs' folders when it was the last.
    pub fn remove(&self) -> Result<()> {
        if self.0.exists() {
            fs::remove_dir_all(&self.0).with_context(|| format!("failed to remove {}", self.0.display()))?;
        }
        if let Some(parent) = self.0.parent() {
            // Fails while there are other labs.
            let _ = fs::remove_dir(parent);
        }
        Ok(())
    }

    /// The plan; None when there is no such lab, or it never got as far.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        read(&self.0.join("lab.json")).ok()
    }

    /// Writes the plan.
    pub fn write_record(&self, record: &Record) -> Result<()> {
        write(&self.0.join("lab.json"), record)
    }

    /// The log of a unit or of a host's holder.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.0.join("logs").join(format!("{name}.log"))
    }

    /// A key, certificate or token.
    #[must_use]
    pub fn key(&self, name: &str) -> PathBuf {
        self.0.join("keys").join(name)
    }

    /// The kubeconfig of the admin.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    /// The kubeconfig of a component.
    #[must_use]
    pub fn component_kubeconfig(&self, component: &str) -> PathBuf {
        self.key(&format!("{component}.kubeconfig"))
    }

    pub(super) fn entry(&self, kind: &str, name: &str) -> PathBuf {
        self.0.join(kind).join(format!("{name}.json"))
    }

    /// The names of all entries of a kind, sorted.
    pub(super) fn entries(&self, kind: &str) -> Vec<String> {
        let listed = fs::read_dir(self.0.join(kind)).into_iter().flatten().flatten();
        let mut names: Vec<String> = listed
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned()))
            .collect();
        names.sort();
        names
    }
}

pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("failed to understand {}", path.display()))
}

/// Writes by renaming, so that a command that runs at the same time never reads half a file.
pub(super) fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let text = serde_json::to_vec_pretty(value).context("failed to encode the lab's state")?;
    let new = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&new, text)
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("failed to write {}", path.display()))
}
