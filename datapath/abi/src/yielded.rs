//! Flags by which the program tells in a nanosecond or two that an IPv4 entry never yielded, which hardly any ever did: it
//! looks for a tombstone only where a flag is up. A flag stands for eight neighbouring addresses, for it is as quickly
//! asked and takes an eighth of the cache. One too many costs a look-up; one too few would break the fence, so while they
//! are not known to be in step with the tombstones the program does not go by them.

/// How many flags there are.
pub const FLAGS: u32 = 65_536 / 8;

/// How many slots [`crate::names::YIELDED_V4`] has: the flags, and [`STATE`].
pub const SLOTS: u32 = FLAGS + 1;

/// The slot that says whether the flags are in step: [`IN_STEP`], or 0 for not.
pub const STATE: u32 = FLAGS;

/// The flags are in step with the tombstones.
pub const IN_STEP: u64 = 1;

/// A flag that is up; one that is not is 0.
pub const UP: u64 = 1;

/// The slot of an address's flag: by its last two octets.
#[inline(always)]
#[must_use]
pub const fn slot([_, _, third, fourth]: [u8; 4]) -> u32 {
    u16::from_be_bytes([third, fourth]) as u32 / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_a_flag_and_none_is_the_state() {
        assert_eq!(slot([10, 0, 10, 8]), slot([10, 9, 10, 15]));
        assert_ne!(slot([10, 0, 10, 8]), slot([10, 0, 10, 16]));
        assert_ne!(slot([10, 0, 10, 8]), slot([10, 0, 11, 8]));
        assert_eq!(slot([255; 4]), FLAGS - 1);
        const { assert!(STATE < SLOTS) };
    }
}
