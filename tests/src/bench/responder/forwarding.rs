//! What the program does to traffic that is not for it: TCP and small packets through the node, with and without it on the device
//! they come in by, in turn, on a connection that goes on; and TCP beside a load of requests, answered or only sent back.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use aya::programs::{LinkOrder, SchedClassifier, TcAttachType, tc::TcAttachOptions};
use lightship_tests::segment::{
    BACKEND, END, NEAR, Segment,
    flood::{Rate, flood},
    received, requests,
    responder::Responder,
    yardstick::Yardstick,
};

use crate::report::Figure;

const PAIRS: usize = 40;
const WINDOW: Duration = Duration::from_millis(200);
/// Pairs beside a load, and how many requests a second that is.
const LOADED_PAIRS: usize = 15;
const LOAD: u32 = 100_000;

/// Traffic through the node, for as long as the measuring takes.
#[derive(Clone, Copy)]
enum Traffic {
    /// One TCP connection that sends all it can; what counts is bytes.
    Tcp,
    /// Datagrams of 60 bytes on the wire, each as soon as the one before is sent; what counts is packets.
    Small,
}

pub(super) fn run(segment: &Segment) -> Result<Vec<Figure>> {
    let responder = Responder::hold(4_000)?;
    let mut figures = segment.with(Traffic::Tcp, || beside_load(segment, &responder))?;
    let mut program = responder.program()?;
    responder.detach()?;
    for traffic in [Traffic::Tcp, Traffic::Small] {
        figures.extend(segment.with(traffic, || by_the_way(segment, traffic, &mut program))?);
    }
    Ok(figures)
}

/// Traffic that only passes by the program, and by nothing.
fn by_the_way(segment: &Segment, traffic: Traffic, program: &mut SchedClassifier) -> Result<Vec<Figure>> {
    let quietly = || {
        thread::sleep(WINDOW);
        Ok(())
    };
    let mut pairs = Vec::new();
    for turn in 0..PAIRS {
        pairs.push(in_turn(turn, |program_is| {
            if program_is == Program::Absent {
                return segment.rate(traffic, quietly);
            }
            let options = TcAttachOptions::TcxOrder(LinkOrder::first());
            let link = program.attach_with_options(NEAR, TcAttachType::Ingress, options);
            let link = link.context("failed to attach the responder")?;
            let rate = segment.rate(traffic, quietly);
            program.detach(link).context("failed to detach the responder")?;
            rate
        })?);
    }
    let what = match traffic {
        Traffic::Tcp => "TCP through the node",
        Traffic::Small => "datagrams through the node",
    };
    Ok(compared(
        &format!("{what}, with the program beside without"),
        traffic,
        &pairs,
    ))
}

/// Traffic while the program answers many requests, and while they are only sent back.
fn beside_load(segment: &Segment, responder: &Responder) -> Result<Vec<Figure>> {
    let frames = requests(responder.addresses());
    let loaded = || {
        segment
            .client
            .run(|| flood(&frames, Rate::PerSecond(LOAD), WINDOW).map(drop))
    };
    let mut reflector = Yardstick::reflector()?;
    let mut pairs = Vec::new();
    for turn in 0..LOADED_PAIRS {
        pairs.push(in_turn(turn, |program_is| {
            if program_is == Program::Present {
                return segment.rate(Traffic::Tcp, loaded);
            }
            let link = reflector.attach(NEAR)?;
            let rate = segment.rate(Traffic::Tcp, loaded);
            reflector.detach(link)?;
            rate
        })?);
    }
    let what = format!("TCP beside {LOAD} requests a second, answered beside only sent back");
    Ok(compared(&what, Traffic::Tcp, &pairs))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
    Present,
    Absent,
}

/// What came through with the program, and without, in an order that changes from turn to turn.
fn in_turn(turn: usize, mut measure: impl FnMut(Program) -> Result<f64>) -> Result<(f64, f64)> {
    if turn.is_multiple_of(2) {
        let with = measure(Program::Present)?;
        return Ok((with, measure(Program::Absent)?));
    }
    let without = measure(Program::Absent)?;
    Ok((measure(Program::Present)?, without))
}

