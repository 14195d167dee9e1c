//! Nanoseconds a frame, by `BPF_PROG_TEST_RUN`, beside a program that returns at once.

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions};
use lightship_tests::{
    client::frames,
    segment::{
        FAR_MAC, Segment,
        responder::{Responder, V6, addresses},
        yardstick::Yardstick,
    },
};

use crate::{report::Figure, spread};

/// What a frame comes to.
const NEXT: u32 = u32::MAX;
const REDIRECT: u32 = 7;

/// Frames that pass are run in blocks of this many, as each run finds the frame as it was.
const BLOCK: u32 = 200_000;
const BLOCKS: u32 = 40;

/// A processor that was idle is slower at first, and the first frame would pay for that: so many blocks before it.
const WARM_UP: u32 = 1_000;

/// Frames that are answered are run one by one, for a second run would find the answer.
const SINGLES: u32 = 20_000;

pub(super) fn run(_: &Segment) -> Result<Vec<Figure>> {
    let responder = Responder::hold(4_000)?;
    let ours = responder.program()?;
    let mut yardstick = Yardstick::empty()?;
    let empty = yardstick.program()?;
    let mut figures = Vec::new();
    for _ in 0..WARM_UP {
        time(empty, &passed()[0].1, BLOCK)?;
    }
    for (name, frame) in passed() {
        ensure!(verdict(&ours, &frame)? == NEXT, "{name} does not pass");
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..BLOCKS {
            without.push(time(empty, &frame, BLOCK)?);
            with.push(time(&ours, &frame, BLOCK)?);
        }
        figures.extend(compared(&format!("{name}, in blocks"), with, without));
    }
    for (name, frame) in answered() {
        ensure!(verdict(&ours, &frame)? == REDIRECT, "{name} is not answered");
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..SINGLES {
            without.push(time(empty, &frame, 1)?);
            with.push(time(&ours, &frame, 1)?);
        }
        figures.extend(compared(&format!("{name}, one by one"), with, without));
    }
    Ok(figures)
}

/// Median and spread beside the empty program's.
fn compared(name: &str, mut with: Vec<u32>, mut without: Vec<u32>) -> Vec<Figure> {
    with.sort_unstable();
    without.sort_unstable();
    let at = |sorted: &[u32], per_mille| f64::from(spread::quantile(sorted, per_mille));
    let figure = |per_mille: usize, label: &str| {
        Figure::beside(
            format!("{name}, {label}"),
            at(&with, per_mille),
            "ns",
            at(&without, per_mille),
        )
    };
    let more = at(&with, 500) - at(&without, 500);
    vec![
        figure(500, "median"),
        figure(100, "p10"),
        figure(900, "p90"),
        Figure::alone(format!("{name}, more than an empty program"), more, "ns"),
    ]
}

fn time(program: &SchedClassifier, frame: &[u8], repeat: u32) -> Result<u32> {
    let options = TestRunOptions {
        data_in: Some(frame),
        repeat,
        ..TestRunOptions::default()
    };
    let ran = program.test_run(options).context("failed to run a program")?;
    Ok(u32::try_from(ran.duration.as_nanos())?)
}

fn verdict(program: &SchedClassifier, frame: &[u8]) -> Result<u32> {
    let options = TestRunOptions {
        data_in: Some(frame),
        ..TestRunOptions::default()
    };
    Ok(program
        .test_run(options)
        .context("failed to run a program")?
        .return_value)
}

fn passed() -> Vec<(&'static str, Vec<u8>)> {
    let other = IpAddr::from([10, 65, 0, 1]);
    let ask = |address| frames::question(FAR_MAC, address, 0);
    let mut reply = ask(other);
    reply[21] = 2;
    let mut gratuitous = ask(other);
    gratuitous.copy_within(38..42, 28);
    let mut probe = ask(other);
    probe[28..32].fill(0);
    let mut advertisement = ask([0x2004, 0, 0, 9, 0, 0, 0, 9].into());
    advertisement[54] = 136;
    vec![
        ("unrelated TCP over IPv4", tcp_v4()),
        ("unrelated TCP over IPv6", tcp_v6()),
        (
            "another Ethernet type",
            [&[0; 12][..], &[0x88, 0x47], &[0; 80]].concat(),
        ),
        ("unrelated ARP request", ask(other)),
        ("unrelated ARP reply", reply),
        ("unrelated gratuitous ARP", gratuitous),
        ("unrelated ARP probe", probe),
        (
            "unrelated solicitation",
            ask([0x2004, 0, 0, 9, 0, 0, 0, 9].into()),
        ),
        ("unrelated advertisement", advertisement),
    ]
}

fn answered() -> Vec<(&'static str, Vec<u8>)> {
    let held = addresses(1)
        .into_iter()
        .map(|address| ("answered ARP request", address));
    let both = held.chain([("answered solicitation", V6.into())]);
    both.map(|(name, address)| (name, frames::question(FAR_MAC, address, 0)))
        .collect()
}

fn tcp_v4() -> Vec<u8> {
    let mut frame = vec![0; 14 + 20 + 20 + 40];
    (frame[12], frame[14], frame[23]) = (8, 0x45, 6);
    frame
}

fn tcp_v6() -> Vec<u8> {
    let mut frame = vec![0; 14 + 40 + 20 + 40];
    frame[12..15].copy_from_slice(&[0x86, 0xdd, 0x60]);
    frame[20] = 6;
    frame
}
