//! Everything that commonly goes wrong.

mod announcements;
mod pools;
mod requests;

use super::Case;

/// All of them, in the order of the journey.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [pools::POOLS, requests::REQUESTS, announcements::ANNOUNCEMENTS]
        .into_iter()
        .flatten()
}
