//! What a service can get: the addresses it names, or one of each family it asks for.

use std::net::IpAddr;

use super::machine::Ipam;
use super::pool::Pool;
use super::range::Family;
use super::services::Id;
use super::sharing::{Clash, may_share};
use super::verdict::{NAMED, Reason, Verdict};
use crate::names::ServiceId;
use crate::service::{Requested, Service};

/// Of the addresses of a key that cannot be joined so many are told.
const UNSHARED: usize = 3;

impl Ipam {
    /// Gives the service what it asks for and can have.
    pub(super) fn fill(&mut self, id: &Id, service: &Service) -> Verdict {
        let mut reasons: Vec<Reason> = service
            .requested
            .iter()
            .filter_map(|item| self.fill_requested(id, service, item).err())
            .collect();
        if service.requested.is_empty() {
            let families = service.families.iter();
            reasons = families
                .filter_map(|family| self.fill_family(id, service, *family).err())
                .collect();
        }
        if reasons.is_empty() {
            Verdict::Satisfied
        } else {
            Verdict::Unsatisfied(reasons)
        }
    }

    fn fill_requested(&mut self, id: &Id, service: &Service, item: &Requested) -> Result<(), Reason> {
        let address = match item {
            Requested::Address(address) => *address,
            Requested::Unreadable(text) => return Err(Reason::Unreadable(text.clone())),
        };
        if self.has(id, address) {
            return Ok(());
        }
        self.pool_gives(service, address)?;
        if let Some((other, clash)) = self.clash(id, service, address) {
            return Err(match service.sharing {
                Some(_) => Reason::CannotShare {
                    address,
                    with: other,
                    clash,
                },
                None => Reason::Taken { address, by: other },
            });
        }
        self.hold(id, address);
        Ok(())
    }

    fn fill_family(&mut self, id: &Id, service: &Service, family: Family) -> Result<(), Reason> {
        let tracked = self.services.get(id);
        let mut held = tracked.into_iter().flat_map(|tracked| &tracked.held);
        if held.any(|address| Family::of(*address) == family) {
            return Ok(());
        }
        let unshared = match self.joinable(id, service, family) {
            Ok(address) => {
                self.hold(id, address);
                return Ok(());
            }
            Err(unshared) => unshared,
        };
        if let Some(address) = self.pools.lowest(service, family) {
            self.hold(id, address);
            return Ok(());
        }
        let full: Vec<_> = self
            .pools
            .serving(service, family)
            .take(NAMED + 1)
            .map(|pool| pool.spec.name.clone())
            .collect();
        if !full.is_empty() {
            return Err(Reason::OutOfAddresses {
                family,
                pools: full,
                unshared,
            });
        }
        let first = self.pools.iter().take(NAMED + 1);
        let missed = first.filter_map(|pool| Some((pool.spec.name.clone(), pool.refuses(service, family)?)));
        Err(Reason::NoPool {
            family,
            missed: missed.collect(),
        })
    }

    /// The first address of the service's key that it may share, or why it may not join the first few.
    fn joinable(
        &self,
        id: &Id,
        service: &Service,
        family: Family,
    ) -> Result<IpAddr, Vec<(IpAddr, ServiceId, Clash)>> {
        let mut unshared = Vec::new();
        let Some(sharing) = &service.sharing else {
            return Err(unshared);
        };
        let addresses = self.holders.of_key(&sharing.key);
        for address in addresses.filter(|address| Family::of(*address) == family) {
            let open = |pool: &Pool| {
                pool.refuses(service, family).is_none() && pool.gives(address) && !pool.reserves(address)
            };
            if !self.pools.covering(address).any(|(_, pool)| open(pool)) {
                continue;
            }
            match self.clash(id, service, address) {
                None => return Ok(address),
                Some((other, clash)) if unshared.len() < UNSHARED => unshared.push((address, other, clash)),
                Some(_) => {}
            }
        }
        Err(unshared)
    }

    /// Why no pool gives the very address to the service, whoever has it.
    fn pool_gives(&self, service: &Service, address: IpAddr) -> Result<(), Reason> {
        let mut reason = Reason::NotInAnyPool(address);
        for (_, pool) in self.pools.covering(address) {
            let name = pool.spec.name.clone();
            match pool.refuses(service, Family::of(address)) {
                Some(missed) => {
                    reason = Reason::PoolMissed {
                        address,
                        pool: name,
                        missed,
                    }
                }
                None if !pool.gives(address) => reason = Reason::Withheld { address, pool: name },
                None => return Ok(()),
            }
        }
        Err(reason)
    }

    /// The first of those who have an address with which the service may not share it.
    pub(super) fn clash(&self, id: &Id, service: &Service, address: IpAddr) -> Option<(ServiceId, Clash)> {
        let mut others = self.holders.of(address).iter().filter(|other| *other != id);
        others.find_map(|other| {
            let clash = may_share(service, &self.services.get(other)?.service).err()?;
            Some((other.name().clone(), clash))
        })
    }

    pub(super) fn has(&self, id: &Id, address: IpAddr) -> bool {
        let tracked = self.services.get(id);
        tracked.is_some_and(|tracked| tracked.held.contains(&address))
    }
}
