//! Why a service has what it has: every refusal and every loss as a value.

use std::fmt;
use std::net::IpAddr;

use super::range::Family;
use super::sharing::Clash;
use crate::names::{PoolName, ServiceId};

/// A cluster may have thousands of pools, a condition 32 KiB: so many are named, and that there are more.
pub(super) const NAMED: usize = 8;

/// Whether a service got everything it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did.
    Satisfied,
    /// It did not; one reason for every item that is missing.
    Unsatisfied(Vec<Reason>),
    /// Somebody else put addresses there that are not ours to give, or names; these are left.
    Foreign {
        /// Those addresses.
        addresses: Vec<IpAddr>,
        /// The pool that would serve the service.
        pool: Option<PoolName>,
    },
    /// Nothing is decided at the moment, nor was before: what its status says stays.
    Deferred,
}

/// The kinds of [`Reason`], for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// No pool serves the service, or none contains the address.
    NoPool,
    /// The pools are full.
    OutOfAddresses,
    /// The pool of the address is for other services.
    SelectorMismatch,
    /// The address is another's.
    Taken,
    /// The address is another's, and cannot be shared with it.
    CannotShare,
    /// The request cannot be read.
    Unreadable,
    /// Nothing is given at the moment.
    Frozen,
}

/// Why one pool does not serve a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missed {
    /// The pool's selector does not match; the requirement that fails.
    Selector(String),
    /// The pool's selector cannot be read.
    UnreadableSelector(String),
    /// The pool is disabled.
    Disabled,
    /// The pool overlaps another that comes first.
    Conflicting,
    /// The pool has no block of the family.
    Family,
    /// The service names this other pool.
    NotNamed(PoolName),
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Selector(unmet) => write!(f, "its serviceSelector wants {unmet}"),
            Self::UnreadableSelector(why) => write!(f, "its serviceSelector cannot be read: {why}"),
            Self::Disabled => f.write_str("it is disabled"),
            Self::Conflicting => f.write_str("it conflicts with another pool"),
            Self::Family => f.write_str("it has no block of that family"),
            Self::NotNamed(named) => write!(f, "the service asks for pool {named} only"),
        }
    }
}

/// Why an address that was asked for is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No pool serves the family; why each one does not.
    NoPool {
        /// The family asked for.
        family: Family,
        /// The first pools in their order, one more than are named if there are more.
        missed: Vec<(PoolName, Missed)>,
    },
    /// Pools serve the family, and all are full.
    OutOfAddresses {
        /// The family asked for.
        family: Family,
        /// The first pools that are full, in their order, one more than are named if there are more.
        pools: Vec<PoolName>,
        /// Why the addresses of the service's sharing key could not be joined, the first few.
        unshared: Vec<(IpAddr, ServiceId, Clash)>,
    },
    /// The requested address lies in no pool.
    NotInAnyPool(IpAddr),
    /// The requested address lies in a pool that does not serve this service.
    PoolMissed {
        /// The address asked for.
        address: IpAddr,
        /// The pool it lies in.
        pool: PoolName,
        /// Why the pool does not serve it.
        missed: Missed,
    },
    /// The requested address belongs to another service.
    Taken {
        /// The address asked for.
        address: IpAddr,
        /// Who has it.
        by: ServiceId,
    },
    /// The requested address belongs to another service, with which this one cannot share it.
    CannotShare {
        /// The address asked for.
        address: IpAddr,
        /// Who has it.
        with: ServiceId,
        /// Which rule forbids it.
        clash: Clash,
    },
    /// The requested address is the first or last of a block that withholds them.
    Withheld {
        /// The address asked for.
        address: IpAddr,
        /// The pool that withholds it.
        pool: PoolName,
    },
    /// An item of the request is no address.
    Unreadable(String),
    /// Nothing is given to anybody, as the pools cannot be believed; why not, and what to do.
    Frozen(String),
}

