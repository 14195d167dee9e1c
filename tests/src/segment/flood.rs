//! Many frames, as fast as wanted or as they go.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::time::{ClockId, clock_gettime};

use super::{FAR, received};
use crate::client::packets::Packets;

/// No protocol: a socket that only sends receives nothing.
const NOTHING: u16 = 0;

/// How fast frames are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// So many in a second.
    PerSecond(u32),
    /// Each as soon as the one before is sent.
    Unlimited,
}

/// What became of a flood.
#[derive(Debug, Clone, Copy)]
pub struct Flood {
    /// Frames sent.
    pub sent: u64,
    /// Frames that came back.
    pub returned: u64,
    /// How long it took.
    pub took: Duration,
    /// Processor time of the sending thread: on a cable inside one machine, all that the frames took on their way as well.
    pub processor: Duration,
}

impl Flood {
    /// Frames sent in a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of frames")]
    pub fn rate(&self) -> f64 {
        self.sent as f64 / self.took.as_secs_f64()
    }

    /// With another one behind it.
    #[must_use]
    pub fn and(&self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            returned: self.returned + other.returned,
            took: self.took + other.took,
            processor: self.processor + other.processor,
        }
    }

    /// The share of frames that came back.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of frames")]
    pub fn share(&self) -> f64 {
        self.returned as f64 / self.sent as f64
    }
}

/// Sends the frames in turn, over and over, from the client's end of the cable, in whose network the calling thread is.
pub fn flood(frames: &[Vec<u8>], rate: Rate, within: Duration) -> Result<Flood> {
    let packets = Packets::here(FAR, NOTHING)?;
    let before = received(FAR)?.packets;
    let (start, processor) = (Instant::now(), processor_time()?);
    let mut sent = 0_u64;
    let mut turn = frames.iter().cycle();
    let mut go_on = |count: u64| -> Result<()> {
        for frame in turn.by_ref().take(usize::try_from(count)?) {
            packets.send(frame)?;
        }
        Ok(())
    };
    loop {
        let elapsed = start.elapsed();
        if elapsed >= within {
            break;
        }
        let count = match rate {
            Rate::Unlimited => 64,
            Rate::PerSecond(rate) => due(rate, elapsed).saturating_sub(sent),
        };
        go_on(count)?;
        sent += count;
        if matches!(rate, Rate::PerSecond(_)) {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    let (took, processor) = (start.elapsed(), processor_time()?.saturating_sub(processor));
    let returned = settled(before)?;
    Ok(Flood {
        sent,
        returned,
        took,
        processor,
    })
}

fn due(rate: u32, elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_nanos() * u128::from(rate) / 1_000_000_000).unwrap_or(u64::MAX)
}

/// What came back, once nothing more does; other traffic may go on and on.
fn settled(before: u64) -> Result<u64> {
    let mut last = received(FAR)?.packets;
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(10));
        let now = received(FAR)?.packets;
        if now == last {
            break;
        }
        last = now;
    }
    Ok(last - before)
}

fn processor_time() -> Result<Duration> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).context("failed to read a thread's clock")?;
    Ok(time.into())
}
