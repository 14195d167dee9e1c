//! Why a holder is suspected, for those who are told of it.

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

impl Watch {
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
