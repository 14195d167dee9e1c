//! The yardsticks: the same bookkeeping in plain maps and sets, without a decision.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::net::IpAddr;

use lightship_core::names::ServiceId;
use lightship_core::service::Service;

use crate::Failure;
use crate::scene::{MILLION, each_since, elsewhere, processor, service, tenth};

/// Every free address in a set of its own numbers.
pub(crate) fn set() -> Result<Vec<f64>, Failure> {
    let mut free: BTreeSet<u128> = (0..1 << 20).collect();
    let start = processor()?;
    for _ in 0..MILLION {
        black_box(free.pop_first());
    }
    let taken = each_since(start, MILLION)?;
    let start = processor()?;
    for number in 0..MILLION {
        free.insert(u128::from(elsewhere(number)));
    }
    let given = each_since(start, MILLION)?;
    black_box(free);
    Ok(vec![taken, given])
}

/// Takes the lowest free address, whoever asks.
pub(crate) fn lowest(_: u32, free: &mut BTreeSet<IpAddr>) -> Option<IpAddr> {
    free.pop_first()
}

/// Takes an address far from the one before.
pub(crate) fn scattered(number: u32, free: &mut BTreeSet<IpAddr>) -> Option<IpAddr> {
    free.take(&tenth(elsewhere(number)))
}

/// A million services: who is known, who has what, and what is free.
pub(crate) fn serve(
    take: impl Fn(u32, &mut BTreeSet<IpAddr>) -> Option<IpAddr>,
) -> Result<Vec<f64>, Failure> {
    let services: Vec<Service> = (0..MILLION).map(service).collect();
    let ids: Vec<ServiceId> = services.iter().map(|service| service.id.clone()).collect();
    let mut free: BTreeSet<IpAddr> = (0..1 << 20).map(tenth).collect();
    let mut known: BTreeMap<ServiceId, (Service, IpAddr)> = BTreeMap::new();
    let mut holders: BTreeMap<IpAddr, ServiceId> = BTreeMap::new();
    let start = processor()?;
    let mut services = services.into_iter();
    for (number, service) in (0..).zip(services.by_ref()) {
        if let Some(address) = take(number, &mut free) {
            holders.insert(address, service.id.clone());
            known.insert(service.id.clone(), (service, address));
        }
    }
    let served = each_since(start, MILLION)?;
    drop(services);
    let start = processor()?;
    for id in &ids {
        if let Some((_, address)) = known.remove(id) {
            holders.remove(&address);
            free.insert(address);
        }
    }
    let released = each_since(start, MILLION)?;
    black_box((free, known, holders));
    Ok(vec![served, released])
}
