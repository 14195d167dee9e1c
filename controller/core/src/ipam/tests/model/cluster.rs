//! The API server of the game, and what happens there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::super::*;
use super::event::{Event, Fate, Sight, Tampering, address, pool_name, service_id};
use super::frozen::{Frozen, WHY};
use super::invariants::may_share;
use super::operator::{Operator, Write, is_left_to_others};
use crate::names::PoolName;

/// What is stored, and the operator that sees it.
#[derive(Clone, Default)]
pub(super) struct Cluster {
    pub(super) services: BTreeMap<ServiceId, (u64, Service)>,
    pub(super) pools: BTreeMap<PoolName, PoolSpec>,
    /// Writes that may arrive yet.
    late: Vec<Write>,
    version: u64,
    pub(super) seconds: u64,
    pub(super) operator: Operator,
    /// While the pools cannot be believed.
    pub(super) frozen: Option<Frozen>,
    /// What a write put where it must not be.
    pub(super) doubled: Option<String>,
    /// What a restart changed.
    pub(super) restarted: Option<String>,
}

/// What is compared with afterwards.
#[derive(Clone)]
pub(super) struct Before {
    pub(super) allocations: BTreeMap<ServiceId, Allocation>,
    pub(super) seen: BTreeMap<ServiceId, Service>,
    pub(super) seconds: u64,
    /// The addresses whose grace had begun, where time stood still for all others.
    pub(super) uncovered: Option<BTreeSet<IpAddr>>,
}

impl Cluster {
    pub(super) fn before(&self, event: &Event) -> Before {
        match (&self.frozen, event) {
            (Some(frozen), Event::Thaw) => frozen.before.clone(),
            _ => self.now(),
        }
    }

    fn now(&self) -> Before {
        let seen = &self.operator.seen;
        let allocation = |id: &ServiceId| Some((id.clone(), self.operator.ipam.allocation(id)?));
        Before {
            allocations: seen.keys().filter_map(allocation).collect(),
            seen: seen
                .iter()
                .map(|(id, (_, service))| (id.clone(), service.clone()))
                .collect(),
            seconds: self.seconds,
            uncovered: None,
        }
    }

    pub(super) fn happen(&mut self, event: &Event) {
        self.operator.go_on();
        match event {
            Event::Service(number, form, sight) => {
                let id = service_id(*number);
                let mut service = form.service(*number);
                if let Some((_, known)) = self.services.get(&id) {
                    service.ingress.clone_from(&known.ingress);
                    service.ingress_owner = known.ingress_owner;
                    service.satisfied_since = known.satisfied_since;
                }
                self.store(service);
                if *sight == Sight::Now {
                    self.see(&id);
                }
            }
            Event::DeleteService(number, sight) => {
                let id = service_id(*number);
                self.services.remove(&id);
                if *sight == Sight::Now {
                    self.see(&id);
                }
            }
            Event::Pool(number, form, sight) => {
                let spec = form.spec(*number);
                self.pools.insert(spec.name.clone(), spec);
                if *sight == Sight::Now {
                    self.see_pool(&pool_name(*number));
                }
            }
            Event::DeletePool(number, sight) => {
                self.pools.remove(&pool_name(*number));
                if *sight == Sight::Now {
                    self.see_pool(&pool_name(*number));
                }
            }
            Event::Write(number, fate) => self.write(&service_id(*number), *fate),
            Event::Arrive(number) => {
                let id = service_id(*number);
                let mut arrived: Vec<Write> = self.late.extract_if(.., |write| write.id == id).collect();
                if let Some(write) = arrived.pop() {
                    self.apply(&write);
                }
            }
            Event::See(number) => self.see(&service_id(*number)),
            Event::SeePool(number) => self.see_pool(&pool_name(*number)),
            Event::Tamper(number, tampering) => self.tamper(&service_id(*number), *tampering),
            Event::Wait(seconds) => self.wait(*seconds),
            Event::Restart => {
                // What a dead leader sent arrives or does not, before its lease is over.
                for write in std::mem::take(&mut self.late) {
                    if write.version.is_multiple_of(2) {
                        self.apply(&write);
                    }
                }
                self.restart();
            }
            Event::HandOver => {
                for write in std::mem::take(&mut self.late) {
                    self.apply(&write);
                }
                self.restart();
            }
            Event::Freeze => {
                if self.frozen.is_none() {
                    self.frozen = Some(Frozen::new(self.now(), self.operator.pools.values()));
                }
                self.operator.ipam.freeze(WHY.to_owned());
            }
            Event::Thaw => self.thaw(),
            Event::Settle => self.settle(),
        }
    }

