//! Distributions.

use std::time::Duration;

use crate::report::Figure;

/// A part of them all at or below which the share lies; by nearest rank.
pub(crate) fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted
        .get(rank - 1)
        .or(sorted.last())
        .copied()
        .unwrap_or_default()
}

/// Median, p90, p99 and the worst, in milliseconds, beside a yardstick if there is one.
pub(crate) fn figures(what: &str, mut all: Vec<Duration>, yardstick: Option<Duration>) -> Vec<Figure> {
    all.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    [(50, "p50"), (90, "p90"), (99, "p99"), (100, "max")]
        .map(|(percent, name)| {
            let figure = format!("{what}, {name} of {}", all.len());
            let value = ms(quantile(&all, percent));
            match yardstick {
                Some(yardstick) => Figure::beside(figure, value, "ms", ms(yardstick)),
                None => Figure::alone(figure, value, "ms"),
            }
        })
        .into()
}