/// Means, and the difference within each pair with the interval that holds its mean at 95 %.
#[expect(clippy::cast_precision_loss, reason = "a number of pairs")]
fn compared(what: &str, traffic: Traffic, pairs: &[(f64, f64)]) -> Vec<Figure> {
    let count = pairs.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
    let (with, without): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let differences: Vec<f64> = pairs
        .iter()
        .map(|(with, without)| 100.0 * (with / without - 1.0))
        .collect();
    let middle = mean(&differences);
    let squares: f64 = differences.iter().map(|one| (one - middle).powi(2)).sum();
    // Student's t at 95 % for the numbers of pairs above, by the smaller of them.
    let reach = 2.14 * (squares / (count - 1.0) / count).sqrt();
    let unit = match traffic {
        Traffic::Tcp => "MB/s",
        Traffic::Small => "packets/s",
    };
    vec![
        Figure::beside(what, mean(&with), unit, mean(&without)),
        Figure::alone(
            format!("{what}: difference, mean of {} pairs", pairs.len()),
            middle,
            "%",
        ),
        Figure::alone(
            format!("{what}: difference, lower end of its 95 % interval"),
            middle - reach,
            "%",
        ),
        Figure::alone(
            format!("{what}: difference, upper end of its 95 % interval"),
            middle + reach,
            "%",
        ),
    ]
}

/// Measuring on a segment.
trait Measured {
    /// Runs `work` while the traffic flows.
    fn with<T>(&self, traffic: Traffic, work: impl FnOnce() -> Result<T>) -> Result<T>;

    /// How much of it reaches the backend in a second, during `work`.
    fn rate(&self, traffic: Traffic, work: impl FnOnce() -> Result<()>) -> Result<f64>;
}

impl Measured for Segment {
    fn with<T>(&self, traffic: Traffic, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let stop = AtomicBool::new(false);
        let at = SocketAddr::from((BACKEND, 5_001));
        let listening = match traffic {
            Traffic::Tcp => Some(
                self.backend
                    .run(|| TcpListener::bind(at).context("failed to listen"))?,
            ),
            Traffic::Small => None,
        };
        // Nobody reads it: the datagrams that find no room are counted like the others. It keeps the kernel from complaining.
        let _sink = self
            .backend
            .run(|| UdpSocket::bind(at).context("failed to bind a socket"))?;
        thread::scope(|scope| {
            let reader = listening.map(|listening| scope.spawn(move || swallow(&listening)));
            let sender = scope.spawn(|| self.client.run(|| send(traffic, at, &stop)));
            let done = work();
            stop.store(true, Ordering::Relaxed);
            for thread in reader.into_iter().chain([sender]) {
                thread
                    .join()
                    .unwrap_or_else(|_| bail!("failed to go on sending; see the messages above"))?;
            }
            done
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "counts")]
    fn rate(&self, traffic: Traffic, work: impl FnOnce() -> Result<()>) -> Result<f64> {
        // What was on its way when the program changed is not counted.
        thread::sleep(WINDOW / 10);
        let now = || self.backend.run(|| received(END));
        let (before, start) = (now()?, Instant::now());
        work()?;
        let (after, took) = (now()?, start.elapsed().as_secs_f64());
        Ok(match traffic {
            Traffic::Tcp => (after.bytes - before.bytes) as f64 / 1e6 / took,
            Traffic::Small => (after.packets - before.packets) as f64 / took,
        })
    }
}

fn swallow(listening: &TcpListener) -> Result<()> {
    let (mut stream, _) = listening.accept().context("failed to accept a connection")?;
    let mut buffer = vec![0; 1 << 18];
    while stream.read(&mut buffer).context("failed to read")? > 0 {}
    Ok(())
}

fn send(traffic: Traffic, to: SocketAddr, stop: &AtomicBool) -> Result<()> {
    match traffic {
        Traffic::Tcp => {
            let mut stream = TcpStream::connect(to).context("failed to connect through the node")?;
            let data = vec![0x5a; 1 << 18];
            while !stop.load(Ordering::Relaxed) {
                stream.write_all(&data).context("failed to write")?;
            }
            stream.shutdown(Shutdown::Both).context("failed to close")
        }
        Traffic::Small => {
            let socket = UdpSocket::bind("0.0.0.0:0").context("failed to bind a socket")?;
            socket.connect(to).context("failed to address a socket")?;
            while !stop.load(Ordering::Relaxed) {
                // One that finds no room is lost, as packets are.
                let _ = socket.send(&[0; 18]);
            }
            Ok(())
        }
    }
}
