//! The maps of an open data path: adopting what an earlier process or another program pinned, reading and writing.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, MapData, MapError, MapInfo, MapType, PerCpuArray},
};
use lightship_abi::{
    layout::{InterfaceValue, LIVENESS_SLOT},
    mac::MacAddress,
    names::{INTERFACES, LIVENESS, OUTCOMES, RESPONDER_V4},
    outcome::{OUTCOME_SLOTS, Outcome},
};

use crate::{
    entry::{Entry, InterfaceIndex},
    pins::Pins,
};

mod pinned;

pub use pinned::{Listing, dump_v4, list};

/// Why a map could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum MapsError {
    /// The object lacks a map: it and this program do not belong together.
    #[error("failed to find the map {0} in the responder")]
    Missing(&'static str),
    /// A map could not be opened.
    #[error("failed to open the map {0}")]
    Open(&'static str, #[source] MapError),
    /// A pinned map has another layout.
    #[error(
        "failed to adopt the map pinned at {pin}: it is {found}, {expected} is needed; another program made it: stop \
         that program and remove the pin"
    )]
    Layout {
        /// Where it is pinned.
        pin: String,
        /// What is there.
        found: Layout,
        /// What is needed.
        expected: Layout,
    },
    /// A map of ours with an earlier layout could not be removed.
    #[error("failed to remove the outdated map pinned at {}", .0.display())]
    Remove(PathBuf, #[source] std::io::Error),
    /// A map could not be read.
    #[error("failed to read the map {0}")]
    Read(&'static str, #[source] MapError),
    /// A map could not be written.
    #[error("failed to write the map {0}{full}", full = remedy(.1))]
    Write(&'static str, #[source] MapError),
}

fn remedy(error: &MapError) -> &'static str {
    match error {
        MapError::SyscallError(call) if call.io_error.raw_os_error() == Some(libc::E2BIG) => {
            ": it is full and keeps the capacity it was made with: remove it by a cleanup, then give a greater one"
        }
        _ => "",
    }
}

/// `BPF_NOEXIST`: insert only what is not there.
const NO_EXIST: u64 = 1;

/// The shape of a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    kind: MapType,
    key_size: u32,
    value_size: u32,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, key, value) = (self.word(), self.key_size, self.value_size);
        write!(f, "of type {kind} with keys of {key} and values of {value} bytes")
    }
}

impl Layout {
    fn expected(name: &str) -> Self {
        let (kind, key_size, value_size) = match name {
            LIVENESS => (MapType::Array, 4, 8),
            OUTCOMES => (MapType::PerCpuArray, 4, 8),
            INTERFACES => (MapType::Hash, 4, 8),
            _ => (MapType::Hash, 8, 8),
        };
        Self {
            kind,
            key_size,
            value_size,
        }
    }

    /// The kernel's word for the type, for those that are ours.
    fn word(&self) -> String {
        match self.kind {
            MapType::Hash => "hash".to_owned(),
            MapType::Array => "array".to_owned(),
            MapType::PerCpuArray => "percpu_array".to_owned(),
            other => format!("{other:?}"),
        }
    }

    fn of(info: &MapInfo) -> Self {
        Self {
            kind: info.map_type().unwrap_or(MapType::Unspecified),
            key_size: info.key_size(),
            value_size: info.value_size(),
        }
    }
}

/// The maps of an open data path.
pub(crate) struct Maps {
    responder: HashMap<MapData, [u8; 8], u64>,
    interfaces: HashMap<MapData, u32, [u8; 8]>,
    liveness: Array<MapData, u64>,
    outcomes: PerCpuArray<MapData, u64>,
}

/// Makes the loader use what is pinned, and pin what is not, after checking that what is pinned fits. A map of our own
/// that does not fit is from another version of ours and goes; one that others share is refused.
pub(crate) fn adopt(loader: &mut EbpfLoader<'_>, pins: &Pins, capacity: u32) -> Result<(), MapsError> {
    loader.map_max_entries(RESPONDER_V4, capacity);
    for (name, pin) in pins.maps() {
        if let Ok(info) = MapInfo::from_pin(&pin) {
            let (found, expected) = (Layout::of(&info), Layout::expected(name));
            let fits = found == expected && (name != OUTCOMES || info.max_entries() == OUTCOME_SLOTS);
            if !fits && name == RESPONDER_V4 {
                return Err(MapsError::Layout {
                    pin: pin.display().to_string(),
                    found,
                    expected,
                });
            }
            if !fits {
                std::fs::remove_file(&pin).map_err(|source| MapsError::Remove(pin.clone(), source))?;
            }
            if name == RESPONDER_V4 && info.max_entries() != capacity {
                let (kept, asked) = (info.max_entries(), capacity);
                tracing::warn!(
                    map = name,
                    kept,
                    asked,
                    "adopted map keeps its capacity; a cleanup lets it change"
                );
            }
        }
        loader.map_pin_path(name, pin);
    }
    Ok(())
}

