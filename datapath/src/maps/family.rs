//! The maps of one family of addresses, which belong together: an entry has its record of the binding and a place for a
//! tombstone from before it is answered until after it is not.

use std::collections::{BTreeMap, BTreeSet};

use aya::{
    Ebpf, Pod,
    maps::{HashMap, MapData, MapError},
};
use lightship_abi::{
    fence::{HoldValue, Tombstone},
    outcome::{ENTRY_OUTCOMES_LEN, EntryOutcomes, Outcome},
};

use super::{MapsError, absent_is_fine, entries_of, found, means};
use crate::{
    entry::Entry,
    plan::{Fence, Hold, Kept},
};

/// `BPF_NOEXIST`: insert only what is not there.
const NO_EXIST: u64 = 1;

const NO_TOMBSTONE: [u8; 24] = [0; 24];
const NO_OUTCOMES: [u8; ENTRY_OUTCOMES_LEN] = [0; ENTRY_OUTCOMES_LEN];

/// The names of the maps of a family.
#[derive(Clone, Copy)]
pub(super) struct Names {
    pub(super) responder: &'static str,
    pub(super) holds: &'static str,
    pub(super) tombstones: &'static str,
    pub(super) outcomes: &'static str,
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
    outcomes: HashMap<MapData, K, [u8; ENTRY_OUTCOMES_LEN]>,
}

impl<K: Pod + Ord> Family<K> {
    pub(super) fn take(ebpf: &mut Ebpf, names: Names, entry: fn(K) -> Entry) -> Result<Self, MapsError> {
        let mut take = |name| ebpf.take_map(name).ok_or(MapsError::Missing(name));
        let opened = |name| move |source| MapsError::Open(name, source);
        let mut family = Self {
            names,
            entry,
            responder: HashMap::try_from(take(names.responder)?).map_err(opened(names.responder))?,
            holds: HashMap::try_from(take(names.holds)?).map_err(opened(names.holds))?,
            tombstones: HashMap::try_from(take(names.tombstones)?).map_err(opened(names.tombstones))?,
            outcomes: HashMap::try_from(take(names.outcomes)?).map_err(opened(names.outcomes))?,
        };
        family.make_places()?;
        Ok(family)
    }

    /// Makes places for what belongs to entries that an earlier version left, before a program that needs them sees them;
    /// and takes away the outcomes of entries that it removed, which it did not know of.
    fn make_places(&mut self) -> Result<(), MapsError> {
        let entries: BTreeSet<K> = self.keys()?.into_iter().collect();
        for &key in &entries {
            self.make_place(key)?;
        }
        let read = |source| MapsError::Read(self.names.outcomes, source);
        let counted: Vec<K> = self.outcomes.keys().collect::<Result<_, _>>().map_err(read)?;
        for key in counted.iter().filter(|key| !entries.contains(key)) {
            absent_is_fine(self.outcomes.remove(key), self.names.outcomes)?;
        }
        Ok(())
    }

    /// The keys of the entries.
    pub(super) fn keys(&self) -> Result<Vec<K>, MapsError> {
        let read = |source| MapsError::Read(self.names.responder, source);
        self.responder.keys().collect::<Result<_, _>>().map_err(read)
    }

    /// The keys under which a tombstone was left.
    pub(super) fn yielded(&self) -> Result<Vec<K>, MapsError> {
        let read = |source| MapsError::Read(self.names.tombstones, source);
        let items: Vec<_> = self.tombstones.iter().collect::<Result<_, _>>().map_err(read)?;
        let left = items
            .into_iter()
            .filter(|(_, value)| Tombstone::from_bytes(value).is_some());
        Ok(left.map(|(key, _)| key).collect())
    }

    fn make_place(&mut self, key: K) -> Result<(), MapsError> {
        present_is_fine(
            self.outcomes.insert(key, NO_OUTCOMES, NO_EXIST),
            self.names.outcomes,
        )?;
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
        absent_is_fine(self.outcomes.remove(key), self.names.outcomes)?;
        absent_is_fine(self.tombstones.remove(key), self.names.tombstones)
    }

    pub(super) fn has(&self, key: &K) -> Result<bool, MapsError> {
        Ok(found(self.responder.get(key, 0), self.names.responder)?.is_some())
    }

    pub(super) fn fence(&self, key: &K) -> Result<Fence, MapsError> {
        let hold = found(self.holds.get(key, 0), self.names.holds)?;
        let tombstone = found(self.tombstones.get(key, 0), self.names.tombstones)?;
        Ok(Fence {
            hold: hold.map(|value| HoldValue::from_bytes(&value).into()),
            tombstone: tombstone.and_then(|value| Tombstone::from_bytes(&value)),
        })
    }

    /// Adds what became of the frames about each of the family's entries.
    pub(super) fn count(
        &self,
        counted: &mut BTreeMap<Entry, BTreeMap<Outcome, u64>>,
    ) -> Result<(), MapsError> {
        counted.extend(outcomes_of(
            (&self.outcomes, self.names.outcomes),
            (&self.responder, self.names.responder),
            self.entry,
        )?);
        Ok(())
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

/// Reads what became of the frames about each entry, whose answers it counts itself: outcomes that never were are left out.
pub(super) fn outcomes_of<K: Pod>(
    (map, name): (&HashMap<MapData, K, [u8; ENTRY_OUTCOMES_LEN]>, &'static str),
    (responder, of_responder): (&HashMap<MapData, K, u64>, &'static str),
    entry: fn(K) -> Entry,
) -> Result<BTreeMap<Entry, BTreeMap<Outcome, u64>>, MapsError> {
    let read = |item: Result<(K, [u8; ENTRY_OUTCOMES_LEN]), MapError>| {
        let (key, value) = item.map_err(|source| MapsError::Read(name, source))?;
        let frames = Outcome::ALL
            .into_iter()
            .map(|outcome| (outcome, EntryOutcomes::frames_in(&value, outcome)))
            .filter(|(outcome, frames)| *frames != 0 && *outcome != Outcome::Answered);
        Ok((entry(key), frames.collect()))
    };
    let mut counted: BTreeMap<Entry, BTreeMap<Outcome, u64>> =
        map.iter().map(read).collect::<Result<_, _>>()?;
    for (entry, answered) in entries_of(responder, of_responder, entry)? {
        if answered != 0 {
            counted
                .entry(entry)
                .or_default()
                .insert(Outcome::Answered, answered);
        }
    }
    Ok(counted)
}

fn present_is_fine(result: Result<(), MapError>, name: &'static str) -> Result<(), MapsError> {
    match result {
        Err(error) if !means(&error, libc::EEXIST) => Err(MapsError::Write(name, error)),
        _ => Ok(()),
    }
}
