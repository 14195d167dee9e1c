//! This machine as a node: what the agent needs of it, and what of it would answer in the agent's place.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use lightship_datapath::devices::{Selection, Watch};
use lightship_datapath::{Hook, HostError, examine};

use super::Check;
use crate::args::DoctorArgs;
use crate::command::config;

const INTERFACES: &str = "interfaces";
const ARP: &str = "arp";

pub(super) fn checks(args: &DoctorArgs) -> anyhow::Result<Vec<Check>> {
    let mut checks = of_host(&args.bpffs);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("failed to start the async runtime")?;
    checks.push(runtime.block_on(interfaces()));
    checks.push(arp(Path::new("/")));
    let asked = runtime.block_on(config::fetch(args.admin_address, "/readyz"));
    checks.push(match asked {
        Ok(_) => Check::ok("agent", "it runs and is ready"),
        Err(config::Error::Connect(address, _)) => Check::warn(
            "agent",
            format!("nobody listens at {}", address.0),
            "if an agent is meant to run here, its log says why it does not; --admin-address says where it listens",
        ),
        Err(error) => Check::fail("agent", error.to_string(), "its log says what it waits for"),
    });
    Ok(checks)
}

fn of_host(bpffs: &Path) -> Vec<Check> {
    let examined = examine(bpffs, Hook::Automatic);
    let hook = match examined.hook {
        Hook::Clsact => "clsact (TCX takes 6.6)",
        Hook::Automatic | Hook::Tcx => "TCX",
    };
    let well = [
        ("kernel", format!("{}: {hook}", examined.kernel)),
        ("btf", "/sys/kernel/btf/vmlinux is there".to_owned()),
        ("bpffs", format!("mounted at {}", bpffs.display())),
        ("capabilities", "all that are needed".to_owned()),
        ("seccomp", "bpf(2) may be called".to_owned()),
    ];
    let mut checks: Vec<_> = well
        .into_iter()
        .map(|(name, found)| Check::ok(name, found))
        .collect();
    for missing in examined.missing {
        let name = match missing {
            HostError::Kernel(_) => "kernel",
            HostError::Btf => "btf",
            HostError::Bpffs(_) => "bpffs",
            HostError::Capabilities(_) => "capabilities",
            HostError::Seccomp => "seccomp",
        };
        let told = missing.to_string();
        let (found, remedy) = told
            .split_once(": ")
            .unwrap_or((&told, "run the agent elsewhere"));
        for check in checks.iter_mut().filter(|check| check.name == name) {
            *check = Check::fail(name, found, remedy);
        }
    }
    checks
}

/// The interfaces that a policy without interfaces announces on.
async fn interfaces() -> Check {
    let listed = match Watch::open() {
        Ok(watch) => watch.list().await,
        Err(error) => Err(error),
    };
    let devices = match listed {
        Ok(devices) => devices,
        Err(error) => {
            return Check::fail(
                INTERFACES,
                error.to_string(),
                "run this as root, in the node's own network namespace",
            );
        }
    };
    let (mut suitable, mut others) = (Vec::new(), Vec::new());
    for device in devices.iter().filter(|device| device.is_nodes_own()) {
        match Selection::Automatic.admits(device) {
            Ok(()) => suitable.push(device.name.clone()),
            Err(why) => others.push(format!("{} {why}", device.name)),
        }
    }
    if suitable.is_empty() {
        return Check::warn(
            INTERFACES,
            format!("none announces by itself: {}", others.join(", ")),
            "name some in the policies' interfaces, or by the agent's --devices",
        );
    }
    Check::ok(
        INTERFACES,
        format!("a policy that names none announces on {}", suitable.join(", ")),
    )
}

/// Whether this kernel answers ARP for addresses that kube-proxy in IPVS mode gives it.
fn arp(root: &Path) -> Check {
    let read = |path: &str| {
        fs::read_to_string(root.join(path))
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let ignore = read("proc/sys/net/ipv4/conf/all/arp_ignore");
    if !root.join("sys/class/net/kube-ipvs0").exists() {
        return Check::ok(ARP, "the kernel answers for the node's own addresses only");
    }
    if matches!(ignore.as_str(), "1" | "2" | "8") {
        return Check::ok(
            ARP,
            format!("kube-proxy is in IPVS mode, and arp_ignore is {ignore}"),
        );
    }
    Check::fail(
        ARP,
        "kube-proxy is in IPVS mode and arp_ignore is 0: this node answers ARP for every address",
        "set ipvs.strictARP: true in kube-proxy's settings and restart it",
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn ipvs_without_strict_arp_is_seen_on_the_node() {
        let root = std::env::temp_dir().join(format!("lightship-arp-{}", std::process::id()));
        let all = root.join("proc/sys/net/ipv4/conf/all");
        fs::create_dir_all(&all).unwrap();
        fs::write(all.join("arp_ignore"), "0\n").unwrap();
        assert_eq!(arp(&root).state, State::Ok);
        fs::create_dir_all(root.join("sys/class/net/kube-ipvs0")).unwrap();
        assert_eq!(arp(&root).state, State::Fail);
        fs::write(all.join("arp_ignore"), "1\n").unwrap();
        assert_eq!(arp(&root).state, State::Ok);
        fs::remove_dir_all(&root).unwrap();
    }
}
