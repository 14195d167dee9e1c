//! Waiting for a condition instead of sleeping.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};

/// Short against anything a person notices, long against starting a process, which most conditions do.
const INTERVAL: Duration = Duration::from_millis(40);

/// Polls `check` until it succeeds and returns what it found. A failed check is an observation, not an error: the last
/// one is reported when the time is up, so that a failed wait says what was seen instead.
pub fn eventually<T>(what: &str, timeout: Duration, mut check: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        match check() {
            Ok(found) => return Ok(found),
            Err(seen) if start.elapsed() >= timeout => {
                return Err(anyhow!(
                    "failed to see {what} within {:.1} s; last seen: {seen:#}",
                    timeout.as_secs_f64()
                ));
            }
            Err(_) => thread::sleep(INTERVAL),
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::*;

    #[test]
    fn returns_what_was_found() {
        let mut tries = 0;
        let found = eventually("three tries", Duration::from_secs(5), || {
            tries += 1;
            ensure!(tries == 3, "{tries} tries");
            Ok(tries)
        });
        assert_eq!(found.unwrap(), 3);
    }

    #[test]
    fn reports_the_last_observation() {
        let failed = eventually::<()>("a lamp", Duration::ZERO, || Err(anyhow!("darkness")));
        let message = failed.unwrap_err().to_string();
        assert_eq!(message, "failed to see a lamp within 0.0 s; last seen: darkness");
    }
}