    /// What is decided again is decided by the pools as they are.
    fn thaw(&mut self) {
        let Some(frozen) = self.frozen.take() else {
            return;
        };
        self.see_pools();
        self.operator.go_on_from(frozen.is_anew, at(self.seconds));
    }

    fn see_pools(&mut self) {
        for number in 0..4 {
            self.see_pool(&pool_name(number));
        }
    }

    /// All addresses that a service shows whose ingress we wrote.
    fn shows(&self, address: IpAddr) -> impl Iterator<Item = &Service> {
        let services = self.services.values().map(|(_, service)| service);
        services.filter(move |one| one.ingress_owner == IngressOwner::Us && one.ingress.contains(&address))
    }

    fn is_doubled_by_others(&self) -> bool {
        let services = self.services.values().map(|(_, service)| service);
        let theirs = services.filter(|service| is_left_to_others(service));
        let mut shown: Vec<_> = theirs.flat_map(|service| &service.ingress).collect();
        shown.sort();
        shown.windows(2).any(|pair| pair[0] == pair[1])
    }

    fn wait(&mut self, seconds: u64) {
        self.seconds += seconds;
        // The API server drops a request it could not serve for so long.
        let now = self.seconds;
        self.late
            .retain(|write| write.sent + super::operator::PATIENCE > now);
        self.operator.advance(now);
    }

    fn store(&mut self, service: Service) {
        self.version += 1;
        self.services.insert(service.id.clone(), (self.version, service));
    }

    fn see(&mut self, id: &ServiceId) {
        if let Some((version, service)) = self.services.get(id) {
            self.operator.see(*version, service.clone(), at(self.seconds));
        } else {
            self.operator.forget(id, at(self.seconds));
            if let Some(frozen) = &mut self.frozen {
                frozen.before.allocations.remove(id);
            }
        }
    }

    fn see_pool(&mut self, name: &PoolName) {
        self.operator
            .see_pool(name, self.pools.get(name), at(self.seconds));
    }

    fn tamper(&mut self, id: &ServiceId, tampering: Tampering) {
        let Some((_, known)) = self.services.get(id) else {
            return;
        };
        let mut service = known.clone();
        (service.ingress, service.ingress_owner) = match tampering {
            Tampering::Two(one, two) if address(one) != address(two) => {
                (vec![address(one), address(two)], IngressOwner::Another)
            }
            Tampering::Address(one) | Tampering::Two(one, _) => (vec![address(one)], IngressOwner::Another),
            Tampering::ByCilium(one) => (vec![address(one)], IngressOwner::Cilium),
            Tampering::Name => (vec![], IngressOwner::Another),
            Tampering::Cleared => (vec![], IngressOwner::Us),
        };
        self.store(service);
    }

    fn write(&mut self, id: &ServiceId, fate: Fate) {
        let Some(write) = self.operator.write(id, self.seconds) else {
            return;
        };
        if let Some(frozen) = &self.frozen {
            self.doubled = frozen.decides(&write, &self.operator.seen[id].1);
        }
        match fate {
            Fate::Done => {
                if self.apply(&write) {
                    self.see(id);
                } else {
                    self.operator.refused(id);
                }
            }
            Fate::Refused => self.operator.refused(id),
            Fate::Unanswered => {
                self.apply(&write);
                self.operator.unanswered(id, self.seconds);
            }
            Fate::Late => {
                self.late.push(write);
                self.operator.unanswered(id, self.seconds);
            }
        }
    }

