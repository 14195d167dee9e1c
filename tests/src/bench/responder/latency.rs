//! From request to reply on a cable, asked back to back: an address that is held against one that the kernel itself owns, behind
//! a cable of the same kind without the responder, in turn; and for the least there can be, a program that only sends back.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{
    client::{frames, packets::Packets},
    segment::{
        self, FAR, FAR_OF_MIRROR, FAR_OF_OWN, MIRROR, OWN6, Segment,
        responder::{Responder, V6},
        yardstick::Yardstick,
    },
};

use crate::{report::Figure, spread};

/// Questions to each side, and how many go before them.
const QUESTIONS: usize = 100_000;
const WARMING: usize = 1_000;

/// After which an answer counts as lost.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn run(segment: &Segment) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut mirror = Yardstick::reflector()?;
    let _link = mirror.attach(MIRROR)?;
    let mut measure = |what: &str, held: &[IpAddr], own: &[IpAddr]| -> Result<()> {
        figures.extend(segment.client.run(|| compare(what, held, own))?);
        Ok(())
    };
    let one = Responder::hold(1)?;
    let (v4, of_kernel) = (one.addresses(), segment::own(1)?);
    one.with_agent(|| measure("ARP, idle", v4, &of_kernel))?;
    one.with_agent(|| measure("NDP, idle", &[V6.into()], &[OWN6.parse()?]))?;
    measure("ARP, no agent for as long as the gate allows", v4, &of_kernel)?;
    one.with_agent(|| saturated(|| measure("ARP, every processor saturated", v4, &of_kernel)))?;
    for count in [4_000, 60_000] {
        let (many, of_kernel) = (Responder::hold(count)?, segment::own(count)?);
        let what = format!("ARP, {count} entries asked in turn, beside as many of the kernel's");
        many.with_agent(|| measure(&what, many.addresses(), &of_kernel))?;
    }
    Ok(figures)
}

/// Keeps every processor busy until `work` is done.
fn saturated<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let done = AtomicBool::new(false);
    let processors = thread::available_parallelism().context("failed to count the processors")?;
    thread::scope(|scope| {
        for _ in 0..processors.get() {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let result = work();
        done.store(true, Ordering::Relaxed);
        result
    })
}

fn compare(what: &str, held: &[IpAddr], own: &[IpAddr]) -> Result<Vec<Figure>> {
    let is_v6 = held.iter().any(IpAddr::is_ipv6);
    let ethertype = if is_v6 { frames::IPV6 } else { frames::ARP };
    let mut askers = vec![
        Asker::new(FAR, ethertype, segment::requests(held))?,
        Asker::new(FAR_OF_OWN, ethertype, segment::requests(own))?,
    ];
    if !is_v6 {
        askers.push(Asker::new(FAR_OF_MIRROR, ethertype, segment::replies(held))?);
    }
    let mut taken = vec![Vec::with_capacity(QUESTIONS); askers.len()];
    // The first questions make neighbours known and caches warm.
    for turn in 0..QUESTIONS + WARMING {
        for step in 0..askers.len() {
            let which = (turn + step) % askers.len();
            let took = askers[which].ask(turn)?;
            if turn >= WARMING {
                taken[which].push(took);
            }
        }
    }
    for all in &mut taken {
        all.sort_unstable();
    }
    let at = |which: usize, per_mille| {
        let all = taken.get(which)?;
        Some(spread::quantile(all, per_mille).as_secs_f64() * 1e6)
    };
    let figures = [(500, "p50"), (990, "p99"), (999, "p99.9")].map(|(per_mille, label)| {
        let (ours, kernel) = at(0, per_mille).zip(at(1, per_mille)).unwrap_or_default();
        let figure = Figure::beside(format!("{what}: request to reply, {label}"), ours, "us", kernel);
        let least = at(2, per_mille)
            .map(|least| Figure::beside(format!("{what}: only sent back, {label}"), least, "us", kernel));
        [Some(figure), least]
    });
    Ok(figures.into_iter().flatten().flatten().collect())
}

/// Asks one question at a time.
struct Asker {
    packets: Packets,
    questions: Vec<Vec<u8>>,
}

impl Asker {
    fn new(device: &str, ethertype: u16, questions: Vec<Vec<u8>>) -> Result<Self> {
        let packets = Packets::here(device, ethertype)?;
        Ok(Self { packets, questions })
    }

    /// How long the answer takes to come. Nobody else talks on the cable, so whatever comes is the answer.
    fn ask(&self, turn: usize) -> Result<Duration> {
        let mut buffer = [0; 128];
        let question = &self.questions[turn % self.questions.len()];
        let start = Instant::now();
        self.packets.send(question)?;
        while self.packets.next(&mut buffer)?.is_none() {
            ensure!(
                start.elapsed() < PATIENCE,
                "failed to get an answer to question {turn}"
            );
        }
        Ok(start.elapsed())
    }
}
