//! The seccomp profiles that container runtimes give to pods that ask for their default.

use std::fs;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::bundle::words;
use crate::{binaries, command::Tool};

/// CRI-O's profile and Podman's, as Debian ships it.
const SHARED: &str = "/usr/share/containers/seccomp.json";

/// A container runtime, as far as its default profile goes.
#[derive(Debug, Clone, Copy)]
pub enum Runtime {
    /// containerd, asked itself.
    Containerd,
    /// CRI-O.
    Crio,
}

impl Runtime {
    /// The profile for a container with these capabilities.
    pub(super) fn profile(self, granted: &[String]) -> Result<Value> {
        match self {
            Self::Containerd => containerd(granted),
            Self::Crio => shared(granted),
        }
    }
}

fn containerd(granted: &[String]) -> Result<Value> {
    let program = binaries::control_plane("containerd-seccomp")?;
    let asked = [program.to_string_lossy().into_owned()];
    let printed = Tool::new(asked.iter().chain(granted)).run()?;
    serde_json::from_str(&printed).context("failed to understand containerd's profile")
}

/// The file says for each rule whom it is for.
fn shared(granted: &[String]) -> Result<Value> {
    let text = fs::read(SHARED)
        .with_context(|| format!("failed to read {SHARED}; `hack/prerequisites image` installs it"))?;
    let profile: Value =
        serde_json::from_slice(&text).with_context(|| format!("failed to understand {SHARED}"))?;
    let arch = match std::env::consts::ARCH {
        "x86_64" => ("amd64", "SCMP_ARCH_X86_64"),
        _ => ("arm64", "SCMP_ARCH_AARCH64"),
    };
    let all = profile["syscalls"]
        .as_array()
        .context("a profile without system calls")?;
    let applies = |rule: &&Value| {
        let has = |caps: &Value| words(caps).all(|one| granted.contains(&one));
        let here = |arches: &Value| words(arches).any(|one| one == arch.0);
        let (includes, excludes) = (&rule["includes"], &rule["excludes"]);
        has(&includes["caps"])
            && (includes["arches"].is_null() || here(&includes["arches"]))
            && !words(&excludes["caps"]).any(|one| granted.contains(&one))
            && !here(&excludes["arches"])
    };
    let rules: Vec<Value> = all
        .iter()
        .filter(applies)
        .map(|rule| {
            let mut made = json!({"names": rule["names"], "action": rule["action"], "args": rule["args"]});
            if !rule["errnoRet"].is_null() {
                made["errnoRet"] = rule["errnoRet"].clone();
            }
            made
        })
        .collect();
    Ok(json!({
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": [arch.1],
        "syscalls": rules,
    }))
}