impl Reason {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::OutOfAddresses { .. } => Kind::OutOfAddresses,
            Self::PoolMissed {
                missed: Missed::Selector(_) | Missed::NotNamed(_),
                ..
            } => Kind::SelectorMismatch,
            Self::NoPool { .. } | Self::NotInAnyPool(_) | Self::PoolMissed { .. } => Kind::NoPool,
            Self::Taken { .. } | Self::Withheld { .. } => Kind::Taken,
            Self::CannotShare { .. } => Kind::CannotShare,
            Self::Unreadable(_) => Kind::Unreadable,
            Self::Frozen(_) => Kind::Frozen,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPool { family, missed } if missed.is_empty() => write!(
                f,
                "no {family} address: there is no CiliumLoadBalancerIPPool; create one with a block of addresses"
            ),
            Self::NoPool { family, missed } => {
                write!(f, "no {family} address: no pool serves this service")?;
                for (pool, why) in missed.iter().take(NAMED) {
                    write!(f, "; pool {pool}: {why}")?;
                }
                more(missed.len(), f)
            }
            Self::OutOfAddresses {
                family,
                pools,
                unshared,
            } => {
                let names: Vec<_> = pools.iter().take(NAMED).map(PoolName::as_str).collect();
                let names = names.join(", ");
                write!(f, "no {family} address: no free address in pool {names}")?;
                more(pools.len(), f)?;
                for (address, with, clash) in unshared {
                    write!(f, "; {address} cannot be shared with service {with}: {clash}")?;
                }
                f.write_str("; add a block or release a service")
            }
            Self::NotInAnyPool(address) => {
                write!(
                    f,
                    "{address} cannot be given: no pool contains it; add it to a pool's blocks"
                )
            }
            Self::PoolMissed {
                address,
                pool,
                missed,
            } => {
                write!(
                    f,
                    "{address} cannot be given: it lies in pool {pool}, but {missed}"
                )
            }
            Self::Taken { address, by } => write!(f, "{address} cannot be given: service {by} has it"),
            Self::CannotShare { address, with, clash } => write!(
                f,
                "{address} cannot be given: service {with} has it, and it cannot be shared: {clash}"
            ),
            Self::Withheld { address, pool } => write!(
                f,
                "{address} cannot be given: pool {pool} withholds the first and last address of its blocks \
                 (allowFirstLastIPs: No)"
            ),
            Self::Unreadable(text) => {
                write!(
                    f,
                    "\"{text}\" is requested, but it is no IP address; correct the service's request"
                )
            }
            Self::Frozen(why) => write!(f, "no address is given at the moment: {why}"),
        }
    }
}

fn more(count: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if count > NAMED {
        f.write_str("; and more pools")?;
    }
    Ok(())
}

/// Why an address was taken from a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The service is not served by us any more.
    NotHandled,
    /// No pool contains the address any more.
    NoPool,
    /// The pool does not serve the service any more.
    PoolMissed(PoolName, Missed),
    /// The service asks for other addresses, and has them.
    NotRequested,
    /// The service asks for another family.
    FamilyNotAsked,
    /// Another service has the address, and had it first.
    HeldBy(ServiceId),
    /// The service shared the address, and changed so that it cannot any more.
    CannotShare(ServiceId, Clash),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHandled => f.write_str("the service is no longer served by Lightship (type or class)"),
            Self::NoPool => f.write_str("no pool contains it any more"),
            Self::PoolMissed(pool, missed) => write!(f, "pool {pool} no longer serves the service: {missed}"),
            Self::NotRequested => f.write_str("the service requests other addresses"),
            Self::FamilyNotAsked => f.write_str("the service asks for another address family"),
            Self::HeldBy(service) => write!(f, "service {service} had it first"),
            Self::CannotShare(service, clash) => {
                write!(f, "it cannot be shared with service {service} any more: {clash}")
            }
        }
    }
}

/// An address a service lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The address.
    pub address: IpAddr,
    /// Why.
    pub cause: Cause,
}
