//! `lightship trace`: what becomes of the frames about an address, live, as the responder judges them.

use std::time::Duration;

use anyhow::Context as _;
use lightship_datapath::trace::{Sighting, Trace};
use tokio::time::MissedTickBehavior;

use crate::args::{Format, TraceArgs};
use crate::{output, signal};
use line::Line;

mod line;
mod reason;

/// How often the kernel is told that somebody still looks on.
const RENEWAL: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &TraceArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .context("failed to start the async runtime")?
        .block_on(follow(args))
}

/// Shows frames until as many as were asked for are shown, or until it is stopped. The filter is taken away in any case:
/// by dropping the trace, or by the kernel's clock when this process was killed.
async fn follow(args: &TraceArgs) -> anyhow::Result<()> {
    let stop = signal::stop()?;
    let mut trace = Trace::begin(&args.bpffs, args.address)?
        .readable()
        .context("failed to wait for frames")?;
    let mut renewals = tokio::time::interval(RENEWAL);
    renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut view = View {
        format: args.output,
        left: args.count,
        lost: 0,
    };
    view.begin()?;
    while view.left != Some(0) {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = renewals.tick() => {
                let lost = trace.get_mut().renew()?;
                view.lose(lost)?;
            }
            ready = trace.readable_mut() => {
                ready.context("failed to wait for frames")?.clear_ready();
            }
        }
        // Also at each renewal: the kernel wakes nobody for what came before it was waited for.
        view.show(&trace.get_mut().drain())?;
    }
    Ok(())
}

/// What a person has seen so far.
struct View {
    format: Format,
    left: Option<u64>,
    lost: u64,
}

impl View {
    fn begin(&self) -> anyhow::Result<()> {
        match self.format {
            Format::Table | Format::Wide => output::print(&line::headings()),
            Format::Json | Format::Yaml => Ok(()),
        }
    }

    fn show(&mut self, seen: &[Sighting]) -> anyhow::Result<()> {
        let most = usize::try_from(self.left.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let shown = &seen[..seen.len().min(most)];
        for sighting in shown {
            let line = Line::of(sighting);
            match self.format {
                Format::Table | Format::Wide => output::print(&line.columns())?,
                // A line of JSON is a document of YAML too.
                Format::Json | Format::Yaml => {
                    let json = serde_json::to_string(&line).context("failed to write a frame as JSON")?;
                    output::print(&format!("{json}\n"))?;
                }
            }
        }
        self.left = self.left.map(|left| left.saturating_sub(shown.len() as u64));
        Ok(())
    }

    /// Says that frames came faster than they could be shown, where a person reads it.
    fn lose(&mut self, lost: u64) -> anyhow::Result<()> {
        if lost > self.lost && self.format == Format::Table {
            output::print(&format!(
                "({} more frames came too fast to be shown)\n",
                lost - self.lost
            ))?;
        }
        self.lost = lost;
        Ok(())
    }
}
