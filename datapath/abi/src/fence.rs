//! The fence: a holder yields to a claim that beats its own binding before its user space has run, by leaving a
//! *tombstone* beside the entry. Whether the tombstone keeps the entry from being answered is judged anew for each frame,
//! against what user space last wrote of the binding: user space never has to take a tombstone away, and so can never
//! take away one that the kernel has just left.

use crate::{mac::MacAddress, order::Order};

/// What user space knows of the binding by which an entry is answered. Value of [`crate::names::HOLDS_V4`] and
/// [`crate::names::HOLDS_V6`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct HoldValue {
    /// The binding's order.
    pub order: Order,
    /// When the lease that names this node was last known to, `CLOCK_MONOTONIC` in nanoseconds: the moment its reading
    /// began. 0 for never.
    pub confirmed_ns: u64,
}

/// The claim to which an entry yielded last. Value of [`crate::names::TOMBSTONES_V4`] and
/// [`crate::names::TOMBSTONES_V6`]; all zeros while there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Tombstone {
    /// The order of the claim; the highest, if there were several.
    pub order: Order,
    /// When the last claim came in, `CLOCK_MONOTONIC` in nanoseconds; never 0.
    pub time_ns: u64,
    /// The claimant's hardware address.
    pub mac: MacAddress,
    /// Always zero; written out so that no byte of the value is indeterminate.
    pub pad: [u8; 2],
}

const _: () = assert!(size_of::<HoldValue>() == 16);
const _: () = assert!(size_of::<Tombstone>() == 24);

impl Tombstone {
    /// That no claim was yielded to. A value rather than an absence: the kernel's verifier refuses a program that computes
    /// with what an absent value would have been, as compilers do before they look.
    pub const NONE: Self = Self {
        order: Order { epoch: 0, rank: 0 },
        time_ns: 0,
        mac: MacAddress::ZERO,
        pad: [0; 2],
    };

    /// The tombstone to leave for a claim at `now_ns` where `before` is left already. The highest claimant is kept: a
    /// lower one that comes later does not make it go away.
    #[inline(always)]
    #[must_use]
    pub const fn of_claim(before: Self, order: Order, mac: MacAddress, now_ns: u64) -> Self {
        let time_ns = if now_ns == 0 { 1 } else { now_ns };
        if before.time_ns != 0 && before.order.beats(order) {
            Self { time_ns, ..before }
        } else {
            Self {
                order,
                time_ns,
                mac,
                pad: [0; 2],
            }
        }
    }

    /// Whether this keeps an entry from being answered. It does not if the entry's binding beats the claim, or was
    /// confirmed by a lease that was read after the claim. An entry of unknown binding yields.
    #[inline(always)]
    #[must_use]
    pub const fn stands(self, hold: HoldValue) -> bool {
        self.time_ns != 0 && !hold.order.beats(self.order) && hold.confirmed_ns <= self.time_ns
    }

    /// The value as it lies in the map.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&order_to_bytes(self.order));
        bytes[8..16].copy_from_slice(&self.time_ns.to_ne_bytes());
        bytes[16..22].copy_from_slice(&self.mac.0);
        bytes
    }

    /// The value that lies in the map as these bytes; none if no claim was yielded to.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 24]) -> Option<Self> {
        let [first, second, third] = words(bytes);
        let time_ns = u64::from_ne_bytes(second);
        (time_ns != 0).then_some(Self {
            order: order_from_bytes(first),
            time_ns,
            mac: MacAddress([third[0], third[1], third[2], third[3], third[4], third[5]]),
            pad: [0; 2],
        })
    }
}

impl HoldValue {
    /// Of an entry whose binding is not known: any claim beats it.
    pub const UNKNOWN: Self = Self {
        order: Order {
            epoch: 0,
            rank: u32::MAX,
        },
        confirmed_ns: 0,
    };

