//! What this host must offer before anything is loaded. Facts are gathered in one place and judged in another, so that
//! each refusal is one sentence with its remedy.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aya::maps::MapType;
use aya::sys::is_map_supported;
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use crate::options::Hook;

/// Why nothing can be loaded on this host.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum HostError {
    /// The path is no mount point of bpffs.
    #[error("failed to find bpffs at {0}: mount it with 'mount -t bpf bpf {0}'")]
    Bpffs(PathBuf),
    /// The process lacks capabilities.
    #[error("failed to find the needed privileges: run as root or grant {}", .0.join(", "))]
    Capabilities(Vec<&'static str>),
    /// A seccomp profile denies bpf(2) to a process that has the capability for it.
    #[error(
        "failed to call bpf(2), which the seccomp profile denies: run the agent under one that allows it to CAP_BPF, as \
         containerd's default does, or under none (in its DaemonSet, seccompProfile.type: Unconfined)"
    )]
    Seccomp,
    /// The kernel is too old.
    #[error(
        "failed to find what the responder needs in kernel {0}: Linux 5.10 or newer is needed, 6.6 for TCX"
    )]
    Kernel(String),
    /// The kernel has no type information.
    #[error("failed to find BTF at /sys/kernel/btf/vmlinux: run a kernel built with CONFIG_DEBUG_INFO_BTF=y")]
    Btf,
}

/// Where the program goes on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Tcx,
    Clsact,
}

#[derive(Debug)]
struct Facts {
    bpffs: Option<PathBuf>,
    capabilities: u64,
    seccomp: Seccomp,
    kernel: String,
    btf: Option<PathBuf>,
}

/// What a seccomp profile does to bpf(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seccomp {
    Passes,
    Denies,
}

const OLDEST: (u32, u32) = (5, 10);
const TCX_SINCE: (u32, u32) = (6, 6);

const CAP_NET_ADMIN: (u32, &str) = (12, "CAP_NET_ADMIN");
const CAP_NET_RAW: (u32, &str) = (13, "CAP_NET_RAW");
const CAP_SYS_ADMIN: u32 = 21;
const CAP_BPF: (u32, &str) = (39, "CAP_BPF");

/// Checks the host.
pub(crate) fn check(bpffs: &Path, hook: Hook) -> Result<Way, HostError> {
    judge(&gather(bpffs), bpffs, hook)
}

/// A fact that cannot be read counts as not given: the refusal names the remedy all the same.
fn gather(bpffs: &Path) -> Facts {
    let is_bpffs = statfs(bpffs).is_ok_and(|stat| stat.filesystem_type() == BPF_FS_MAGIC);
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let btf = Path::new("/sys/kernel/btf/vmlinux");
    Facts {
        bpffs: is_bpffs.then(|| bpffs.to_path_buf()),
        capabilities: effective_capabilities(&status),
        seccomp: seccomp(&status),
        kernel: kernel.trim().to_owned(),
        btf: btf.exists().then(|| btf.to_path_buf()),
    }
}

/// What was found on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// The kernel's release.
    pub kernel: String,
    /// Where frames would be answered.
    pub hook: Hook,
    /// Everything that is missing.
    pub missing: Vec<HostError>,
}

/// Looks at everything this host must offer, without loading anything.
#[must_use]
pub fn examine(bpffs: &Path, hook: Hook) -> Examined {
    let facts = gather(bpffs);
    let (way, missing) = weigh(&facts, bpffs, hook);
    Examined {
        kernel: facts.kernel,
        hook: match way {
            Way::Tcx => Hook::Tcx,
            Way::Clsact => Hook::Clsact,
        },
        missing,
    }
}

fn judge(facts: &Facts, bpffs: &Path, hook: Hook) -> Result<Way, HostError> {
    let (way, missing) = weigh(facts, bpffs, hook);
    missing.into_iter().next().map_or(Ok(way), Err)
}

