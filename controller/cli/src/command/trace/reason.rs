//! Why a frame went the way it went, in a sentence with what to do where something can be done.

use lightship_datapath::Outcome;
use serde::Serialize;

/// Where a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// Back to its sender, as the reply.
    Answered,
    /// On to the next program or the kernel, unchanged.
    Passed,
    /// Nowhere.
    Dropped,
}

impl Verdict {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Passed => "passed",
            Self::Dropped => "dropped",
        }
    }
}

/// The verdict and its reason; of an outcome that this program does not know, that.
pub(super) fn of(outcome: Option<Outcome>) -> (Verdict, &'static str) {
    use Verdict::{Answered, Dropped, Passed};
    let Some(outcome) = outcome else {
        return (Passed, "the agent is of a later version than this command");
    };
    match outcome {
        Outcome::Answered | Outcome::AnsweredEcho => (Answered, "this node holds the address"),
        Outcome::AnsweredProbe => (Answered, "another node watches whether this one answers"),
        Outcome::Gated => (
            Passed,
            "no agent has shown itself for a lease duration: see why it does not run",
        ),
        Outcome::Fenced => (
            Passed,
            "this node yielded the address to another node's claim, and waits for the lease",
        ),
        Outcome::YieldedClaim => (
            Passed,
            "another node claims the address with a later binding: yielded",
        ),
        Outcome::PassedConflict => (
            Passed,
            "another station says to have the address: find the station and take the address from it",
        ),
        Outcome::PassedClaim => (
            Passed,
            "a frame of this node's own, or of the node that has the address now",
        ),
        Outcome::PassedMalformed => (Passed, "broken: against a rule of RFC 826 or RFC 4861"),
        Outcome::PassedOperation => (Passed, "neither an ARP request nor a reply"),
        Outcome::PassedForeignDestination => (Passed, "sent to another station's hardware address"),
        Outcome::PassedUnknownInterface => (
            Passed,
            "the agent has not told yet with which hardware address to answer here",
        ),
        Outcome::PassedHopLimit => (Passed, "has been through a router: its hop limit is not 255"),
        Outcome::PassedChecksum => (Passed, "damaged: its checksum is wrong"),
        Outcome::PassedTooLong => (Passed, "has more options than are read"),
        Outcome::PassedEcho => (
            Passed,
            "a ping that is a fragment, has options, is damaged, or is for another station",
        ),
        Outcome::LimitedEcho => (Dropped, "more pings than are answered in a second"),
        Outcome::FailedWrite => (Dropped, "the answer found no room in the frame's buffer"),
        Outcome::PassedShort => (Passed, "too short for what it says to be"),
        Outcome::PassedNoEntry => (Passed, "tells of another address"),
        Outcome::PassedTagged => (Passed, "carries a VLAN tag: its VLAN's own interface sees it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_drops_are_what_the_responder_does() {
        for outcome in Outcome::ALL {
            let (verdict, reason) = of(Some(outcome));
            let label = outcome.label();
            let expected = match label {
                "limited_echo" | "failed_write" => Verdict::Dropped,
                _ if label.starts_with("answered") => Verdict::Answered,
                _ => Verdict::Passed,
            };
            assert_eq!(verdict, expected, "{label}");
            assert!(!reason.is_empty(), "{label}");
        }
    }
}
