//! `lightship map`: the kernel maps of this node, read from their pins, whether or not an agent runs.

use anyhow::{Context as _, bail};
use lightship_datapath::maps::{self, Listing};
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