    /// The API server takes the write, if the service is what it was when the write was decided.
    fn apply(&mut self, write: &Write) -> bool {
        let Some((version, known)) = self.services.get(&write.id) else {
            return false;
        };
        if *version != write.version {
            return false;
        }
        let mut service = known.clone();
        for address in write.ingress.iter().filter(|one| !known.ingress.contains(one)) {
            let mut others = self.shows(*address).filter(|other| other.id != write.id);
            let shares = |other: &Service| write.sharers.contains(&other.id) || may_share(known, other);
            let other = others.find(|other| !shares(other)).map(|other| other.id.clone());
            drop(others);
            if let Some(other) = other {
                self.doubled = Some(format!("{address} written to {} and shown by {other}", write.id));
            }
        }
        if service.ingress != write.ingress {
            service.ingress.clone_from(&write.ingress);
            service.ingress_owner = IngressOwner::Us;
        }
        service.satisfied_since = match (write.satisfied, service.satisfied_since) {
            (false, _) => None,
            (true, Some(since)) => Some(since),
            (true, None) => Some(Timestamp(i64::try_from(self.seconds).unwrap())),
        };
        self.store(service);
        true
    }

    fn restart(&mut self) {
        let mut operator = Operator::default();
        for spec in self.pools.values().rev() {
            operator.see_pool(&spec.name, Some(spec), at(self.seconds));
        }
        for (version, service) in self.services.values().rev() {
            operator.see(*version, service.clone(), at(self.seconds));
        }
        // A leader hands over with no write in flight, and a crashed one's writes are waited for by the lease.
        self.late.clear();
        if let Some(frozen) = &mut self.frozen {
            operator.ipam.freeze(WHY.to_owned());
            frozen.is_anew = true;
        } else {
            operator.start(at(self.seconds));
        }
        self.operator = operator;
    }

    fn settle(&mut self) {
        self.late.clear();
        self.thaw();
        self.see_pools();
        for id in self.operator.seen.keys().cloned().collect::<Vec<_>>() {
            self.see(&id);
        }
        self.wait(2 * super::operator::PATIENCE);
        for _ in 0..6 {
            for id in self.services.keys().cloned().collect::<Vec<_>>() {
                self.see(&id);
                self.write(&id, Fate::Done);
            }
        }
        let told = |cluster: &Self| -> BTreeMap<ServiceId, Allocation> {
            // Which of two that others gave one address is counted for it, does not matter.
            let services = cluster.services.values().map(|(_, service)| service);
            let ours = services.filter(|service| !is_left_to_others(service));
            let told = |service: &Service| cluster.operator.ipam.allocation(&service.id);
            ours.filter_map(|service| Some((service.id.clone(), told(service)?)))
                .collect()
        };
        let reports = |cluster: &Self| -> Vec<_> {
            let reports = cluster
                .pools
                .keys()
                .map(|name| cluster.operator.ipam.report(name, 512));
            reports
                .flatten()
                .map(|report| (report.counts, report.conflict))
                .collect()
        };
        let (before, reports_before) = (told(self), reports(self));
        self.restart();
        let writes: Vec<_> = self
            .services
            .keys()
            .filter_map(|id| self.operator.clone().write(id, self.seconds))
            .collect();
        if self.is_doubled_by_others() {
            // Which of the two is named to those who wait for the address is chance.
        } else if told(self) != before {
            let changed: Vec<_> = told(self)
                .into_iter()
                .filter(|(id, now)| before.get(id) != Some(now))
                .map(|(id, now)| format!("{id}: {:?} became {now:?}", before.get(&id)))
                .collect();
            self.restarted = Some(changed.join("\n"));
        } else if reports(self) != reports_before {
            self.restarted = Some(format!("{reports_before:?} became {:?}", reports(self)));
        } else if !writes.is_empty() {
            self.restarted = Some(format!("a restart writes {writes:?}"));
        }
    }
}
