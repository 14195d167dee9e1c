//! Service leases laid together into groups, as the watch sees them: the primary lease says who holds, all of them say what.

use std::collections::{BTreeMap, BTreeSet};

use crate::binding::Binding;
use crate::interfaces::{InterfaceExpressionError, InterfaceSelector};
use crate::names::ServiceId;
use crate::succession::leader::{chain, leader};
use crate::watch::{GroupView, Target};

/// How many sets of interface expressions are kept compiled.
const MOST_SELECTORS: usize = 64;

/// The bindings of all services.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    bindings: BTreeMap<ServiceId, Binding>,
    /// The services of each group, behind the primary that their leases name: nearly every group has one, which is not worth a
    /// set of its own.
    services: BTreeSet<(ServiceId, ServiceId)>,
    selectors: Selectors,
    /// Whether a test lets who is retired go before the heir leads.
    #[cfg(test)]
    pub(crate) forgets_retired: bool,
}

/// Interface expressions that were compiled before: all services of a policy have the same.
#[derive(Clone, Debug, Default)]
struct Selectors {
    compiled: BTreeMap<Vec<String>, InterfaceSelector>,
}

/// Whether a primary leads for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reign {
    Full,
    /// Its lease names an heir, whose lease does not name itself yet.
    Ending,
}

/// A group, and which of its announcements cannot be carried out.
#[derive(Debug)]
pub struct Laid {
    /// The group.
    pub view: GroupView,
    /// Services whose expressions do not parse, and why.
    pub unreadable: Vec<(ServiceId, InterfaceExpressionError)>,
}

impl Groups {
    /// Takes in a service's binding, or that it has none; returns the primaries whose groups may be another now.
    pub fn set(&mut self, service: ServiceId, binding: Option<Binding>) -> BTreeSet<ServiceId> {
        let mut touched = self.touching(&service);
        if let Some(before) = self.bindings.remove(&service) {
            let primary = before.order.primary;
            self.services.remove(&(primary.clone(), service.clone()));
            touched.insert(primary);
        }
        if let Some(binding) = binding {
            let primary = binding.order.primary.clone();
            self.services.insert((primary.clone(), service.clone()));
            touched.insert(primary);
            self.bindings.insert(service.clone(), binding);
        }
        touched.extend(self.touching(&service));
        touched.insert(service);
        touched
    }

    /// The primaries that a service's lease may make or unmake.
    fn touching(&self, service: &ServiceId) -> BTreeSet<ServiceId> {
        let onward = chain(service, &self.bindings).into_iter();
        let mut touched: BTreeSet<_> = onward.cloned().collect();
        let reaching = self.reaching(service).into_iter();
        touched.extend(reaching.filter(|one| self.naming(one).next().is_some()));
        touched
    }

    /// What a service's lease says.
    #[must_use]
    pub fn binding(&self, service: &ServiceId) -> Option<&Binding> {
        self.bindings.get(service)
    }

    /// The service whose lease took the place of a primary's as the authority.
    #[must_use]
    pub fn heir<'a>(&'a self, primary: &'a ServiceId) -> Option<&'a ServiceId> {
        let heir = leader(primary, &self.bindings)?;
        (heir != primary).then_some(heir)
    }

    /// The group of a primary, if there is such a primary: its own lease is there and names itself. One that was retired leads
    /// until its heir does, or nobody would answer in between; its lease goes, so nobody stands by to claim it.
    pub fn group(&mut self, primary: &ServiceId) -> Option<Laid> {
        let reign = self.reign(primary)?;
        let binding = self.bindings.get(primary)?;
        let (mut targets, mut unreadable) = (Vec::new(), Vec::new());
        for service in self.members(primary) {
            let Some(member) = self.bindings.get(&service) else {
                continue;
            };
            for announcement in &member.order.announcements {
                match self.selectors.get(&announcement.interfaces) {
                    Ok(interfaces) => targets.push(Target {
                        addresses: announcement.addresses.iter().copied().collect(),
                        interfaces,
                    }),
                    Err(error) => unreadable.push((service.clone(), error)),
                }
            }
        }
        let view = GroupView {
            holder: binding.holder.clone(),
            epoch: u32::try_from(binding.transitions).unwrap_or_default(),
            standbys: match reign {
                Reign::Full => binding.order.standbys.clone(),
                Reign::Ending => vec![],
            },
            former: binding.order.former.clone(),
            targets,
        };
        Some(Laid { view, unreadable })
    }

    /// Whether a service's lease says who holds the addresses of those that name it.
    fn reign(&self, id: &ServiceId) -> Option<Reign> {
        if self.bindings.get(id)?.order.primary == *id {
            return Some(Reign::Full);
        }
        #[cfg(test)]
        if self.forgets_retired {
            return None;
        }
        let mut others = self.reaching(id).into_iter().filter(|one| one != id);
        let is_led = others.any(|one| leader(&one, &self.bindings) == Some(id));
        is_led.then_some(Reign::Ending)
    }

    /// The services of a primary: those that name it, and those that still name one that it succeeds.
    fn members(&self, primary: &ServiceId) -> BTreeSet<ServiceId> {
        let mut members = self.reaching(primary);
        members.retain(|one| one == primary || leader(one, &self.bindings) == Some(primary));
        members
    }

    /// A service and all whose leases lead to it.
    fn reaching(&self, id: &ServiceId) -> BTreeSet<ServiceId> {
        let mut all = BTreeSet::from([id.clone()]);
        let mut reached = vec![id];
        while let Some(named) = reached.pop() {
            reached.extend(self.naming(named).filter(|one| all.insert((*one).clone())));
        }
        all
    }

    fn naming<'a>(&'a self, primary: &'a ServiceId) -> impl Iterator<Item = &'a ServiceId> {
        let services = self.services.range((primary.clone(), ServiceId::new("", ""))..);
        let services = services.take_while(move |(of, _)| of == primary);
        services.map(|(_, service)| service)
    }
}

impl Selectors {
    fn get(&mut self, expressions: &[String]) -> Result<InterfaceSelector, InterfaceExpressionError> {
        if let Some(selector) = self.compiled.get(expressions) {
            return Ok(selector.clone());
        }
        let selector = InterfaceSelector::compile(expressions)?;
        // Those of policies that were edited long ago are not kept for ever.
        if self.compiled.len() >= MOST_SELECTORS {
            self.compiled.clear();
        }
        self.compiled.insert(expressions.to_vec(), selector.clone());
        Ok(selector)
    }
}

#[cfg(test)]
mod tests;
