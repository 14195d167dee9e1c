//! The demo: a lab, the first journey, a failover; with real commands and their real output.

use std::time::Instant;

use anyhow::Result;
use lightship_tests::{
    Lab, Options,
    journey::{Walk, failover, j0},
    lab::unit::Unit,
};

use crate::commands::say;

/// Walks it, and takes the lab down at the end, also when a step failed, unless it shall be kept.
pub(crate) fn run(name: &str, keep: bool) -> Result<()> {
    say("# A control plane, three workers, a control-plane node and a client, all on this machine.\n")?;
    say(&format!("\n$ LIGHTSHIP_LAB={name} hack/lab up\n"))?;
    Lab::down(name)?;
    let start = Instant::now();
    let walked = Lab::up(name, &Options::default()).and_then(|lab| {
        say(&lab.status())?;
        say(&format!("\nIt took {:.1} s.\n", start.elapsed().as_secs_f64()))?;
        walk(&Walk::aloud(&lab))
    });
    if walked.is_err()
        && let Ok(lab) = Lab::attach(name)
    {
        for unit in Unit::all(lab.folder()) {
            say(&format!("\n{}\n", unit.last_words(lab.folder())))?;
        }
    }
    if keep {
        say(&format!(
            "\nThe lab is still up. Look around:\n\
             \x20 export LIGHTSHIP_LAB={name}\n\
             \x20 hack/lab status\n\
             \x20 hack/lab kubectl get ippools,l2announcement,service,lease -A\n\
             \x20 hack/lab exec jumpbox -- curl http://{}/\n\
             \x20 hack/lab logs operator\n\
             \x20 hack/lab down\n",
            j0::ADDRESS
        ))?;
    } else {
        say(&format!("\n$ LIGHTSHIP_LAB={name} hack/lab down\n"))?;
        Lab::down(name)?;
    }
    walked
}

fn walk(walk: &Walk<'_>) -> Result<()> {
    j0::announce(walk)?;
    j0::bound(walk)?;
    j0::counted(walk)?;
    failover::crash_holder(walk).map(drop)
}
