//! The maps of an open data path: reading and writing. An address is in the map of its family.

use std::{collections::BTreeMap, path::PathBuf};

use aya::{
    Ebpf, Pod,
    maps::{Array, HashMap, MapData, MapError, PerCpuArray},
    pin::PinError,
};
use lightship_abi::{
    layout::{InterfaceValue, LIVENESS_SLOT, MEMBER, MemberKey, OWN},
    mac::MacAddress,
    names::{
        HOLDS_V4, HOLDS_V6, INTERFACES, LIVENESS, MEMBERS, OUTCOMES, OUTCOMES_V4, OUTCOMES_V6, RESPONDER_V4,
        RESPONDER_V6, SUFFIXES_V4, TOMBSTONES_V4, TOMBSTONES_V6, YIELDED_V4,
    },
    outcome::Outcome,
};

use crate::{
    entry::{Entry, InterfaceIndex, Key},
    plan::{Fence, Hold, Member},
};
use family::{Contents, Family, Names};
use suffixes::Suffixes;
use yielded::Yielded;

mod adopt;
mod family;
mod pinned;
mod shared;
mod suffixes;
mod yielded;

pub use adopt::Layout;
pub(crate) use adopt::adopt;
pub use pinned::{Listing, dump_v4, dump_v6, list, outcomes};
pub(crate) use shared::Shared;

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
    /// A map could not be pinned again.
    #[error("failed to pin the map {0} again")]
    Pin(&'static str, #[source] PinError),
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

/// The maps of an open data path.
pub(crate) struct Maps {
    v4: Family<[u8; 8]>,
    v6: Family<[u8; 24]>,
    suffixes: Suffixes,
    yielded: Yielded,
    interfaces: HashMap<MapData, u32, [u8; 8]>,
    members: HashMap<MapData, [u8; 8], u64>,
    liveness: Array<MapData, u64>,
    outcomes: PerCpuArray<MapData, u64>,
}

const V4: Names = Names {
    responder: RESPONDER_V4,
    holds: HOLDS_V4,
    tombstones: TOMBSTONES_V4,
    outcomes: OUTCOMES_V4,
};

const V6: Names = Names {
    responder: RESPONDER_V6,
    holds: HOLDS_V6,
    tombstones: TOMBSTONES_V6,
    outcomes: OUTCOMES_V6,
};

impl Maps {
    pub(crate) fn take(ebpf: &mut Ebpf) -> Result<Self, MapsError> {
        let (v4, v6) = (
            Family::take(ebpf, V4, Entry::from_v4)?,
            Family::take(ebpf, V6, Entry::from_v6)?,
        );
        let mut take = |name| ebpf.take_map(name).ok_or(MapsError::Missing(name));
        let opened = |name| move |source| MapsError::Open(name, source);
        let suffixes = Array::try_from(take(SUFFIXES_V4)?).map_err(opened(SUFFIXES_V4))?;
        let yielded = Array::try_from(take(YIELDED_V4)?).map_err(opened(YIELDED_V4))?;
        Ok(Self {
            yielded: Yielded::of(yielded)?,
            suffixes: Suffixes::of(suffixes, &v4.keys()?)?,
            v4,
            v6,
            interfaces: HashMap::try_from(take(INTERFACES)?).map_err(opened(INTERFACES))?,
            members: HashMap::try_from(take(MEMBERS)?).map_err(opened(MEMBERS))?,
            liveness: Array::try_from(take(LIVENESS)?).map_err(opened(LIVENESS))?,
            outcomes: PerCpuArray::try_from(take(OUTCOMES)?).map_err(opened(OUTCOMES))?,
        })
    }

    /// Writes the beat. When the first one is due, the programs of earlier processes have ended.
    pub(crate) fn beat(&mut self, now_ns: u64) -> Result<(), MapsError> {
        self.liveness
            .set(LIVENESS_SLOT, now_ns, 0)
            .map_err(|source| MapsError::Write(LIVENESS, source))?;
        if self.yielded.is_in_step() {
            return Ok(());
        }
        self.yielded.bring_in_step(|| self.v4.yielded())
    }

    /// Adds an entry; one that is there already keeps its counter and its tombstone.
    pub(crate) fn add(&mut self, entry: Entry, hold: Hold) -> Result<(), MapsError> {
        match entry.key() {
            Key::V4(key) => {
                self.suffixes.add(key)?;
                self.v4.add(key, hold)
            }
            Key::V6(key) => self.v6.add(key, hold),
        }
    }

    pub(crate) fn set_hold(&mut self, entry: Entry, hold: Hold) -> Result<(), MapsError> {
        match entry.key() {
            Key::V4(key) => self.v4.set_hold(key, hold),
            Key::V6(key) => self.v6.set_hold(key, hold),
        }
    }

    pub(crate) fn remove(&mut self, entry: Entry) -> Result<(), MapsError> {
        match entry.key() {
            Key::V4(key) => self.v4.remove(&key),
            Key::V6(key) => self.v6.remove(&key),
        }
    }

    /// Whether an entry is there to be answered.
    pub(crate) fn has(&self, entry: Entry) -> Result<bool, MapsError> {
        match entry.key() {
            Key::V4(key) => self.v4.has(&key),
            Key::V6(key) => self.v6.has(&key),
        }
    }

    pub(crate) fn fence(&self, entry: Entry) -> Result<Fence, MapsError> {
        match entry.key() {
            Key::V4(key) => self.v4.fence(&key),
            Key::V6(key) => self.v6.fence(&key),
        }
    }

    pub(crate) fn set_member(&mut self, mac: MacAddress, member: Member) -> Result<(), MapsError> {
        let value = match member {
            Member::Other => MEMBER,
            Member::Own => OWN,
        };
        self.members
            .insert(MemberKey::new(mac).to_bytes(), value, 0)
            .map_err(|source| MapsError::Write(MEMBERS, source))
    }

    pub(crate) fn forget_member(&mut self, mac: MacAddress) -> Result<(), MapsError> {
        absent_is_fine(self.members.remove(&MemberKey::new(mac).to_bytes()), MEMBERS)
    }

    pub(crate) fn members(&self) -> Result<BTreeMap<MacAddress, Member>, MapsError> {
        let read = |item: Result<([u8; 8], u64), MapError>| {
            let (key, value) = item.map_err(|source| MapsError::Read(MEMBERS, source))?;
            let member = if value == OWN { Member::Own } else { Member::Other };
            Ok((MemberKey::station(key), member))
        };
        self.members.iter().map(read).collect()
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

    /// The entries, and what is left of others.
    pub(crate) fn entries(&self) -> Result<Contents, MapsError> {
        let mut contents = Contents::default();
        self.v4.read(&mut contents)?;
        self.v6.read(&mut contents)?;
        Ok(contents)
    }

    /// The hardware address that an interface answers with.
    pub(crate) fn mac(&self, interface: InterfaceIndex) -> Result<Option<MacAddress>, MapsError> {
        let value = found(self.interfaces.get(&interface.0, 0), INTERFACES)?;
        Ok(value.map(|value| MacAddress(InterfaceValue::from_bytes(value).mac)))
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

    /// What became of the frames about each entry.
    pub(crate) fn entry_outcomes(&self) -> Result<BTreeMap<Entry, BTreeMap<Outcome, u64>>, MapsError> {
        let mut counted = BTreeMap::new();
        self.v4.count(&mut counted)?;
        self.v6.count(&mut counted)?;
        Ok(counted)
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

fn found<V>(value: Result<V, MapError>, name: &'static str) -> Result<Option<V>, MapsError> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(MapError::KeyNotFound) => Ok(None),
        Err(error) if means(&error, libc::ENOENT) => Ok(None),
        Err(error) => Err(MapsError::Read(name, error)),
    }
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
