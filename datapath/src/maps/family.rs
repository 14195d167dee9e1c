//! The maps of one family of addresses, which belong together: an entry has its record of the binding and a place for a
//! tombstone from before it is answered until after it is not.

use std::collections::BTreeMap;

use aya::{
    Ebpf, Pod,
    maps::{HashMap, MapData, MapError},
};
use lightship_abi::fence::{HoldValue, Tombstone};

use super::{MapsError, absent_is_fine, found, means};
use crate::{
    entry::Entry,
    plan::{Fence, Hold, Kept},
};

/// `BPF_NOEXIST`: insert only what is not there.
const NO_EXIST: u64 = 1;

const NO_TOMBSTONE: [u8; 24] = [0; 24];

/// The names of the maps of a family.
#[derive(Clone, Copy)]
pub(super) struct Names {
    pub(super) responder: &'static str,
    pub(super) holds: &'static str,
    pub(super) tombstones: &'static str,
}

/// What the families hold.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) entries: BTreeMap<Entry, Kept>,
    pub(crate) strays: BTreeMap<Entry, Fence>,
}

pub(super) struct Family<K: Pod> {
    names: Names,
    entry: fn(K) -> Entry,
    responder: HashMap<MapData, K, u64>,
    holds: HashMap<MapData, K, [u8; 16]>,
    tombstones: HashMap<MapData, K, [u8; 24]>,
}

impl<K: Pod> Family<K> {
    pub(super) fn take(ebpf: &mut Ebpf, names: Names, entry: fn(K) -> Entry) -> Result<Self, MapsError> {
        let mut take = |name| ebpf.take_map(name).ok_or(MapsError::Missing(name));
        let opened = |name| move |source| MapsError::Open(name, source);
        let mut family = Self {
            names,
            entry,
            responder: HashMap::try_from(take(names.responder)?).map_err(opened(names.responder))?,
            holds: HashMap::try_from(take(names.holds)?).map_err(opened(names.holds))?,
            tombstones: HashMap::try_from(take(names.tombstones)?).map_err(opened(names.tombstones))?,
        };
        family.make_places()?;
        Ok(family)
    }

    /// Makes places for the tombstones of entries that an earlier version left, before a program that yields sees them.
    fn make_places(&mut self) -> Result<(), MapsError> {
        let read = |source| MapsError::Read(self.names.responder, source);
        let keys: Vec<K> = self.responder.keys().collect::<Result<_, _>>().map_err(read)?;
        keys.into_iter().try_for_each(|key| self.make_place(key))
    }

    fn make_place(&mut self, key: K) -> Result<(), MapsError> {
        present_is_fine(
            self.tombstones.insert(key, NO_TOMBSTONE, NO_EXIST),
            self.names.tombstones,
        )
    }

    /// Adds an entry; one that is there already keeps its counter and its tombstone.
    pub(super) fn add(&mut self, key: K, hold: Hold) -> Result<(), MapsError> {
        self.set_hold(key, hold)?;
        present_is_fine(self.responder.insert(key, 0, NO_EXIST), self.names.responder)
    }

    pub(super) fn set_hold(&mut self, key: K, hold: Hold) -> Result<(), MapsError> {
        self.make_place(key)?;
        self.holds
            .insert(key, HoldValue::from(hold).to_bytes(), 0)
            .map_err(|source| MapsError::Write(self.names.holds, source))
    }

    pub(super) fn remove(&mut self, key: &K) -> Result<(), MapsError> {
        absent_is_fine(self.responder.remove(key), self.names.responder)?;
        absent_is_fine(self.holds.remove(key), self.names.holds)?;
        absent_is_fine(self.tombstones.remove(key), self.names.tombstones)
    }

    pub(super) fn fence(&self, key: &K) -> Result<Fence, MapsError> {
        let hold = found(self.holds.get(key, 0), self.names.holds)?;
        let tombstone = found(self.tombstones.get(key, 0), self.names.tombstones)?;
        Ok(Fence {
            hold: hold.map(|value| HoldValue::from_bytes(&value).into()),
            tombstone: tombstone.and_then(|value| Tombstone::from_bytes(&value)),
        })
    }

    /// Adds the family's entries, and what is left of others.
    pub(super) fn read(&self, contents: &mut Contents) -> Result<(), MapsError> {
        let mut fences: BTreeMap<Entry, Fence> = BTreeMap::new();
        for item in &self.tombstones {
            let (key, value) = item.map_err(|source| MapsError::Read(self.names.tombstones, source))?;
            fences.entry((self.entry)(key)).or_default().tombstone = Tombstone::from_bytes(&value);
        }
        for item in &self.holds {
            let (key, value) = item.map_err(|source| MapsError::Read(self.names.holds, source))?;
            fences.entry((self.entry)(key)).or_default().hold = Some(HoldValue::from_bytes(&value).into());
        }
        for item in &self.responder {
            let (key, responses_sent) =
                item.map_err(|source| MapsError::Read(self.names.responder, source))?;
            let entry = (self.entry)(key);
            let fence = fences.remove(&entry).unwrap_or_default();
            contents.entries.insert(
                entry,
                Kept {
                    responses_sent,
                    fence,
                },
            );
        }
        contents.strays.extend(fences);
        Ok(())
    }
}

fn present_is_fine(result: Result<(), MapError>, name: &'static str) -> Result<(), MapsError> {
    match result {
        Err(error) if !means(&error, libc::EEXIST) => Err(MapsError::Write(name, error)),
        _ => Ok(()),
    }
}
