//! Address management alone: measured by an example of `lightship-core`, which is a process of its own for every figure; kept
//! as every other run is.

use std::{env, fs, process};

use anyhow::{Context as _, Result, ensure};
use lightship_tests::binaries;

use crate::report::Report;

pub(crate) fn run(report: &mut Report) -> Result<()> {
    let program = binaries::example("bench_ipam")
        .context("`cargo build -p lightship-core --example bench_ipam` makes it")?;
    let list = env::temp_dir().join(format!("bench_ipam-{}.json", process::id()));
    let status = process::Command::new(&program).arg("--json").arg(&list).status();
    let status = status.with_context(|| format!("failed to run {}", program.display()))?;
    ensure!(status.success(), "{} failed: {status}", program.display());
    let figures = fs::read(&list).context("failed to read the figures")?;
    fs::remove_file(&list).context("failed to remove the figures' file")?;
    report.keep(serde_json::from_slice(&figures).context("failed to decode the figures")?);
    Ok(())
}
