//! `lightship cleanup`: takes everything of Lightship off this node, whether or not an agent has ever run or runs no more.

use std::sync::Arc;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::admin::{Admin, Shown};
use crate::args::CleanupArgs;
use crate::output::print;
use crate::settings::Settings;
use crate::telemetry::Levels;
use crate::{foreground, signal};

pub(crate) fn run(args: &CleanupArgs, levels: Levels) -> anyhow::Result<()> {
    let removed = lightship_datapath::cleanup(&args.bpffs).with_context(|| {
        format!(
            "failed to clean this node below {}; run as root, when no agent runs here, and again when the cause is gone",
            args.bpffs.display()
        )
    })?;
    for pin in &removed {
        print(&format!("{} removed\n", pin.display()))?;
    }
    if removed.is_empty() {
        print("Nothing of Lightship is on this node.\n")?;
    }
    if args.stay { stay(args, levels) } else { Ok(()) }
}

/// Is there and ready until told to stop, as the pod of a DaemonSet has to be.
fn stay(args: &CleanupArgs, levels: Levels) -> anyhow::Result<()> {
    foreground::runtime()?.block_on(async {
        let stop = signal::stop()?;
        let admin = Admin::bind(args.admin_address).await?;
        let shown = Shown {
            ready: watch::Sender::new(true).subscribe(),
            registry: Arc::new(Registry::default()),
            settings: Settings::default(),
            levels,
        };
        let stopped = stop.clone();
        let rest = async move {
            stopped.cancelled().await;
            Ok::<(), std::convert::Infallible>(())
        };
        foreground::run(rest, admin, shown, stop).await
    })
}
