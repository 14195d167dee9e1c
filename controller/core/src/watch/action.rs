//! What a node does upon a decision, and what it hears back.

use std::collections::BTreeSet;
use std::net::IpAddr;

use lightship_abi::order::Order;

use super::view::NicIndex;
use crate::finding::Sight;
use crate::inventory::Mac;
use crate::names::{NodeName, ServiceId};

/// Something to be done at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask a station for an address that it should answer for, by a frame that says it is a probe.
    Probe {
        /// The interface to send on.
        nic: NicIndex,
        /// The station.
        to: Mac,
        /// The address.
        address: IpAddr,
        /// Comes back in an ARP answer.
        number: u32,
    },
    /// Ask for an address as anybody would: one station, or whoever has it.
    Ask {
        /// The interface to send on.
        nic: NicIndex,
        /// The station; all of them when `None`.
        to: Option<Mac>,
        /// The address.
        address: IpAddr,
    },
    /// Take the binding by compare-and-swap: this node becomes the holder if the primary lease still names `holder` at
    /// `seen`. The answer goes to [`super::Watch::claim_answered`], the lease as it then is to
    /// [`super::Watch::observe_group`] before it.
    Claim {
        /// The group.
        primary: ServiceId,
        /// The holder that the lease must still name.
        holder: NodeName,
        /// The epoch that the lease must still have.
        seen: u32,
        /// The epoch to write.
        epoch: u32,
    },
    /// Read the leases of these groups anew, from the API server itself. Each is told to [`super::Watch::observe_group`] with
    /// the start of the read; [`super::Watch::read_answered`] hears afterwards how it went.
    Read(BTreeSet<ServiceId>),
    /// Send the claim of an address to one station, which stops answering for it: the kernel holds it already.
    ClaimTo {
        /// The interface to send on.
        nic: NicIndex,
        /// The station.
        to: Mac,
        /// The address.
        address: IpAddr,
        /// The order of the claim.
        order: Order,
    },
    /// Announce an address anew, because somebody else says it has it.
    Defend {
        /// The interface to send on.
        nic: NicIndex,
        /// The address.
        address: IpAddr,
    },
    /// Tell what was seen.
    Tell(Option<ServiceId>, Sight),
}

/// An answer heard on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The interface it came in on.
    pub nic: NicIndex,
    /// The station that sent it.
    pub from: Mac,
    /// The address it has.
    pub address: IpAddr,
}

/// The kernel yielded to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Yielded {
    /// The interface the claim came in on.
    pub nic: NicIndex,
    /// The claimant.
    pub from: Mac,
    /// The address.
    pub address: IpAddr,
    /// The order of the claim.
    pub order: Order,
}

/// What became of an [`Action::Claim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// The lease names this node now.
    Won,
    /// The lease says something else, or is gone.
    Lost,
    /// The API server answers others, and nothing is known to speak against the claim: it can be made again.
    Postponed,
    /// The API server did not answer in time, or had too much to answer before; it is not known what the lease says.
    Unreachable,
}

/// What became of an [`Action::Read`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAnswer {
    /// Each lease was read and told, or is gone.
    Done,
    /// The API server did not answer in time.
    Unreachable,
}
