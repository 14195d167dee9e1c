//! A frame as it is printed.

use std::time::Duration;

use jiff::Timestamp;
use lightship_datapath::trace::{FrameKind, Sighting};
use lightship_datapath::{MacAddress, Outcome, Signal, monotonic_ns};
use serde::Serialize;

use super::reason::{self, Verdict};

#[derive(Debug, Serialize)]
pub(super) struct Line {
    time: String,
    interface: String,
    frame: &'static str,
    /// The station that sent it.
    from: String,
    /// The address its sender says to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<String>,
    /// The station or group that it was sent to.
    to: String,
    length: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<String>,
    verdict: Verdict,
    outcome: &'static str,
    reason: &'static str,
}

/// Wide enough for what is usual; what is longer pushes the rest to the right.
const WIDTHS: [usize; 6] = [15, 9, 20, 17, 15, 8];

impl Line {
    pub(super) fn of(sighting: &Sighting) -> Self {
        let (frame, interface) = (&sighting.frame, sighting.interface);
        let (verdict, reason) = reason::of(sighting.outcome);
        Self {
            time: time_of(sighting.time_ns),
            interface: interface.name().unwrap_or_else(|| interface.to_string()),
            frame: name(frame.kind),
            from: frame.from.to_string(),
            sender: frame.sender.map(|address| address.to_string()),
            to: station(frame.to),
            length: frame.length,
            signal: frame.signal.map(signal),
            verdict,
            outcome: sighting.outcome.map_or("unknown", Outcome::label),
            reason,
        }
    }

    pub(super) fn columns(&self) -> String {
        let sender = self.sender.as_deref().unwrap_or("-");
        // Of the time of day a person sees the part that changes.
        let time = self.time.get(11..26).unwrap_or(&self.time);
        let cells = [
            time,
            &self.interface,
            self.frame,
            &self.from,
            sender,
            self.verdict.word(),
        ];
        let signal = self
            .signal
            .as_ref()
            .map_or_else(String::new, |signal| format!(" ({signal})"));
        row(cells, &format!("{}{signal}", self.reason))
    }
}

pub(super) fn headings() -> String {
    row(
        ["TIME (UTC)", "INTERFACE", "FRAME", "FROM", "SENDER", "VERDICT"],
        "WHY",
    )
}

fn row(cells: [&str; 6], last: &str) -> String {
    let padded = cells
        .iter()
        .zip(WIDTHS)
        .map(|(cell, width)| format!("{cell:width$}   "));
    padded.collect::<String>() + last + "\n"
}

/// The wall clock's time of a moment of the kernel's, to the microsecond.
fn time_of(kernel_ns: u64) -> String {
    let ago = Duration::from_nanos(monotonic_ns().saturating_sub(kernel_ns));
    let moment = Timestamp::now().checked_sub(ago).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{moment:.6}")
}

fn station(mac: MacAddress) -> String {
    if mac == MacAddress::BROADCAST {
        "everybody".to_owned()
    } else {
        mac.to_string()
    }
}

fn signal(signal: Signal) -> String {
    match signal {
        Signal::Claim(order) => format!("claim of epoch {}, rank {}", order.epoch, order.rank),
        Signal::Probe(number) => format!("probe {number}"),
    }
}

fn name(kind: FrameKind) -> &'static str {
    match kind {
        FrameKind::ArpRequest => "ARP request",
        FrameKind::ArpProbe => "ARP probe",
        FrameKind::GratuitousArp => "gratuitous ARP",
        FrameKind::ArpReply => "ARP reply",
        FrameKind::OtherArp => "ARP (other)",
        FrameKind::Solicitation => "neighbor solicit",
        FrameKind::DuplicateProbe => "duplicate address?",
        FrameKind::Advertisement => "neighbor advert",
        FrameKind::Ping => "ping",
        FrameKind::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use lightship_datapath::trace::Frame;
    use lightship_datapath::{InterfaceIndex, Order};

    use super::*;

    const ORDER: Order = Order { epoch: 7, rank: 0 };

    #[test]
    fn a_frame_is_one_line_that_says_why() {
        let line = Line::of(&Sighting {
            time_ns: monotonic_ns(),
            interface: InterfaceIndex(4_000_000),
            outcome: Some(Outcome::PassedConflict),
            frame: Frame {
                kind: FrameKind::GratuitousArp,
                from: MacAddress([2, 0, 0, 0, 0, 9]),
                to: MacAddress::BROADCAST,
                sender: Some([10, 0, 10, 0].into()),
                signal: Some(Signal::Claim(ORDER)),
                length: 60,
            },
        });
        let text = line.columns();
        for part in [
            "gratuitous ARP",
            "02:00:00:00:00:09",
            "10.0.10.0",
            "passed",
            "another station says to have the address",
            "(claim of epoch 7, rank 0)",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(text.lines().count(), 1);
        assert_eq!(text.find("passed"), headings().find("VERDICT"), "columns line up");
        let json = serde_json::to_value(&line).unwrap();
        assert_eq!(json["verdict"], "passed");
        assert_eq!(json["outcome"], "passed_conflict");
        assert_eq!(json["to"], "everybody");
        assert_eq!(json["signal"], "claim of epoch 7, rank 0");
    }
}
