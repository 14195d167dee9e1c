//! A bitmap of the last two octets of the addresses of IPv4 entries, by which the program tells in a nanosecond or two that
//! the sender of an ARP frame is nobody of ours. A bit too many costs a look-up; one too few would hide a conflict, so
//! user space sets it before it makes the entry, and takes none away while the program may need it.

/// How many words of 64 bits the bitmap has: a bit for each value of two octets.
pub const WORDS: u32 = 65_536 / 64;

/// Where the bit of an address is: the word, and the bit in it.
#[inline(always)]
#[must_use]
pub const fn place([_, _, third, fourth]: [u8; 4]) -> (u32, u64) {
    let suffix = u16::from_be_bytes([third, fourth]);
    (suffix as u32 / 64, 1 << (suffix % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_suffix_has_a_bit_of_its_own() {
        let places: BTreeSet<_> = (0..=u16::MAX)
            .map(|suffix| {
                let [third, fourth] = suffix.to_be_bytes();
                place([10, 0, third, fourth])
            })
            .collect();
        assert_eq!(places.len(), 65_536);
        assert!(
            places
                .iter()
                .all(|(word, bit)| *word < WORDS && bit.is_power_of_two())
        );
    }
}
