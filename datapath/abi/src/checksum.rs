//! The Internet checksum (RFC 1071).

/// A sum of 16-bit words that has not been folded yet. Holds what any one frame can add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u32);

impl Sum {
    /// Adds the words of `N` octets, `N` being even.
    #[inline(always)]
    #[must_use]
    pub fn with<const N: usize>(self, octets: &[u8; N]) -> Self {
        const { assert!(N.is_multiple_of(2)) }
        let mut sum = self.0;
        let mut at = 0;
        while at + 1 < N {
            sum += u32::from(u16::from_be_bytes([octets[at], octets[at + 1]]));
            at += 2;
        }
        Self(sum)
    }

    /// Adds one word.
    #[inline(always)]
    #[must_use]
    pub fn with_word(self, word: u16) -> Self {
        Self(self.0 + u32::from(word))
    }

    /// The checksum to write where zero was summed.
    #[inline(always)]
    #[must_use]
    pub fn checksum(self) -> u16 {
        !self.folded()
    }

    /// Whether what was summed, its checksum included, arrived as it was sent.
    #[inline(always)]
    #[must_use]
    pub fn is_intact(self) -> bool {
        self.folded() == 0xffff
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "two folds leave 16 bits")]
    fn folded(self) -> u16 {
        let once = (self.0 >> 16) + (self.0 & 0xffff);
        ((once >> 16) + (once & 0xffff)) as u16
    }
}

/// The checksum after a word that it covers changed (RFC 1624 §3, equation 3). A checksum that was wrong stays wrong.
#[inline(always)]
#[must_use]
pub fn updated(checksum: u16, before: u16, after: u16) -> u16 {
    Sum(0)
        .with_word(!checksum)
        .with_word(!before)
        .with_word(after)
        .checksum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_1071() {
        let sum = Sum::default().with(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.folded(), 0xddf2);
        assert!(sum.with_word(sum.checksum()).is_intact());
    }

    #[test]
    fn a_carry_of_a_carry_is_folded_too() {
        assert_eq!(Sum(0x1_ffff).folded(), 1);
    }

    proptest! {
        #[test]
        fn an_update_is_a_sum_anew(mut octets: [u8; 32], after: u16) {
            let before = u16::from_be_bytes([octets[0], octets[1]]);
            let checksum = Sum::default().with(&octets).checksum();
            octets[..2].copy_from_slice(&after.to_be_bytes());
            // Zero has two forms in one's complement: what counts is that the receiver finds the frame intact.
            prop_assert!(Sum::default().with(&octets).with_word(updated(checksum, before, after)).is_intact()
                || octets == [0; 32]);
        }
    }
}
