//! Many requests a second for many addresses, beside a program that only sends them back; and a node's other traffic meanwhile.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lightship_tests::segment::{
    NEAR, Segment,
    flood::{Flood, Rate, flood},
    replies, requests,
    responder::Responder,
    yardstick::Yardstick,
};

use crate::report::Figure;

/// What a busy segment with a broken client does at most.
const WANTED: u32 = 200_000;
const ADDRESSES: u32 = 4_000;
const WINDOW: Duration = Duration::from_secs(1);
const WINDOWS: u32 = 5;

pub(super) fn run(segment: &Segment) -> Result<Vec<Figure>> {
    let responder = Responder::hold(ADDRESSES)?;
    let frames = requests(responder.addresses());
    let bounced = replies(responder.addresses());
    let mut reflector = Yardstick::reflector()?;
    let mut beside = |rate| -> Result<(Flood, Flood)> {
        let link = reflector.attach(NEAR)?;
        let bare = segment.client.run(|| flood(&bounced, rate, WINDOW));
        reflector.detach(link)?;
        Ok((segment.client.run(|| flood(&frames, rate, WINDOW))?, bare?))
    };
    let mut figures = Vec::new();
    let (ours, bare) = sum(&mut beside, Rate::Unlimited)?;
    figures.extend(told("as fast as one sender can", &ours, &bare));
    let rate = if bare.rate() < f64::from(WANTED) {
        most(bare.rate())
    } else {
        WANTED
    };
    let before: u64 = responder.answered()?.values().sum();
    let (ours, bare) = sum(&mut beside, Rate::PerSecond(rate))?;
    figures.extend(told(&format!("{rate} a second"), &ours, &bare));
    let counted = responder.answered()?;
    let all: u64 = counted.values().sum();
    let least = counted
        .values()
        .min()
        .copied()
        .context("failed to find an entry")?;
    figures.push(Figure::beside(
        "answers counted in the map, beside the requests sent",
        count(all - before),
        "frames",
        count(ours.sent),
    ));
    figures.push(Figure::beside(
        "answers for the address with the fewest, beside the mean",
        count(least),
        "frames",
        count(all) / f64::from(ADDRESSES),
    ));
    Ok(figures)
}

/// Windows of ours and of the yardstick's in turn, each added up.
fn sum(beside: &mut impl FnMut(Rate) -> Result<(Flood, Flood)>, rate: Rate) -> Result<(Flood, Flood)> {
    let (mut ours, mut bare) = beside(rate)?;
    for _ in 1..WINDOWS {
        let (more_ours, more_bare) = beside(rate)?;
        ours = ours.and(more_ours);
        bare = bare.and(more_bare);
    }
    Ok((ours, bare))
}

fn told(what: &str, ours: &Flood, bare: &Flood) -> Vec<Figure> {
    let head = format!("load, {what}, {ADDRESSES} addresses");
    let processor = |flood: &Flood| flood.processor.as_secs_f64() * 1e9 / count(flood.sent);
    let share = |flood: &Flood| 100.0 * flood.processor.as_secs_f64() / flood.took.as_secs_f64();
    vec![
        Figure::beside(
            format!("{head}: requests a second"),
            ours.rate(),
            "frames/s",
            bare.rate(),
        ),
        Figure::beside(
            format!("{head}: answered, beside sent back by the reflector"),
            100.0 * ours.share(),
            "%",
            100.0 * bare.share(),
        ),
        Figure::beside(
            format!("{head}: processor time per request, the sender's included"),
            processor(ours),
            "ns",
            processor(bare),
        ),
        Figure::beside(
            format!("{head}: share of a processor"),
            share(ours),
            "%",
            share(bare),
        ),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "counts of frames")]
fn count(frames: u64) -> f64 {
    frames as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate below the wanted one"
)]
fn most(rate: f64) -> u32 {
    rate as u32
}
