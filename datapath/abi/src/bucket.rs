//! The token bucket that limits echo replies, one for each processor. A token is the time it takes to earn it, so the
//! bucket is one instant and nothing overflows.

/// How many echo replies a processor sends in a second, on average.
pub const PER_SECOND: u64 = 1_000;

/// How many it sends at once after a quiet time.
pub const BURST: u64 = 1_000;

const COST_NS: u64 = 1_000_000_000 / PER_SECOND;
const DEPTH_NS: u64 = BURST * COST_NS;

/// Takes a token at `now_ns` from a bucket that would have been empty at `empty_at_ns`; what the bucket then holds in the
/// same terms, or none if it is empty. A fresh bucket, 0, is full.
#[inline(always)]
#[must_use]
pub const fn take(empty_at_ns: u64, now_ns: u64) -> Option<u64> {
    let full = now_ns.saturating_sub(DEPTH_NS);
    let held = if empty_at_ns < full { full } else { empty_at_ns };
    let after = held.saturating_add(COST_NS);
    if after > now_ns { None } else { Some(after) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_then_the_rate() {
        let now = 3_600_000_000_000;
        let mut bucket = 0;
        for _ in 0..BURST {
            bucket = take(bucket, now).expect("a token");
        }
        assert_eq!(take(bucket, now), None);
        assert_eq!(take(bucket, now + COST_NS - 1), None);
        assert!(take(bucket, now + COST_NS).is_some());
    }

    proptest! {
        #[test]
        fn never_more_than_burst_and_rate(pauses in prop::collection::vec(0..5_000_000_u64, 1..3_000)) {
            let began = 1_u64 << 40;
            let (mut now, mut bucket, mut granted) = (began, 0, 0_u64);
            for pause in pauses {
                now += pause;
                if let Some(after) = take(bucket, now) {
                    bucket = after;
                    granted += 1;
                }
            }
            prop_assert!(granted <= BURST + (now - began) / COST_NS);
        }
    }
}
