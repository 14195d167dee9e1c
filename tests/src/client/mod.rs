//! What the client outside the cluster sees, by its own tools: arping, tcpdump, curl, ip neigh.

pub mod arping;
pub mod capture;
pub mod connections;
pub mod frames;
pub mod hostile;
pub mod packets;
pub mod prober;
pub mod recording;

use anyhow::Result;

use crate::{
    command::Outcome,
    lab::{Lab, host::JUMPBOX},
};

/// The page at `url`, asked for by the jumpbox; three seconds are enough for one that exists.
pub fn curl(lab: &Lab, url: &str) -> Result<Outcome> {
    lab.try_exec(
        JUMPBOX,
        &["curl", "--silent", "--show-error", "--max-time", "3", url],
    )
}

/// The MAC address the jumpbox's kernel believes `address` to be at.
pub fn neighbour(lab: &Lab, address: &str) -> Result<Option<String>> {
    let shown = lab.exec(JUMPBOX, &["ip", "neigh", "show", address])?;
    let mut words = shown
        .split_whitespace()
        .skip_while(|word| *word != "lladdr")
        .skip(1);
    Ok(words.next().map(str::to_owned))
}
