//! What the responder costs and how quick it is, on a machine of its own in namespaces, beside the least that a program at its
//! place can do and beside the kernel's own answers.

mod cost;
mod forwarding;
mod latency;
mod load;

use anyhow::Result;
use lightship_tests::segment;

use crate::report::Report;

/// Each part in a segment of its own; the figures of a part are told as it ends.
pub(crate) fn run(report: &mut Report) -> Result<()> {
    for part in [cost::run, latency::run, load::run, forwarding::run] {
        report.tell(segment::isolated(part)?);
    }
    Ok(())
}
