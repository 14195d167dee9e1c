//! What the kernel holds at this moment.

use std::collections::BTreeMap;

use lightship_abi::{fence::Tombstone, outcome::Outcome};

use crate::{
    attach::{self, AttachError},
    entry::Entry,
    groups::GroupError,
    loader::Datapath,
    maps::MapsError,
    plan::{self, Observed},
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
    /// Reads what the kernel holds: links, hardware addresses, members, entries with their counters and tombstones,
    /// groups.
    ///
    /// # Errors
    /// If any of it cannot be read; a plan made from half of it would be wrong.
    pub fn observe(&self) -> Result<Observed, ObserveError> {
        let contents = self.maps.entries()?;
        Ok(Observed {
            attached: attach::attachments(self.way, &self.pins, self.program_id)?,
            interfaces: self.maps.interfaces()?,
            entries: contents.entries,
            strays: contents.strays,
            members: self.maps.members()?,
            groups: self.groups.joined()?,
            unpinned: self.shared.unpinned(),
        })
    }

    /// The entries that yielded to a claim that stands: they are not answered.
    ///
    /// # Errors
    /// If a map cannot be read.
    pub fn tombstones(&self) -> Result<BTreeMap<Entry, Tombstone>, MapsError> {
        Ok(plan::tombstones(&self.maps.entries()?.entries))
    }

    /// Counts the frames about each entry by outcome, since the entry was made. Outcomes that never were are left out.
    ///
    /// # Errors
    /// If a map cannot be read.
    pub fn entry_counters(&self) -> Result<BTreeMap<Entry, BTreeMap<Outcome, u64>>, MapsError> {
        self.maps.entry_outcomes()
    }

    /// Counts frames by outcome, over all interfaces and processors, since the map was made.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn counters(&self) -> Result<BTreeMap<Outcome, u64>, MapsError> {
        self.maps.outcomes()
    }
}
