//! `lightship map`: the kernel maps of this node, read from their pins, whether or not an agent runs.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context as _, bail};
use lightship_datapath::maps::{self, Listing};
use lightship_datapath::{Entry, Outcome};
use serde::Serialize;

use crate::args::{MapArgs, MapCommand};
use crate::output::{self, Row};

/// The maps whose elements mean something to a person.
const RESPONDER_V4: &str = "cilium_l2_responder_v4";
const RESPONDER_V6: &str = "cilium_l2_responder_v6";

#[derive(Serialize)]
struct MapRow {
    name: String,
    kind: String,
    elements: u64,
    capacity: u32,
    pin: String,
}

impl From<Listing> for MapRow {
    fn from(listing: Listing) -> Self {
        Self {
            name: listing.name.to_owned(),
            kind: listing.kind,
            elements: listing.elements,
            capacity: listing.capacity,
            pin: listing.pin.display().to_string(),
        }
    }
}

impl Row for MapRow {
    const HEADINGS: &'static [&'static str] = &["NAME", "KIND", "ELEMENTS", "CAPACITY", "PINNED AT"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.kind.clone(),
            self.elements.to_string(),
            self.capacity.to_string(),
            self.pin.clone(),
        ]
    }
}

#[derive(Serialize)]
struct ElementRow {
    address: String,
    interface: String,
    responses_sent: u64,
}

impl Row for ElementRow {
    const HEADINGS: &'static [&'static str] = &["ADDRESS", "INTERFACE INDEX", "RESPONSES SENT"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.address.clone(),
            self.interface.clone(),
            self.responses_sent.to_string(),
        ]
    }
}

/// Frames about an address, by what became of them. A person sees the groups that tell whether all is well, a program
/// every outcome.
#[derive(Serialize)]
struct CounterRow {
    address: String,
    interface: String,
    frames: BTreeMap<&'static str, u64>,
}

impl CounterRow {
    fn of(entry: Entry, outcomes: &BTreeMap<Outcome, u64>) -> Self {
        let interface = entry.interface;
        Self {
            address: entry.address.to_string(),
            interface: interface.name().unwrap_or_else(|| interface.to_string()),
            frames: outcomes
                .iter()
                .map(|(outcome, frames)| (outcome.label(), *frames))
                .collect(),
        }
    }

    fn sum(&self, outcomes: &[Outcome]) -> u64 {
        let frames = |outcome: &Outcome| self.frames.get(outcome.label()).copied().unwrap_or_default();
        outcomes.iter().map(frames).sum()
    }

    /// Frames that went on for a reason that lies with the frame.
    fn passed(&self) -> u64 {
        let others = Outcome::ALL
            .into_iter()
            .filter(|outcome| outcome.label().starts_with("passed") && *outcome != Outcome::PassedConflict);
        self.sum(&others.collect::<Vec<_>>())
    }
}

impl Row for CounterRow {
    const HEADINGS: &'static [&'static str] = &[
        "ADDRESS",
        "INTERFACE",
        "ANSWERED",
        "PINGS",
        "PROBES",
        "GATED",
        "FENCED",
        "CONFLICTS",
        "LIMITED",
        "PASSED",
        "FAILED",
    ];

    fn cells(&self) -> Vec<String> {
        let counts = [
            self.sum(&[Outcome::Answered]),
            self.sum(&[Outcome::AnsweredEcho]),
            self.sum(&[Outcome::AnsweredProbe]),
            self.sum(&[Outcome::Gated]),
            self.sum(&[Outcome::Fenced, Outcome::YieldedClaim]),
            self.sum(&[Outcome::PassedConflict]),
            self.sum(&[Outcome::LimitedEcho]),
            self.passed(),
            self.sum(&[Outcome::FailedWrite]),
        ];
        let names = [self.address.clone(), self.interface.clone()];
        names
            .into_iter()
            .chain(counts.iter().map(u64::to_string))
            .collect()
    }
}

/// The counters of every address that this node answers for, or of one.
fn counters(bpffs: &Path, address: Option<IpAddr>) -> anyhow::Result<Vec<CounterRow>> {
    let counted = maps::outcomes(bpffs).with_context(|| {
        format!(
            "failed to read the counters below {}; run as root",
            bpffs.display()
        )
    })?;
    Ok(counted
        .iter()
        .filter(|(entry, _)| address.is_none_or(|address| entry.address == address))
        .map(|(entry, outcomes)| CounterRow::of(*entry, outcomes))
        .collect())
}

pub(crate) fn run(args: &MapArgs) -> anyhow::Result<()> {
    match &args.command {
        MapCommand::List => {
            let listings = maps::list(&args.bpffs).with_context(|| {
                format!(
                    "failed to list the maps below {}; run as root",
                    args.bpffs.display()
                )
            })?;
            let rows: Vec<MapRow> = listings.into_iter().map(MapRow::from).collect();
            let nothing = format!(
                "No maps below {}: no agent has run on this node since it started.",
                args.bpffs.display()
            );
            output::rows(&rows, args.output, &nothing)
        }
        MapCommand::Counters { address } => {
            let rows = counters(&args.bpffs, *address)?;
            let nothing = match address {
                Some(address) => format!(
                    "This node does not answer for {address}: 'lightship holders' names the node that does."
                ),
                None => "This node answers for no address.".to_owned(),
            };
            output::rows(&rows, args.output, &nothing)
        }
        MapCommand::Get { name } => {
            let dump = match name.as_str() {
                RESPONDER_V4 => maps::dump_v4,
                RESPONDER_V6 => maps::dump_v6,
                _ => bail!("failed to read {name:?}: only {RESPONDER_V4} and {RESPONDER_V6} can be printed"),
            };
            let entries = dump(&args.bpffs).with_context(|| {
                format!(
                    "failed to read {name} below {}; run as root",
                    args.bpffs.display()
                )
            })?;
            let rows: Vec<ElementRow> = entries
                .into_iter()
                .map(|(entry, responses_sent)| ElementRow {
                    address: entry.address.to_string(),
                    interface: entry.interface.to_string(),
                    responses_sent,
                })
                .collect();
            output::rows(
                &rows,
                args.output,
                &format!("{name} is empty: this node answers for no address."),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use lightship_datapath::InterfaceIndex;

    use super::*;

    #[test]
    fn every_outcome_of_an_address_is_in_a_column() {
        let entry = Entry {
            address: [10, 0, 10, 0].into(),
            interface: InterfaceIndex(4_000_000),
        };
        let row = CounterRow::of(entry, &Outcome::ALL.map(|outcome| (outcome, 1)).into());
        let cells = row.cells();
        assert_eq!(cells.len(), CounterRow::HEADINGS.len());
        assert_eq!(cells[..4], ["10.0.10.0", "4000000", "1", "1"]);
        let sum: u64 = cells[2..].iter().map(|cell| cell.parse::<u64>().unwrap()).sum();
        assert_eq!(sum, Outcome::ALL.len() as u64, "{cells:?}");
    }
}
