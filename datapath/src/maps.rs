//! The maps of an open data path: reading and writing. An address is in the map of its family.

use std::{collections::BTreeMap, path::PathBuf};

use aya::{
    Ebpf, Pod,
    maps::{Array, HashMap, MapData, MapError, PerCpuArray},
};
use lightship_abi::{
    layout::{InterfaceValue, LIVENESS_SLOT},
    mac::MacAddress,
    names::{INTERFACES, LIVENESS, OUTCOMES, RESPONDER_V4, RESPONDER_V6},
    outcome::Outcome,
};

use crate::entry::{Entry, InterfaceIndex, Key};

mod adopt;
mod pinned;

pub use adopt::Layout;
pub(crate) use adopt::adopt;
pub use pinned::{Listing, dump_v4, dump_v6, list};

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

/// The maps of an open data path.
pub(crate) struct Maps {
    responder_v4: HashMap<MapData, [u8; 8], u64>,
    responder_v6: HashMap<MapData, [u8; 24], u64>,
    interfaces: HashMap<MapData, u32, [u8; 8]>,
    liveness: Array<MapData, u64>,
    outcomes: PerCpuArray<MapData, u64>,
}

impl Maps {
    pub(crate) fn take(ebpf: &mut Ebpf) -> Result<Self, MapsError> {
        let mut take = |name| ebpf.take_map(name).ok_or(MapsError::Missing(name));
        let opened = |name| move |source| MapsError::Open(name, source);
        Ok(Self {
            responder_v4: HashMap::try_from(take(RESPONDER_V4)?).map_err(opened(RESPONDER_V4))?,
            responder_v6: HashMap::try_from(take(RESPONDER_V6)?).map_err(opened(RESPONDER_V6))?,
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
        let (inserted, name) = match entry.key() {
            Key::V4(key) => (self.responder_v4.insert(key, 0, NO_EXIST), RESPONDER_V4),
            Key::V6(key) => (self.responder_v6.insert(key, 0, NO_EXIST), RESPONDER_V6),
        };
        match inserted {
            Err(error) if !means(&error, libc::EEXIST) => Err(MapsError::Write(name, error)),
            _ => Ok(()),
        }
    }

    pub(crate) fn remove(&mut self, entry: Entry) -> Result<(), MapsError> {
        match entry.key() {
            Key::V4(key) => absent_is_fine(self.responder_v4.remove(&key), RESPONDER_V4),
            Key::V6(key) => absent_is_fine(self.responder_v6.remove(&key), RESPONDER_V6),
        }
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
        let mut entries = entries_of(&self.responder_v4, RESPONDER_V4, Entry::from_v4)?;
        entries.extend(entries_of(&self.responder_v6, RESPONDER_V6, Entry::from_v6)?);
        Ok(entries)
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

fn entries_of<K: Pod>(
    map: &HashMap<MapData, K, u64>,
    name: &'static str,
    entry: fn(K) -> Entry,
) -> Result<BTreeMap<Entry, u64>, MapsError> {
    let read = |item: Result<(K, u64), MapError>| {
        let (key, counter) = item.map_err(|source| MapsError::Read(name, source))?;
        Ok((entry(key), counter))
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
