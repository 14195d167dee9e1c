//! How many announcements an interface may send.

use std::time::Duration;

use crate::time::Instant;

/// Announcements that an interface sends in a second, on and on. A full table of 65,536 addresses, refreshed every minute, takes
/// half of it.
pub const RATE: u32 = 2_000;

/// Announcements that an interface sends at once after a rest: what a Linux interface queues by default, so that none of them is
/// lost on the way to the wire. A takeover of as many addresses waits for nothing.
pub const BURST: u32 = 1_000;

/// How many of [`BURST`] are left to what is urgent.
const RESERVE: u32 = BURST / 2;

const FRAME: Duration = Duration::from_nanos(1_000_000_000 / RATE as u64);

/// Whether something may use up the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    Urgent,
    Patient,
}

/// What one interface has sent, as far as it matters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    /// When all that was sent would have been sent at [`RATE`].
    spent_until: Instant,
}

impl Budget {
    /// From when on `frames` more may be sent at once.
    pub(super) fn room_at(self, urgency: Urgency, frames: u32) -> Instant {
        let most = match urgency {
            Urgency::Urgent => BURST,
            Urgency::Patient => BURST - RESERVE,
        };
        self.spent_until - FRAME * most.saturating_sub(frames)
    }

    /// One was sent.
    pub(super) fn spend(&mut self, now: Instant) {
        self.spent_until = self.spent_until.max(now) + FRAME;
    }
}