impl Maps {
    pub(crate) fn take(ebpf: &mut Ebpf) -> Result<Self, MapsError> {
        let mut take = |name| ebpf.take_map(name).ok_or(MapsError::Missing(name));
        let opened = |name| move |source| MapsError::Open(name, source);
        Ok(Self {
            responder: HashMap::try_from(take(RESPONDER_V4)?).map_err(opened(RESPONDER_V4))?,
            interfaces: HashMap::try_from(take(INTERFACES)?).map_err(opened(INTERFACES))?,
            liveness: Array::try_from(take(LIVENESS)?).map_err(opened(LIVENESS))?,
            outcomes: PerCpuArray::try_from(take(OUTCOMES)?).map_err(opened(OUTCOMES))?,
        })
    }

    pub(crate) fn beat(&mut self, now_ns: u64) -> Result<(), MapsError> {
        self.liveness
            .set(LIVENESS_SLOT, now_ns, 0)
            .map_err(|source| MapsError::Write(LIVENESS, source))
    }

    /// Adds an entry; one that is there already keeps its counter.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<(), MapsError> {
        match self.responder.insert(entry.key(), 0, NO_EXIST) {
            Err(error) if !means(&error, libc::EEXIST) => Err(MapsError::Write(RESPONDER_V4, error)),
            _ => Ok(()),
        }
    }

    pub(crate) fn remove(&mut self, entry: Entry) -> Result<(), MapsError> {
        absent_is_fine(self.responder.remove(&entry.key()), RESPONDER_V4)
    }

    pub(crate) fn set_mac(&mut self, interface: InterfaceIndex, mac: MacAddress) -> Result<(), MapsError> {
        let value = InterfaceValue::new(mac).to_bytes();
        self.interfaces
            .insert(interface.0, value, 0)
            .map_err(|source| MapsError::Write(INTERFACES, source))
    }

    pub(crate) fn forget_mac(&mut self, interface: InterfaceIndex) -> Result<(), MapsError> {
        absent_is_fine(self.interfaces.remove(&interface.0), INTERFACES)
    }

    pub(crate) fn entries(&self) -> Result<BTreeMap<Entry, u64>, MapsError> {
        entries_of(&self.responder)
    }

    pub(crate) fn interfaces(&self) -> Result<BTreeMap<InterfaceIndex, MacAddress>, MapsError> {
        let read = |item: Result<(u32, [u8; 8]), MapError>| {
            let (index, value) = item.map_err(|source| MapsError::Read(INTERFACES, source))?;
            Ok((
                InterfaceIndex(index),
                MacAddress(InterfaceValue::from_bytes(value).mac),
            ))
        };
        self.interfaces.iter().map(read).collect()
    }

    pub(crate) fn outcomes(&self) -> Result<BTreeMap<Outcome, u64>, MapsError> {
        let read = |outcome: Outcome| {
            let values = self
                .outcomes
                .get(&outcome.slot(), 0)
                .map_err(|source| MapsError::Read(OUTCOMES, source))?;
            Ok((outcome, values.iter().sum()))
        };
        Outcome::ALL.into_iter().map(read).collect()
    }
}

pub(crate) fn entries_of(map: &HashMap<MapData, [u8; 8], u64>) -> Result<BTreeMap<Entry, u64>, MapsError> {
    let read = |item: Result<([u8; 8], u64), MapError>| {
        let (key, counter) = item.map_err(|source| MapsError::Read(RESPONDER_V4, source))?;
        Ok((Entry::from_key(key), counter))
    };
    map.iter().map(read).collect()
}

fn absent_is_fine(result: Result<(), MapError>, name: &'static str) -> Result<(), MapsError> {
    match result {
        Err(error) if !means(&error, libc::ENOENT) && !matches!(error, MapError::KeyNotFound) => {
            Err(MapsError::Write(name, error))
        }
        _ => Ok(()),
    }
}

fn means(error: &MapError, errno: i32) -> bool {
    matches!(error, MapError::SyscallError(call) if call.io_error.raw_os_error() == Some(errno))
}
