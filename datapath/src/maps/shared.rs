//! The pins at Cilium's paths. Where Cilium is the CNI its agent takes away the pin of a responder map whose family it has
//! switched off, ours as well: what answers would go on, but the next agent would begin with an empty map.

use std::{collections::BTreeSet, path::PathBuf};

use aya::maps::MapData;
use lightship_abi::names::{RESPONDER_V4, RESPONDER_V6};

use super::MapsError;
use crate::pins::Pins;

/// The maps in use that have such a pin.
#[derive(Debug)]
pub(crate) struct Shared([(&'static str, PathBuf, MapData); 2]);

impl Shared {
    /// Takes hold of what is pinned now.
    pub(crate) fn open(pins: &Pins) -> Result<Self, MapsError> {
        let open = |name| {
            let pin = pins.map(name);
            let map = MapData::from_pin(&pin).map_err(|source| MapsError::Open(name, source))?;
            Ok((name, pin, map))
        };
        Ok(Self([open(RESPONDER_V4)?, open(RESPONDER_V6)?]))
    }

    /// The maps whose pin is not there.
    pub(crate) fn unpinned(&self) -> BTreeSet<&'static str> {
        let gone = self.0.iter().filter(|(_, pin, _)| !pin.exists());
        gone.map(|(name, ..)| *name).collect()
    }

    /// Pins a map again.
    pub(crate) fn pin(&self, name: &'static str) -> Result<(), MapsError> {
        let ours = self.0.iter().find(|(known, ..)| *known == name);
        let (_, pin, map) = ours.ok_or(MapsError::Missing(name))?;
        map.pin(pin).map_err(|source| MapsError::Pin(name, source))
    }
}
