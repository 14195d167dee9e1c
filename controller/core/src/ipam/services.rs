//! The services, in a table: a name is looked up once per event, from then on a service is found by its place.

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use hashbrown::HashTable;

use super::machine::Tracked;
use crate::names::ServiceId;

/// The hash of a name. It has no secret, so that runs repeat; nothing depends on its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest(u64);

impl Digest {
    pub(super) fn of(name: &ServiceId) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// A service: its place in the table and its name, by which it orders. The name is stored once.
#[derive(Clone, Debug)]
pub struct Id(Arc<Entry>);

#[derive(Debug)]
struct Entry {
    place: usize,
    digest: Digest,
    name: ServiceId,
}

impl Id {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ServiceId {
        &self.0.name
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.name() == other.name()
    }
}

impl Eq for Id {}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Id {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        self.name().cmp(other.name())
    }
}

/// The services.
#[derive(Clone, Debug, Default)]
pub(super) struct Services {
    /// With their digests, so that the table grows without a look at the names.
    names: HashTable<(Digest, Id)>,
    table: Vec<Option<Tracked>>,
    vacant: Vec<usize>,
}

impl Services {
    /// The service of a name.
    pub(super) fn find(&self, digest: Digest, name: &ServiceId) -> Option<&Id> {
        let found = self
            .names
            .find(digest.0, |(known, id)| *known == digest && id.name() == name);
        found.map(|(_, id)| id)
    }

    /// What is known of a service; `None` when it was deleted meanwhile.
    pub(super) fn get(&self, id: &Id) -> Option<&Tracked> {
        let tracked = self.table.get(id.0.place)?.as_ref();
        tracked.filter(|tracked| Arc::ptr_eq(&tracked.id.0, &id.0))
    }

    /// What is known of a service, to change it.
    pub(super) fn get_mut(&mut self, id: &Id) -> Option<&mut Tracked> {
        let tracked = self.table.get_mut(id.0.place)?.as_mut();
        tracked.filter(|tracked| Arc::ptr_eq(&tracked.id.0, &id.0))
    }

    /// All, in no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Tracked> {
        self.table.iter().flatten()
    }

    /// Adds a service whose name is not there yet.
    pub(super) fn add(&mut self, digest: Digest, name: ServiceId, tracked: impl FnOnce(Id) -> Tracked) -> Id {
        let place = self.vacant.pop().unwrap_or(self.table.len());
        let id = Id(Arc::new(Entry { place, digest, name }));
        let tracked = Some(tracked(id.clone()));
        match self.table.get_mut(place) {
            Some(vacant) => *vacant = tracked,
            None => self.table.push(tracked),
        }
        self.names
            .insert_unique(digest.0, (digest, id.clone()), |(digest, _)| digest.0);
        id
    }

    /// Takes a service out.
    pub(super) fn remove(&mut self, id: &Id) {
        if self.get(id).is_none() {
            return;
        }
        if let Some(taken) = self.table.get_mut(id.0.place) {
            *taken = None;
            self.vacant.push(id.0.place);
        }
        if let Ok(name) = self.names.find_entry(id.0.digest.0, |(_, one)| one == id) {
            name.remove();
        }
    }
}
