//! What an agent saw on the wire and nobody else can know. It travels in the heartbeat; the operator turns it into events.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::inventory::Mac;
use crate::names::{NodeName, ServiceId};

/// Something worth an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Counts the findings of one run of an agent, from 1: a reader that has seen a number has seen all before it.
    pub number: u64,
    /// The service concerned, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceId>,
    /// What was seen.
    pub saw: Sight,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", rename_all_fields = "camelCase")]
pub enum Sight {
    /// Another station says that it has an address held here.
    Conflict {
        /// The address.
        address: IpAddr,
        /// The interface it was seen on.
        interface: String,
        /// The other station.
        mac: Mac,
    },
    /// A member claimed an address held here, by a later binding: this node fell silent for it.
    Fenced {
        /// The address.
        address: IpAddr,
        /// The interface it was seen on.
        interface: String,
        /// The claimant, if its hardware address is a member's.
        by: Option<NodeName>,
        /// The epoch of its claim.
        epoch: u32,
    },
    /// This node took over from a holder that fell silent.
    Claimed {
        /// The silent holder.
        from: NodeName,
        /// How long it had not answered when this node did, in milliseconds.
        silence_ms: u64,
        /// Whether the API server had a say.
        arbiter: Arbiter,
    },
    /// The binding went to another node, which does not answer: this one goes on.
    Lingers {
        /// The address.
        address: IpAddr,
        /// The node that should answer.
        to: NodeName,
    },
    /// The kernel cannot be made to answer for an address held here: it is neither announced nor claimed. Carried as long
    /// as that is so.
    Refused {
        /// The address.
        address: IpAddr,
        /// The interface.
        interface: String,
        /// What failed, and what to do.
        why: String,
    },
}

/// Who decided that a claim holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Arbiter {
    /// The API server, by compare-and-swap on the primary lease.
    Lease,
    /// Nobody: the API server could not be reached, and the standbys' order alone decided.
    Rank,
}