/// The way in, and everything that is missing, what hides the most first.
fn weigh(facts: &Facts, bpffs: &Path, hook: Hook) -> (Way, Vec<HostError>) {
    let mut refusals = Vec::new();
    let has = |bit: u32| facts.capabilities >> bit & 1 == 1;
    // Before Linux 5.8 CAP_SYS_ADMIN was what CAP_BPF is now, and it still stands for it.
    let granted = |bit: u32| has(bit) || (bit == CAP_BPF.0 && has(CAP_SYS_ADMIN));
    let missing: Vec<_> = [CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW]
        .into_iter()
        .filter(|(bit, _)| !granted(*bit))
        .map(|(_, name)| name)
        .collect();
    if !missing.is_empty() {
        refusals.push(HostError::Capabilities(missing));
    } else if facts.seccomp == Seccomp::Denies {
        refusals.push(HostError::Seccomp);
    }
    let version = version(&facts.kernel);
    let way = match hook {
        Hook::Automatic if version >= TCX_SINCE => Way::Tcx,
        Hook::Automatic | Hook::Clsact => Way::Clsact,
        Hook::Tcx => Way::Tcx,
    };
    if version < OLDEST || (way == Way::Tcx && version < TCX_SINCE) {
        refusals.push(HostError::Kernel(facts.kernel.clone()));
    }
    if facts.bpffs.is_none() {
        refusals.push(HostError::Bpffs(bpffs.to_path_buf()));
    }
    if facts.btf.is_none() {
        refusals.push(HostError::Btf);
    }
    (way, refusals)
}

fn effective_capabilities(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// A profile cannot be read from within, but it can be tried: a map is made, which takes `CAP_BPF` alone, and gone at once.
fn seccomp(status: &str) -> Seccomp {
    match is_map_supported(MapType::Array) {
        Err(error) if is_filtered(status) && error.io_error.kind() == ErrorKind::PermissionDenied => {
            Seccomp::Denies
        }
        _ => Seccomp::Passes,
    }
}

/// Whether a seccomp filter is in force.
fn is_filtered(status: &str) -> bool {
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    mode.is_some_and(|mode| mode.trim() == "2")
}

fn version(release: &str) -> (u32, u32) {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Facts {
        Facts {
            bpffs: Some("/b".into()),
            capabilities: 1 << 39 | 1 << 12 | 1 << 13,
            seccomp: Seccomp::Passes,
            kernel: "6.6.0".into(),
            btf: Some("/btf".into()),
        }
    }

    fn refusal(facts: &Facts) -> String {
        judge(facts, Path::new("/b"), Hook::Automatic)
            .expect_err("refused")
            .to_string()
    }

    #[test]
    fn a_sound_host_is_accepted() {
        assert_eq!(judge(&sound(), Path::new("/b"), Hook::Automatic), Ok(Way::Tcx));
        assert_eq!(judge(&sound(), Path::new("/b"), Hook::Clsact), Ok(Way::Clsact));
        let older = Facts {
            kernel: "6.1.0-18-amd64".into(),
            ..sound()
        };
        assert_eq!(judge(&older, Path::new("/b"), Hook::Automatic), Ok(Way::Clsact));
        assert!(judge(&older, Path::new("/b"), Hook::Tcx).is_err());
    }

    #[test]
    fn each_refusal_names_its_remedy() {
        assert!(
            refusal(&Facts {
                bpffs: None,
                ..sound()
            })
            .contains("mount -t bpf bpf /b")
        );
        assert!(
            refusal(&Facts {
                kernel: "5.4.0-generic".into(),
                ..sound()
            })
            .contains("5.10 or newer")
        );
        assert!(refusal(&Facts { btf: None, ..sound() }).contains("CONFIG_DEBUG_INFO_BTF"));
        assert!(
            refusal(&Facts {
                capabilities: 1 << 12,
                ..sound()
            })
            .contains("grant CAP_BPF, CAP_NET_RAW")
        );
        assert!(
            refusal(&Facts {
                seccomp: Seccomp::Denies,
                ..sound()
            })
            .contains("seccompProfile.type: Unconfined")
        );
    }

    #[test]
    fn the_old_capability_stands_for_the_new() {
        let facts = Facts {
            capabilities: 1 << 21 | 1 << 12 | 1 << 13,
            ..sound()
        };
        assert_eq!(judge(&facts, Path::new("/b"), Hook::Automatic), Ok(Way::Tcx));
    }

    #[test]
    fn who_may_not_call_bpf_anyway_is_told_of_the_capability_and_not_of_the_profile() {
        let facts = Facts {
            capabilities: 1 << 12 | 1 << 13,
            seccomp: Seccomp::Denies,
            ..sound()
        };
        assert!(refusal(&facts).contains("grant CAP_BPF"));
    }

    #[test]
    fn facts_are_read_from_text() {
        assert!(is_filtered("NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n"));
        assert!(!is_filtered("NoNewPrivs:\t1\nSeccomp:\t0\nSeccomp_filters:\t0\n"));
        assert_eq!(version("6.18.44-x-v1"), (6, 18));
        assert_eq!(version("7"), (7, 0));
        assert_eq!(
            effective_capabilities("Name:\tx\nCapEff:\t000001ffffffffff\n"),
            0x1ff_ffff_ffff
        );
    }
}
