//! A leader's view asked, by somebody who carries out none of its writes.

use lightship_core::ipam::{Allocation, PoolReport};
use lightship_core::names::{PolicyName, PoolName, ServiceId};
use lightship_core::placement::{Cluster, Outcome};
use lightship_core::service::Handling;
use lightship_core::time::Instant;

use super::World;
use crate::index;
use crate::index::policy::Reading;

impl World {
    /// Decides everything, as it will be once every move has had its turn.
    pub(crate) fn decide_to_the_end(&mut self, now: Instant) {
        self.decide(now, 0);
        while let Some(at) = self.placements.next_deadline() {
            for id in self.placements.take_due(&self.cluster, at) {
                self.replace_service(id);
            }
            self.place(at);
        }
    }

    pub(crate) fn allocation(&self, id: &ServiceId) -> Option<Allocation> {
        self.ipam.allocation(id)
    }

    pub(crate) fn handling(&self, id: &ServiceId) -> Option<Handling> {
        let service = self.services.get(id)?;
        Some(index::service::facts(service, self.inherited(service), self.default_class).handling)
    }

    pub(crate) fn outcome(&self, id: &ServiceId) -> Option<&Outcome> {
        self.placements.get(id)
    }

    pub(crate) fn pool_report(&self, name: &PoolName) -> Option<PoolReport> {
        self.ipam.report(name, 0)
    }

    pub(crate) fn readings(&self) -> impl Iterator<Item = (&PolicyName, &Reading)> {
        self.policies.iter().map(|(name, (_, reading))| (name, reading))
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}
