//! Reading pinned maps without opening a data path: whether or not an agent runs, nothing is loaded and nothing changes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use aya::{
    Pod,
    maps::{HashMap, Map, MapData, MapError, MapInfo, MapType},
};
use lightship_abi::{
    names::{OUTCOMES_V4, OUTCOMES_V6, RESPONDER_V4, RESPONDER_V6},
    outcome::{ENTRY_OUTCOMES_LEN, Outcome},
};

use super::{Layout, MapsError, entries_of, family::outcomes_of};
use crate::{entry::Entry, pins::Pins};

#[expect(clippy::cast_possible_truncation, reason = "the length of a small value")]
const OUTCOMES_LEN: u32 = ENTRY_OUTCOMES_LEN as u32;

/// A pinned map of ours, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Its name.
    pub name: &'static str,
    /// The kernel's word for its type.
    pub kind: String,
    /// How many elements it holds; an array holds its capacity, of a ring buffer they are not counted.
    pub elements: u64,
    /// How many it can hold; of a ring buffer, how many bytes.
    pub capacity: u32,
    /// Where it is pinned.
    pub pin: PathBuf,
}

/// Lists the maps pinned below a mount of bpffs, the addresses first. A map that is not there is left out.
///
/// # Errors
/// If a map that is there cannot be read.
pub fn list(bpffs: &Path) -> Result<Vec<Listing>, MapsError> {
    let present = Pins::new(bpffs)
        .maps()
        .into_iter()
        .filter(|(_, pin)| pin.exists());
    present.map(|(name, pin)| listing(name, pin)).collect()
}

/// Reads the IPv4 entries of the responder with the requests each has answered. No map reads as no entries.
///
/// # Errors
/// If the map is there and cannot be read.
pub fn dump_v4(bpffs: &Path) -> Result<BTreeMap<Entry, u64>, MapsError> {
    dump(bpffs, RESPONDER_V4, Entry::from_v4)
}

/// As [`dump_v4`], for IPv6.
///
/// # Errors
/// If the map is there and cannot be read.
pub fn dump_v6(bpffs: &Path) -> Result<BTreeMap<Entry, u64>, MapsError> {
    dump(bpffs, RESPONDER_V6, Entry::from_v6)
}

/// Reads what became of the frames about each entry of both families; an outcome that never was is left out, and so is
/// everything if there is no map.
///
/// # Errors
/// If a map is there and cannot be read.
pub fn outcomes(bpffs: &Path) -> Result<BTreeMap<Entry, BTreeMap<Outcome, u64>>, MapsError> {
    let mut counted = read_outcomes(bpffs, (OUTCOMES_V4, RESPONDER_V4), Entry::from_v4)?;
    counted.extend(read_outcomes(bpffs, (OUTCOMES_V6, RESPONDER_V6), Entry::from_v6)?);
    Ok(counted)
}

fn read_outcomes<K: Pod>(
    bpffs: &Path,
    (name, of_responder): (&'static str, &'static str),
    entry: fn(K) -> Entry,
) -> Result<BTreeMap<Entry, BTreeMap<Outcome, u64>>, MapsError> {
    let pins = Pins::new(bpffs);
    let (pin, responder) = (pins.map(name), pins.map(of_responder));
    if !pin.exists() || !responder.exists() {
        return Ok(BTreeMap::new());
    }
    let map = open(&pin).map_err(|source| MapsError::Open(name, source))?;
    let responder = open(&responder).map_err(|source| MapsError::Open(of_responder, source))?;
    outcomes_of((&map, name), (&responder, of_responder), entry)
}

fn dump<K: Pod>(
    bpffs: &Path,
    name: &'static str,
    entry: fn(K) -> Entry,
) -> Result<BTreeMap<Entry, u64>, MapsError> {
    let pin = Pins::new(bpffs).map(name);
    if !pin.exists() {
        return Ok(BTreeMap::new());
    }
    let map = open(&pin).map_err(|source| MapsError::Open(name, source))?;
    entries_of(&map, name, entry)
}

fn listing(name: &'static str, pin: PathBuf) -> Result<Listing, MapsError> {
    let info = MapInfo::from_pin(&pin).map_err(|source| MapsError::Open(name, source))?;
    let (layout, capacity) = (Layout::of(&info), info.max_entries());
    let elements = match (layout.kind, layout.key_size, layout.value_size) {
        (MapType::Hash, 4, 8) => count::<[u8; 4], u64>(&pin),
        (MapType::Hash, 8, 8) => count::<[u8; 8], u64>(&pin),
        (MapType::Hash, 8, 16) => count::<[u8; 8], [u8; 16]>(&pin),
        (MapType::Hash, 8, 24) => count::<[u8; 8], [u8; 24]>(&pin),
        (MapType::Hash, 24, 8) => count::<[u8; 24], u64>(&pin),
        (MapType::Hash, 24, 16) => count::<[u8; 24], [u8; 16]>(&pin),
        (MapType::Hash, 24, 24) => count::<[u8; 24], [u8; 24]>(&pin),
        (MapType::Hash, 8, OUTCOMES_LEN) => count::<[u8; 8], [u8; ENTRY_OUTCOMES_LEN]>(&pin),
        (MapType::Hash, 24, OUTCOMES_LEN) => count::<[u8; 24], [u8; ENTRY_OUTCOMES_LEN]>(&pin),
        (MapType::RingBuf, ..) => Ok(0),
        _ => Ok(capacity.into()),
    };
    let elements = elements.map_err(|source| MapsError::Read(name, source))?;
    Ok(Listing {
        name,
        kind: layout.word(),
        elements,
        capacity,
        pin,
    })
}

fn count<K: Pod, V: Pod>(pin: &Path) -> Result<u64, MapError> {
    open::<K, V>(pin)?
        .keys()
        .try_fold(0, |counted, key| key.map(|_| counted + 1))
}

fn open<K: Pod, V: Pod>(pin: &Path) -> Result<HashMap<MapData, K, V>, MapError> {
    Map::from_map_data(MapData::from_pin(pin)?)?.try_into()
}
