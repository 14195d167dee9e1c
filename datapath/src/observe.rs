//! What the kernel holds at this moment.

use std::collections::BTreeMap;

use lightship_abi::outcome::Outcome;

use crate::{
    attach::{self, AttachError},
    groups::GroupError,
    loader::Datapath,
    maps::MapsError,
    plan::Observed,
};

/// Why the kernel's state could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// A map could not be read.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// A link could not be read.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// Group memberships could not be read.
    #[error(transparent)]
    Groups(#[from] GroupError),
}

impl Datapath {
    /// Reads what the kernel holds: links, hardware addresses, entries with their counters,
    /// groups.
    ///
    /// # Errors
    /// If any of it cannot be read; a plan made from half of it would be wrong.
    pub fn observe(&self) -> Result<Observed, ObserveError> {
        Ok(Observed {
            attached: attach::attachments(self.way, &self.pins, self.program_id)?,
            interfaces: self.maps.interfaces()?,
            entries: self.maps.entries()?,
            groups: self.groups.joined()?,
        })
    }

    /// Counts frames by outcome, over all interfaces and processors, since the map was made.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn counters(&self) -> Result<BTreeMap<Outcome, u64>, MapsError> {
        self.maps.outcomes()
    }
}
