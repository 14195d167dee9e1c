//! The decision about a frame that tells where one of our addresses is: whether we yield to it. It is a step of its own,
//! after the frame was found sound, because a program's stack has no room for both.

use super::{Key, Station, Tables};
use crate::{fence::Tombstone, mac::MacAddress, order::Order, outcome::Outcome, signal::Raw, wakeup::Told};

/// Who tells of one of our addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Teller {
    /// The station that is told to have the address.
    pub mac: MacAddress,
    /// Whether the frame carries a claim, and that station sent it itself.
    pub claims: bool,
    /// The order of the claim; meaningless if it is none.
    pub order: Order,
}

/// What to do with the frame, which passes untouched in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Count it, no more.
    Ignore(Outcome),
    /// Leave this tombstone for the entry, and tell user space.
    Yield(Tombstone, Told),
    /// Tell user space of a conflict with a stranger or another member, unless it was told of one just before.
    Report(Told, Station),
}

impl Teller {
    #[inline(always)]
    pub(super) fn new(source: MacAddress, hardware: MacAddress, signal: Raw) -> Self {
        Self {
            mac: hardware,
            claims: signal.is_claim() && source == hardware,
            order: signal.order(),
        }
    }

    /// A station that tells of itself, without a claim, by writing from the address.
    #[inline(always)]
    #[must_use]
    pub const fn writing(source: MacAddress) -> Self {
        Self {
            mac: source,
            claims: false,
            order: Order { epoch: 0, rank: 0 },
        }
    }
}

/// We yield to a member that speaks for itself and whose claim beats our binding: whether or not the agent is alive, and
/// whether or not we know the interface. `key` is that of an entry.
#[inline(always)]
#[expect(private_bounds, reason = "keys are those of the two families")]
pub fn judge<T: Tables, K: Key>(key: &K, ifindex: u32, teller: Teller, tables: &T) -> Judgement {
    let station = tables.station(teller.mac);
    // Switches and repeaters send our own frames back to us, and two of our interfaces may be on one segment.
    if station == Station::Own || tables.interface(ifindex) == Some(teller.mac) {
        return Judgement::Ignore(Outcome::PassedClaim);
    }
    let (hold, before) = (key.hold(tables), key.tombstone(tables));
    let told = Told {
        mac: teller.mac,
        claims: teller.claims && station == Station::Member,
        order: teller.order,
        time_ns: tables.now_ns(),
    };
    if told.claims && told.order.beats(hold.order) {
        return Judgement::Yield(
            Tombstone::of_claim(before, told.order, told.mac, told.time_ns),
            told,
        );
    }
    // Who has it now may say so; others are the concern of who has it now.
    if before.stands(hold) {
        return Judgement::Ignore(Outcome::PassedClaim);
    }
    Judgement::Report(told, station)
}
