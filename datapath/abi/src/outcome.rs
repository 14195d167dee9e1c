//! What became of a frame, for counting: of every ARP frame, neighbour solicitation and advertisement, and of echo
//! requests for our addresses. Others are not counted: they pay for a comparison or two. Whose address it is about is
//! looked at first: what is about another's counts as that, whatever else is wrong with it.

/// The outcome of one frame; the discriminant is its slot in [`crate::names::OUTCOMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Outcome {
    /// A request for one of our addresses, answered.
    Answered = 0,
    /// A request for one of our addresses, passed because the agent is silent.
    Gated = 1,
    /// Passed: shorter than an ARP packet for IPv4, or than a neighbour solicitation, in its Ethernet frame.
    PassedShort = 2,
    /// Passed: breaks a rule of RFC 826 or of RFC 4861 §7.1.1, or its sender is a group of stations.
    PassedMalformed = 3,
    /// Passed: another operation of ARP than request and reply.
    PassedOperation = 4,
    /// Passed: about an address that is not ours on this interface.
    PassedNoEntry = 5,
    /// Passed: tells of one of our addresses what needs no attention: this node's own frame that came back, or any that
    /// comes while we yield the address.
    PassedClaim = 6,
    /// Passed: addressed on Ethernet to another station.
    PassedForeignDestination = 7,
    /// Passed: we do not know the hardware address of the interface it came in on.
    PassedUnknownInterface = 8,
    /// Passed: carries a VLAN tag, so the VLAN's own interface will see it.
    PassedTagged = 9,
    /// Dropped: the answer could not be written into the buffer.
    FailedWrite = 10,
    /// Passed: a neighbour solicitation that has been through a router.
    PassedHopLimit = 11,
    /// Passed: a neighbour solicitation whose checksum is wrong.
    PassedChecksum = 12,
    /// Passed: a neighbour solicitation with more options than are read.
    PassedTooLong = 13,
    /// An echo request for one of our addresses, answered.
    AnsweredEcho = 14,
    /// Passed: an echo request for one of our addresses that is a fragment, has IPv4 options, is damaged, or is addressed
    /// on Ethernet to another station.
    PassedEcho = 15,
    /// Dropped: an echo request for one of our addresses, beyond the rate at which they are answered.
    LimitedEcho = 16,
    /// A request of another node's wire watch for one of our addresses, answered.
    AnsweredProbe = 17,
    /// Passed: a request for one of our addresses that we yielded to a claim.
    Fenced = 18,
    /// Passed: a member's claim that beats ours; we yield.
    YieldedClaim = 19,
    /// Passed: another station tells that it has one of our addresses, and we do not yield to it.
    PassedConflict = 20,
}

impl Outcome {
    /// All of them, in the order of their slots.
    pub const ALL: [Self; 21] = [
        Self::Answered,
        Self::Gated,
        Self::PassedShort,
        Self::PassedMalformed,
        Self::PassedOperation,
        Self::PassedNoEntry,
        Self::PassedClaim,
        Self::PassedForeignDestination,
        Self::PassedUnknownInterface,
        Self::PassedTagged,
        Self::FailedWrite,
        Self::PassedHopLimit,
        Self::PassedChecksum,
        Self::PassedTooLong,
        Self::AnsweredEcho,
        Self::PassedEcho,
        Self::LimitedEcho,
        Self::AnsweredProbe,
        Self::Fenced,
        Self::YieldedClaim,
        Self::PassedConflict,
    ];

    /// Its slot in the map of counters.
    #[inline(always)]
    #[must_use]
    pub const fn slot(self) -> u32 {
        self as u32
    }

    /// A label for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Gated => "gated",
            Self::PassedShort => "passed_short",
            Self::PassedMalformed => "passed_malformed",
            Self::PassedOperation => "passed_operation",
            Self::PassedNoEntry => "passed_no_entry",
            Self::PassedClaim => "passed_claim",
            Self::PassedForeignDestination => "passed_foreign_destination",
            Self::PassedUnknownInterface => "passed_unknown_interface",
            Self::PassedTagged => "passed_tagged",
            Self::FailedWrite => "failed_write",
            Self::PassedHopLimit => "passed_hop_limit",
            Self::PassedChecksum => "passed_checksum",
            Self::PassedTooLong => "passed_too_long",
            Self::AnsweredEcho => "answered_echo",
            Self::PassedEcho => "passed_echo",
            Self::LimitedEcho => "limited_echo",
            Self::AnsweredProbe => "answered_probe",
            Self::Fenced => "fenced",
            Self::YieldedClaim => "yielded_claim",
            Self::PassedConflict => "passed_conflict",
        }
    }
}

/// Slots of the map of counters. More than there are outcomes, so that a new one does not change the map's layout.
pub const OUTCOME_SLOTS: u32 = 32;

const _: () = assert!(Outcome::ALL.len() <= OUTCOME_SLOTS as usize);

/// What became of the frames about one entry. Value of [`crate::names::OUTCOMES_V4`] and [`crate::names::OUTCOMES_V6`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct EntryOutcomes {
    /// How many frames ended in which outcome, by its slot. Only the kernel counts, by atomic additions.
    /// [`Outcome::Answered`] is counted in the entry itself, and not here.
    pub frames: [u64; OUTCOME_SLOTS as usize],
    /// When user space was last told that a stranger says to have the address, `CLOCK_MONOTONIC` in nanoseconds.
    pub stranger_told_ns: u64,
    /// The same of a member.
    pub member_told_ns: u64,
}

/// How long an [`EntryOutcomes`] is.
pub const ENTRY_OUTCOMES_LEN: usize = 8 * (OUTCOME_SLOTS as usize + 2);

const _: () = assert!(size_of::<EntryOutcomes>() == ENTRY_OUTCOMES_LEN);

impl EntryOutcomes {
    /// How many frames ended in an outcome, in a value that lies in the map as these bytes.
    #[must_use]
    pub fn frames_in(bytes: &[u8; ENTRY_OUTCOMES_LEN], outcome: Outcome) -> u64 {
        let at = 8 * outcome.slot() as usize;
        u64::from_ne_bytes(core::array::from_fn(|octet| bytes[at + octet]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_follow_the_list() {
        for (slot, outcome) in (0..).zip(Outcome::ALL) {
            assert_eq!(outcome.slot(), slot, "{outcome:?}");
        }
    }
}
