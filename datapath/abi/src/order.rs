//! The order of bindings of one address: which of two nodes that both believe to hold it is the one that does.

/// A binding's place in the order. It never decreases for an address while its lease lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct Order {
    /// `leaseTransitions` of the primary lease; a claim made without the API uses the next one.
    pub epoch: u32,
    /// 0 for the holder that the lease names; for a claim made without the API the claimant's place among the standbys,
    /// from 1.
    pub rank: u32,
}

impl Order {
    /// The order of the holder that the lease names.
    #[inline(always)]
    #[must_use]
    pub const fn of_holder(epoch: u32) -> Self {
        Self { epoch, rank: 0 }
    }

    /// Whether whoever has `other` yields to this: the later epoch, then the lower rank.
    #[inline(always)]
    #[must_use]
    pub const fn beats(self, other: Self) -> bool {
        self.epoch > other.epoch || (self.epoch == other.epoch && self.rank < other.rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_epochs_then_lower_ranks() {
        let order = |epoch, rank| Order { epoch, rank };
        assert!(order(2, 2).beats(order(1, 0)));
        assert!(order(2, 0).beats(order(2, 1)));
        assert!(!order(2, 1).beats(order(2, 1)), "nobody yields to itself");
        assert!(!order(1, 0).beats(order(2, 2)));
    }
}
