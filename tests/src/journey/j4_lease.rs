//! J4.2 and J4.3: the address answers ping; lease and settings tell what there is to know.

use anyhow::{Result, ensure};

use super::{
    Walk, j4,
    typed::{self, SOON},
};
use crate::{
    Options, eventually,
    lab::host::{CONTROL_PLANE, JUMPBOX},
    objects,
};

const LEASE: &str = "cilium-l2announce-prod-cdtrackerapi-service";
const ADDRESS: &str = "10.0.20.10";

/// The timings of this journey.
#[must_use]
pub fn options() -> Options {
    let timings = typed::timings("10s", "5s", "1s");
    Options {
        nodes: 1,
        agent_flags: timings.clone(),
        operator_flags: timings,
        ..Options::default()
    }
}

/// Step 2: ping is answered.
pub fn pinged(walk: &Walk<'_>) -> Result<()> {
    walk.kubectl(&["create", "namespace", j4::NAMESPACE])?;
    for sample in ["pool", "policy", "service"] {
        walk.apply(&format!("j4/{sample}.yaml"))?;
    }
    objects::has(walk.lab, "prod/cdtrackerapi-service", &[ADDRESS])?;
    eventually("answers to ping", SOON, || {
        let argv = ["ping", "-c", "3", "-i", "0.2", "-W", "1", ADDRESS];
        let shown = walk.try_on(JUMPBOX, &argv)?;
        ensure!(
            shown.stdout.contains("3 received"),
            "ping printed {}",
            shown.stdout
        );
        Ok(())
    })
}

/// Step 3: the lease, as `kubectl describe` tells it, and the settings.
pub fn described(walk: &Walk<'_>) -> Result<()> {
    let told = walk.kubectl(&["-n", "kube-system", "describe", "lease", LEASE])?;
    let value = |name: &str| -> Option<&str> {
        let line = told.lines().find(|line| line.trim_start().starts_with(name))?;
        Some(line.split_once(':')?.1.trim())
    };
    let holder = value("Holder Identity").unwrap_or_default();
    ensure!(
        ["node-1", CONTROL_PLANE].contains(&holder),
        "the holder is {holder}: {told}"
    );
    ensure!(value("Lease Duration Seconds") == Some("10"), "{told}");
    for name in ["Lease Transitions", "Acquire Time", "Renew Time"] {
        ensure!(
            value(name).is_some_and(|value| !value.is_empty()),
            "no {name}: {told}"
        );
    }
    let shown = walk.on("node-1", &["sh", "-c", "lightship config view | grep l2"])?;
    for (name, value) in [
        ("enable-l2-announcements", "true"),
        ("l2-announcements-lease-duration", "10s"),
        ("l2-announcements-renew-deadline", "5s"),
        ("l2-announcements-retry-period", "1s"),
    ] {
        let told = shown
            .lines()
            .any(|line| line.contains(name) && line.ends_with(value));
        ensure!(told, "no {name} of {value} in {shown}");
    }
    Ok(())
}