    /// The value as it lies in the map.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&order_to_bytes(self.order));
        bytes[8..].copy_from_slice(&self.confirmed_ns.to_ne_bytes());
        bytes
    }

    /// The value that lies in the map as these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 16]) -> Self {
        let [first, second] = words(bytes);
        Self {
            order: order_from_bytes(first),
            confirmed_ns: u64::from_ne_bytes(second),
        }
    }
}

fn order_to_bytes(order: Order) -> [u8; 8] {
    let (e, r) = (order.epoch.to_ne_bytes(), order.rank.to_ne_bytes());
    [e[0], e[1], e[2], e[3], r[0], r[1], r[2], r[3]]
}

pub(crate) fn order_from_bytes(word: [u8; 8]) -> Order {
    let (epoch, rank) = halves(word);
    Order { epoch, rank }
}

/// The two numbers in a word.
pub(crate) fn halves(word: [u8; 8]) -> (u32, u32) {
    let half = |at: usize| u32::from_ne_bytes([word[at], word[at + 1], word[at + 2], word[at + 3]]);
    (half(0), half(4))
}

pub(crate) fn words<const N: usize, const M: usize>(bytes: &[u8; N]) -> [[u8; 8]; M] {
    const { assert!(N == 8 * M) }
    core::array::from_fn(|word| core::array::from_fn(|at| bytes[8 * word + at]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLAIMANT: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);
    const OTHER: MacAddress = MacAddress([2, 0, 0, 0, 0, 3]);

    const fn order(epoch: u32, rank: u32) -> Order {
        Order { epoch, rank }
    }

    const fn hold(epoch: u32, confirmed_ns: u64) -> HoldValue {
        HoldValue {
            order: order(epoch, 0),
            confirmed_ns,
        }
    }

    #[test]
    fn a_higher_order_or_a_later_lease_ends_it() {
        let left = Tombstone::of_claim(Tombstone::NONE, order(5, 1), CLAIMANT, 1_000);
        assert!(left.stands(hold(4, 0)));
        assert!(left.stands(hold(4, 1_000)), "read before the claim was seen");
        assert!(!left.stands(hold(4, 1_001)));
        assert!(!left.stands(hold(5, 0)), "rank 0 of the same epoch beats rank 1");
        assert!(!left.stands(hold(6, 0)));
        assert!(left.stands(HoldValue::UNKNOWN));
        assert!(!Tombstone::NONE.stands(hold(4, 0)) && !Tombstone::NONE.stands(HoldValue::UNKNOWN));
    }

    #[test]
    fn the_highest_claimant_is_kept_and_the_last_time() {
        let first = Tombstone::of_claim(Tombstone::NONE, order(5, 0), CLAIMANT, 1_000);
        let second = Tombstone::of_claim(first, order(4, 0), OTHER, 2_000);
        assert_eq!(
            (second.order, second.mac, second.time_ns),
            (order(5, 0), CLAIMANT, 2_000)
        );
        let third = Tombstone::of_claim(second, order(6, 0), OTHER, 3_000);
        assert_eq!(
            (third.order, third.mac, third.time_ns),
            (order(6, 0), OTHER, 3_000)
        );
        assert_eq!(
            Tombstone::of_claim(Tombstone::NONE, order(5, 0), CLAIMANT, 0).time_ns,
            1,
            "0 is for none"
        );
    }

    proptest! {
        #[test]
        fn values_survive_the_map(epoch: u32, rank: u32, mac: [u8; 6], time in 1_u64.., confirmed_ns: u64) {
            let left = Tombstone::of_claim(Tombstone::NONE, order(epoch, rank), MacAddress(mac), time);
            prop_assert_eq!(Tombstone::from_bytes(&left.to_bytes()), Some(left));
            prop_assert_eq!(Tombstone::from_bytes(&[0; 24]), None);
            let hold = HoldValue { order: order(epoch, rank), confirmed_ns };
            prop_assert_eq!(HoldValue::from_bytes(&hold.to_bytes()), hold);
        }
    }
}
