//! The blocks of a pool as people write them, read into ranges.

use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

use super::range::Range;

/// A block as written: `cidr` wins over `start` and `stop`, as in Cilium.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BlockText {
    /// A CIDR; host bits are cut off.
    pub cidr: Option<String>,
    /// First address of a range, or the only one.
    pub start: Option<String>,
    /// Last address of a range.
    pub stop: Option<String>,
}

/// What `allowFirstLastIPs` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FirstLast {
    /// The first and last address of a CIDR are given like any other.
    #[default]
    Allowed,
    /// They are withheld where a CIDR has more than two addresses.
    Withheld,
}

/// Why a block cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BlockError {
    /// Nothing is set, or only `stop`.
    #[error("failed to read a block without cidr and start: give a cidr, a start, or a start and a stop")]
    NoStart,
    /// The text is no CIDR.
    #[error("failed to read \"{0}\" as a CIDR such as 10.0.10.0/24 or 2004::/112")]
    NotACidr(String),
    /// The text is no address.
    #[error("failed to read \"{0}\" as an address such as 10.0.10.1 or 2004::1")]
    NotAnAddress(String),
    /// An IPv4 address in the notation of IPv6, which nobody can reach by IPv6.
    #[error("failed to use \"{0}\": it is an IPv4 address in IPv6 notation; write it as IPv4")]
    Mapped(String),
    /// The two ends are of different families or in the wrong order.
    #[error(
        "failed to make a range of {0} to {1}: both must be of one family and the first not above the last"
    )]
    NotARange(IpAddr, IpAddr),
}

/// A usable block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// All its addresses.
    pub range: Range,
    /// Those it gives out.
    pub usable: Range,
}

impl BlockText {
    /// A block of one CIDR.
    #[must_use]
    pub fn cidr(cidr: &str) -> Self {
        Self {
            cidr: Some(cidr.to_owned()),
            ..Self::default()
        }
    }

    /// A block from `start` to `stop`.
    #[must_use]
    pub fn range(start: &str, stop: &str) -> Self {
        Self {
            cidr: None,
            start: Some(start.to_owned()),
            stop: Some(stop.to_owned()),
        }
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When it names no range of addresses.
    pub fn read(&self, first_last: FirstLast) -> Result<Block, BlockError> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(cidr) = given(&self.cidr) {
            let net = net(&cidr).ok_or_else(|| BlockError::NotACidr(cidr.clone()))?;
            if is_mapped(net.addr()) && net.prefix_len() >= MAPPED_PREFIX {
                return Err(BlockError::Mapped(cidr));
            }
            let range = Range::new(net.network(), net.broadcast())
                .ok_or(BlockError::NotARange(net.network(), net.broadcast()))?;
            let usable = match first_last {
                FirstLast::Allowed => range,
                FirstLast::Withheld => range.inner(),
            };
            return Ok(Block { range, usable });
        }
        let start = address(&given(&self.start).ok_or(BlockError::NoStart)?)?;
        let stop = given(&self.stop).map_or(Ok(start), |stop| address(&stop))?;
        let range = Range::new(start, stop).ok_or(BlockError::NotARange(start, stop))?;
        Ok(Block { range, usable: range })
    }

    /// Reads an item of `spec.reserved`: an address, `first-last`, or a CIDR.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn read_reserved(item: &str) -> Result<Range, BlockError> {
        let item = item.trim();
        let text = match item.split_once('-') {
            _ if item.contains('/') => Self::cidr(item),
            Some((start, stop)) => Self::range(start.trim(), stop.trim()),
            None => Self {
                start: Some(item.to_owned()),
                ..Self::default()
            },
        };
        text.read(FirstLast::Allowed).map(|block| block.range)
    }
}

/// As strict as Go's, which the API server reads with: no leading zeros that some take for octal, no signs.
fn net(cidr: &str) -> Option<IpNet> {
    let (address, length) = cidr.split_once('/')?;
    let is_number = length.bytes().all(|byte| byte.is_ascii_digit());
    let length = length.parse().ok().filter(|_| is_number)?;
    IpNet::new(address.parse().ok()?, length).ok()
}

fn address(text: &str) -> Result<IpAddr, BlockError> {
    match text.parse() {
        Ok(address) if is_mapped(address) => Err(BlockError::Mapped(text.to_owned())),
        Ok(address) => Ok(address),
        Err(_) => Err(BlockError::NotAnAddress(text.to_owned())),
    }
}

/// `::ffff:0:0/96`.
const MAPPED_PREFIX: u8 = 96;

fn is_mapped(address: IpAddr) -> bool {
    address != address.to_canonical()
}
