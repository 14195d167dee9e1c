//! Durations as Go writes them, which is how Cilium's flags take them: `15s`, `500ms`, `1m30s`.

use std::time::Duration;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a duration such as 15s, 500ms or 1m30s (units: ns, us, ms, s, m, h)")]
pub(crate) struct BadDuration;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadInterval {
    #[error(transparent)]
    Unreadable(#[from] BadDuration),
    #[error("expected at least 1s")]
    TooShort,
}

/// Units and their nanoseconds, in the order they are tried: `ms` before `m`.
const UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration: numbers with a unit each, one after the other. `0` needs no unit; nothing may be negative.
pub(crate) fn parse(text: &str) -> Result<Duration, BadDuration> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(BadDuration);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or(BadDuration)?;
        let (number, tail) = rest.split_at(end);
        let (unit, nanoseconds) = UNITS
            .iter()
            .find(|(unit, _)| tail.starts_with(unit))
            .ok_or(BadDuration)?;
        total = total
            .checked_add(part(number, *nanoseconds)?)
            .ok_or(BadDuration)?;
        rest = &tail[unit.len()..];
    }
    Ok(total)
}

/// Reads the pause between two rounds of something that is not to be done all the time.
pub(crate) fn parse_at_least_a_second(text: &str) -> Result<Duration, BadInterval> {
    match parse(text)? {
        short if short < Duration::from_secs(1) => Err(BadInterval::TooShort),
        interval => Ok(interval),
    }
}

/// A decimal number of units. Digits finer than a nanosecond are dropped.
fn part(number: &str, nanoseconds: u64) -> Result<Duration, BadDuration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(BadDuration);
    }
    let digits = |text: &str| {
        if text.is_empty() {
            Ok(0)
        } else {
            text.parse::<u64>()
        }
    };
    // Twelve digits are finer than any unit needs and keep the product within 64 bits times a small factor.
    let fraction = &fraction[..fraction.len().min(12)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| BadDuration)?);
    let whole = digits(whole)
        .map_err(|_| BadDuration)?
        .checked_mul(nanoseconds)
        .ok_or(BadDuration)?;
    let below = u128::from(digits(fraction).map_err(|_| BadDuration)?) * u128::from(nanoseconds) / scale;
    let below = u64::try_from(below).map_err(|_| BadDuration)?;
    Ok(Duration::from_nanos(whole.checked_add(below).ok_or(BadDuration)?))
}

/// The shortest text that [`parse`] reads back: `1m30s`, `500ms`, `0s`.
pub(crate) fn format(duration: Duration) -> String {
    if duration.is_zero() {
        return "0s".to_owned();
    }
    let mut left = duration.as_nanos();
    let parts = UNITS.iter().rev().map(|(unit, nanoseconds)| {
        let count = left / u128::from(*nanoseconds);
        left %= u128::from(*nanoseconds);
        if count > 0 {
            format!("{count}{unit}")
        } else {
            String::new()
        }
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        let cases = [
            ("15s", 15_000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            ("0", 0),
            ("2h", 7_200_000),
            (".5s", 500),
            ("1000us", 1),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in [
            "",
            "15",
            "s",
            "-5s",
            "5 s",
            "5x",
            "1m30",
            ".s",
            "1.2.3s",
            "99999999999999999999s",
            "5h99999999999h",
        ] {
            assert_eq!(parse(text), Err(BadDuration), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["15s", "500ms", "1m30s", "1h", "2m1ms", "0s"] {
            assert_eq!(parse(text).map(format), Ok(text.to_owned()));
        }
    }
}
