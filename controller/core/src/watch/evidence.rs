//! Why a holder is suspected, and how much is missed at all, for those who are told of it.

use super::Watch;
use crate::names::ServiceId;
use crate::time::Instant;

/// What a claim rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// When the first probe was sent that was missed.
    pub since: Instant,
    /// When so many were missed, and a witness heard, that the holder was suspected.
    pub suspected: Instant,
}

/// What was asked and not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// Probes, since this node began.
    pub probes: u64,
    /// Addresses that this node stands by for whose holders are silent now while a witness is not.
    pub addresses: usize,
}

impl Watch {
    /// How much is missed.
    #[must_use]
    pub fn missed(&self) -> Missed {
        let groups = self.busy.iter().filter_map(|primary| self.groups.get(primary));
        let silent = groups.filter(|group| group.suspected.is_some());
        Missed {
            probes: self.probing.missed,
            addresses: silent.map(|group| group.view.addresses().count()).sum(),
        }
    }

    /// What speaks against the holder of a group, if anything does.
    #[must_use]
    pub fn evidence(&self, primary: &ServiceId) -> Option<Evidence> {
        let suspected = self.groups.get(primary)?.suspected?;
        Some(Evidence {
            since: suspected.since,
            suspected: suspected.confirmed,
        })
    }
}
