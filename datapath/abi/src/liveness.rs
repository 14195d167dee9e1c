//! The liveness gate: the responder answers only while an agent has shown itself recently, so that a node whose agent
//! is gone for good leaves its addresses to others.

/// Whether the responder may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The agent has shown itself recently.
    Open,
    /// It has not, or never did.
    Closed,
}

/// Judges the agent's last beat. All times are nanoseconds of `CLOCK_MONOTONIC`.
///
/// A beat of 0 means that no agent ever ran. A beat in the future cannot have come from this boot's clock, so it
/// proves nothing and closes the gate, save for the little by which the clock of the agent's processor and ours, or
/// the beat that lands between reading the clock and the map, can differ.
#[inline(always)]
#[must_use]
pub const fn gate(beat_ns: u64, now_ns: u64, max_age_ns: u64) -> Gate {
    if beat_ns == 0 {
        return Gate::Closed;
    }
    let alive = if beat_ns > now_ns {
        beat_ns - now_ns <= FUTURE_TOLERANCE_NS
    } else {
        now_ns - beat_ns <= max_age_ns
    };
    if alive { Gate::Open } else { Gate::Closed }
}

/// How far ahead of the reader's clock a beat may be.
pub const FUTURE_TOLERANCE_NS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: u64 = 15_000_000_000;

    #[test]
    fn edges() {
        let now = 100_000_000_000;
        assert_eq!(
            gate(0, 0, MAX),
            Gate::Closed,
            "an agent that never ran, just after boot"
        );
        assert_eq!(gate(now, now, MAX), Gate::Open);
        assert_eq!(gate(now - MAX, now, MAX), Gate::Open);
        assert_eq!(gate(now - MAX - 1, now, MAX), Gate::Closed);
        assert_eq!(gate(now + FUTURE_TOLERANCE_NS, now, MAX), Gate::Open);
        assert_eq!(gate(now + FUTURE_TOLERANCE_NS + 1, now, MAX), Gate::Closed);
        assert_eq!(gate(u64::MAX, now, MAX), Gate::Closed);
    }

    proptest! {
        #[test]
        fn once_closed_it_stays_closed(beat in 1..u64::MAX / 2, age in 0..u64::MAX / 4, later in 0..u64::MAX / 4) {
            if gate(beat, beat + age, MAX) == Gate::Closed {
                prop_assert_eq!(gate(beat, beat + age + later, MAX), Gate::Closed);
            }
        }
    }
}
