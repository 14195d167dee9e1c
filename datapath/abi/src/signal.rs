//! What nodes tell each other inside ordinary frames, where nobody else looks: in the padding of an ARP frame (behind its
//! 42 bytes), and in an option of neighbour discovery messages that RFC 4727 §4.3 (option type 253) leaves to experiments.
//!
//! Both carry the same sixteen bytes after their own header.

use crate::order::Order;

/// How long a signal is.
pub const LEN: usize = 16;

/// The neighbour discovery option that carries a signal: RFC 4727 leaves it to experiments.
pub const NDP_OPTION: u8 = 253;

/// The option's length in units of eight octets: two of header, sixteen of signal, six of zeros.
pub const NDP_OPTION_UNITS: u8 = 3;

/// Begins every signal.
pub const MAGIC: [u8; 4] = *b"LSHP";

const CLAIM: u8 = 1;
const PROBE: u8 = 2;

/// What a frame is about, beside what everybody reads in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The sender answers for the address from now on, by a binding of this order: whoever has a lower one yields.
    Claim(Order),
    /// The sender only wants to know whether this is still answered. The answer is counted apart; the number comes back in
    /// the padding of an ARP reply.
    Probe(u32),
}

impl Signal {
    /// The bytes of a signal.
    #[inline(always)]
    #[must_use]
    pub const fn to_bytes(self) -> [u8; LEN] {
        let (kind, first, second) = match self {
            Self::Claim(order) => (CLAIM, order.epoch, order.rank),
            Self::Probe(number) => (PROBE, number, 0),
        };
        let (m, a, b) = (MAGIC, first.to_be_bytes(), second.to_be_bytes());
        [
            m[0], m[1], m[2], m[3], kind, 0, 0, 0, a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3],
        ]
    }

    /// The signal in these bytes, if they are one.
    #[inline(always)]
    #[must_use]
    pub const fn from_bytes(bytes: &[u8; LEN]) -> Option<Self> {
        Raw::of(bytes).signal()
    }
}

/// A signal as the program handles it: the same, with a value for every field whatever it is. The compiler computes with
/// the fields of a variant before it has looked which one it is, and the kernel's verifier refuses what was never written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Raw {
    kind: u8,
    first: u32,
    second: u32,
}

impl Raw {
    /// No signal.
    pub(crate) const NONE: Self = Self {
        kind: 0,
        first: 0,
        second: 0,
    };

    #[inline(always)]
    pub(crate) const fn of(bytes: &[u8; LEN]) -> Self {
        let magic =
            bytes[0] == MAGIC[0] && bytes[1] == MAGIC[1] && bytes[2] == MAGIC[2] && bytes[3] == MAGIC[3];
        if !magic {
            return Self::NONE;
        }
        Self {
            kind: bytes[4],
            first: u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
            second: u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]),
        }
    }

    #[inline(always)]
    pub(crate) const fn is_claim(self) -> bool {
        self.kind == CLAIM
    }

    #[inline(always)]
    pub(crate) const fn is_probe(self) -> bool {
        self.kind == PROBE
    }

    /// The order of a claim; of anything else a meaningless one.
    #[inline(always)]
    pub(crate) const fn order(self) -> Order {
        Order {
            epoch: self.first,
            rank: self.second,
        }
    }

    /// The signal, if this is one.
    pub(crate) const fn signal(self) -> Option<Signal> {
        match self.kind {
            CLAIM => Some(Signal::Claim(self.order())),
            PROBE => Some(Signal::Probe(self.first)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn signals_survive_the_wire(epoch: u32, rank: u32) {
            for signal in [Signal::Claim(Order { epoch, rank }), Signal::Probe(epoch)] {
                prop_assert_eq!(Signal::from_bytes(&signal.to_bytes()), Some(signal));
            }
        }

        #[test]
        fn other_bytes_are_no_signal(bytes: [u8; LEN]) {
            prop_assume!(bytes[..4] != MAGIC);
            prop_assert_eq!(Signal::from_bytes(&bytes), None);
        }
    }
}
