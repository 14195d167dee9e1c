//! Distributions.

use std::time::Duration;

use crate::report::Figure;

/// The least of them at or below which so many in a thousand lie; by nearest rank.
pub(crate) fn quantile<T: Copy + Default>(sorted: &[T], per_mille: usize) -> T {
    let rank = (sorted.len() * per_mille).div_ceil(1_000).max(1);
    sorted
        .get(rank - 1)
        .or(sorted.last())
        .copied()
        .unwrap_or_default()
}

/// The value in the middle, the greater of two.
pub(crate) fn median(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// Median, p90, p99 and the worst, in milliseconds, beside a yardstick if there is one.
pub(crate) fn figures(what: &str, mut all: Vec<Duration>, yardstick: Option<Duration>) -> Vec<Figure> {
    all.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    [(500, "p50"), (900, "p90"), (990, "p99"), (1_000, "max")]
        .map(|(per_mille, name)| {
            let figure = format!("{what}, {name} of {}", all.len());
            let value = ms(quantile(&all, per_mille));
            match yardstick {
                Some(yardstick) => Figure::beside(figure, value, "ms", ms(yardstick)),
                None => Figure::alone(figure, value, "ms"),
            }
        })
        .into()
}
