//! What the client outside the cluster sees, by its own tools, arping, tcpdump, curl and ip neigh, and by sockets in its network.

pub mod arping;
pub mod capture;
pub mod connections;
pub mod frames;
pub mod hostile;
pub mod packets;
pub mod prober;
pub mod recording;

use std::{
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    command::Outcome,
    lab::{
        Lab,
        host::{Host, JUMPBOX},
    },
};

/// Long against an answer that comes; what is lost is asked again.
const ANSWER: Duration = Duration::from_secs(2);

/// The page at `url`, asked for by the jumpbox; three seconds are enough for one that exists.
pub fn curl(lab: &Lab, url: &str) -> Result<Outcome> {
    lab.try_exec(
        JUMPBOX,
        &["curl", "--silent", "--show-error", "--max-time", "3", url],
    )
}

/// What comes back for a datagram of the jumpbox, from the very address and port it was sent to.
pub fn datagram(lab: &Lab, to: SocketAddrV4) -> Result<String> {
    let asking = move || -> Result<String> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("failed to open a socket")?;
        socket
            .set_read_timeout(Some(ANSWER))
            .context("failed to limit the wait for an answer")?;
        socket
            .connect(to)
            .with_context(|| format!("failed to find a way to {to}"))?;
        socket
            .send(b"?")
            .with_context(|| format!("failed to send to {to}"))?;
        let mut answer = [0; 512];
        let length = socket
            .recv(&mut answer)
            .with_context(|| format!("no answer of {to}"))?;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    };
    packets::join(packets::inside(lab, &Host::jumpbox(), asking)?)
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
