//! Who has which address, and where a sharing key is found.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::pages::Pages;
use super::range::{Family, PerFamily, Range, number};
use super::services::Id;
use super::sharing::SharingKey;

/// The services of one address, sorted; nearly always it is one.
#[derive(Clone, Debug)]
enum Sharers {
    One(Id),
    Several(Box<[Id]>),
}

impl Sharers {
    fn as_slice(&self) -> &[Id] {
        match self {
            Self::One(id) => std::slice::from_ref(id),
            Self::Several(ids) => ids,
        }
    }

    fn from_sorted(mut ids: Vec<Id>) -> Option<Self> {
        match ids.len() {
            0 => None,
            1 => ids.pop().map(Self::One),
            _ => Some(Self::Several(ids.into())),
        }
    }
}

/// The services of every address in use, and the addresses of every sharing key.
#[derive(Clone, Debug, Default)]
pub(super) struct Holders {
    by_address: PerFamily<Pages<Sharers>>,
    by_key: BTreeMap<SharingKey, BTreeMap<IpAddr, usize>>,
}

impl Holders {
    /// The services that have an address.
    pub(super) fn of(&self, address: IpAddr) -> &[Id] {
        let sharers = self.by_address.get(Family::of(address)).get(number(address));
        sharers.map_or(&[], Sharers::as_slice)
    }

    /// Addresses in use within a range, sorted.
    pub(super) fn within(&self, range: Range) -> impl Iterator<Item = (IpAddr, &[Id])> {
        let (first, last) = range.bounds();
        let family = range.family();
        let held = self.by_address.get(family).range(first, last);
        held.map(move |(number, sharers)| (family.address(number), sharers.as_slice()))
    }

    /// Addresses that services with this key have, sorted.
    pub(super) fn of_key(&self, key: &SharingKey) -> impl Iterator<Item = IpAddr> {
        self.by_key
            .get(key)
            .into_iter()
            .flat_map(|addresses| addresses.keys().copied())
    }

    /// The service has the address from now on; whether nobody had it before.
    pub(super) fn add(&mut self, address: IpAddr, id: &Id, key: Option<&SharingKey>) -> bool {
        let held = self.by_address.get_mut(Family::of(address));
        let before = held.insert(number(address), Sharers::One(id.clone()));
        let is_first = before.is_none();
        if let Some(before) = before {
            let mut ids = before.as_slice().to_vec();
            let place = ids.partition_point(|one| one < id);
            ids.insert(place, id.clone());
            held.insert(number(address), Sharers::Several(ids.into()));
        }
        self.add_key(address, key);
        is_first
    }

    /// The service has the address no more; whether nobody has it now.
    pub(super) fn remove(&mut self, address: IpAddr, id: &Id, key: Option<&SharingKey>) -> bool {
        self.remove_key(address, key);
        let held = self.by_address.get_mut(Family::of(address));
        let Some(before) = held.remove(number(address)) else {
            return true;
        };
        let others = before.as_slice().iter().filter(|one| *one != id);
        let Some(rest) = Sharers::from_sorted(others.cloned().collect()) else {
            return true;
        };
        held.insert(number(address), rest);
        false
    }

    /// A service that has the address has this key from now on.
    pub(super) fn add_key(&mut self, address: IpAddr, key: Option<&SharingKey>) {
        if let Some(key) = key {
            let addresses = self.by_key.entry(key.clone()).or_default();
            *addresses.entry(address).or_default() += 1;
        }
    }

    /// A service that has the address has this key no more.
    pub(super) fn remove_key(&mut self, address: IpAddr, key: Option<&SharingKey>) {
        let Some((key, addresses)) = key.and_then(|key| Some((key, self.by_key.get_mut(key)?))) else {
            return;
        };
        match addresses.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                addresses.remove(&address);
            }
        }
        if addresses.is_empty() {
            self.by_key.remove(key);
        }
    }
}
