//! Where health, readiness, metrics and settings are served.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// An address and port to listen on.
///
/// `[10.0.0.1]:9964` is understood like `10.0.0.1:9964`, so that a manifest can write brackets around an address of
/// either family that it does not know beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AdminAddress(pub(crate) SocketAddr);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address and a port, such as 127.0.0.1:9964 or [::1]:9964")]
pub(crate) struct BadAdminAddress;

impl AdminAddress {
    /// Where an agent is found unless it was told otherwise.
    pub(crate) const OF_AGENT: &str = "127.0.0.1:9964";
}

impl FromStr for AdminAddress {
    type Err = BadAdminAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse() {
            return Ok(Self(address));
        }
        let (ip, port) = text
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]:"))
            .ok_or(BadAdminAddress)?;
        let ip: IpAddr = ip.parse().map_err(|_| BadAdminAddress)?;
        let port = port.parse().map_err(|_| BadAdminAddress)?;
        Ok(Self(SocketAddr::new(ip, port)))
    }
}
