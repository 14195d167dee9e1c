//! Service leases laid together into groups, as the watch sees them: the primary lease says who holds, all of them say what.

use std::collections::{BTreeMap, BTreeSet};

use lightship_core::binding::Binding;
use lightship_core::interfaces::{InterfaceExpressionError, InterfaceSelector};
use lightship_core::names::ServiceId;
use lightship_core::watch::{GroupView, Target};

/// How many sets of interface expressions are kept compiled.
const MOST_SELECTORS: usize = 64;

/// The bindings of all services.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    bindings: BTreeMap<ServiceId, Binding>,
    /// The services of each group, behind the primary that their leases name: nearly every group has one, which is not worth a
    /// set of its own.
    services: BTreeSet<(ServiceId, ServiceId)>,
    selectors: Selectors,
}

/// Interface expressions that were compiled before: all services of a policy have the same.
#[derive(Debug, Default)]
struct Selectors {
    compiled: BTreeMap<Vec<String>, InterfaceSelector>,
}

/// A group, and which of its announcements cannot be carried out.
#[derive(Debug)]
pub(crate) struct Laid {
    pub(crate) view: GroupView,
    pub(crate) unreadable: Vec<(ServiceId, InterfaceExpressionError)>,
}

impl Groups {
    /// Takes in a service's binding, or that it has none; returns the primaries whose groups may be another now.
    pub(crate) fn set(&mut self, service: ServiceId, binding: Option<Binding>) -> BTreeSet<ServiceId> {
        let mut touched = BTreeSet::from([service.clone()]);
        if let Some(before) = self.bindings.remove(&service) {
            let primary = before.order.primary;
            self.services.remove(&(primary.clone(), service.clone()));
            touched.insert(primary);
        }
        if let Some(binding) = binding {
            let primary = binding.order.primary.clone();
            self.services.insert((primary.clone(), service.clone()));
            touched.insert(primary);
            self.bindings.insert(service, binding);
        }
        touched
    }

    /// What a service's lease says.
    pub(crate) fn binding(&self, service: &ServiceId) -> Option<&Binding> {
        self.bindings.get(service)
    }

    /// The group of a primary, if there is such a primary: its own lease is there and names itself.
    pub(crate) fn group(&mut self, primary: &ServiceId) -> Option<Laid> {
        let binding = self.bindings.get(primary)?;
        if binding.order.primary != *primary {
            return None;
        }
        let (mut targets, mut unreadable) = (Vec::new(), Vec::new());
        let services = self.services.range((primary.clone(), ServiceId::new("", ""))..);
        let services = services.take_while(|(of, _)| of == primary);
        let members = services.filter_map(|(_, service)| Some((service, self.bindings.get(service)?)));
        for (service, member) in members {
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
            standbys: binding.order.standbys.clone(),
            former: binding.order.former.clone(),
            targets,
        };
        Some(Laid { view, unreadable })
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
mod tests {
    use lightship_core::binding::{Announcement, WorkOrder};

    use super::*;

    fn binding(service: &str, primary: &str, holder: &str, address: &str) -> (ServiceId, Binding) {
        let service = ServiceId::new("default", service);
        let order = WorkOrder {
            service: service.clone(),
            primary: ServiceId::new("default", primary),
            announcements: vec![Announcement {
                policy: "policy1".into(),
                addresses: vec![address.parse().unwrap()],
                interfaces: vec!["^eth".into()],
            }],
            standbys: vec!["node-2".into()],
            former: None,
            deposed: None,
        };
        let binding = Binding {
            holder: holder.into(),
            transitions: 3,
            order,
        };
        (service, binding)
    }

    #[test]
    fn the_primary_says_who_and_all_say_what() {
        let mut groups = Groups::default();
        for (name, address, holder) in [("a", "10.0.10.0", "node-1"), ("b", "10.0.10.1", "node-3")] {
            let (service, binding) = binding(name, "a", holder, address);
            groups.set(service, Some(binding));
        }
        let laid = groups.group(&ServiceId::new("default", "a")).unwrap();
        assert_eq!(laid.view.holder.as_str(), "node-1", "the other lease is a copy");
        assert_eq!(laid.view.epoch, 3);
        assert_eq!(laid.view.targets.len(), 2);
        assert!(
            groups.group(&ServiceId::new("default", "b")).is_none(),
            "no group of its own"
        );
    }

    #[test]
    fn a_service_that_changes_its_group_touches_both() {
        let mut groups = Groups::default();
        for name in ["a", "b"] {
            let (service, binding) = binding(name, "a", "node-1", "10.0.10.0");
            groups.set(service, Some(binding));
        }
        let (service, alone) = binding("b", "b", "node-1", "10.0.10.0");
        let touched = groups.set(service.clone(), Some(alone));
        assert_eq!(touched, [ServiceId::new("default", "a"), service.clone()].into());
        assert_eq!(groups.group(&service).unwrap().view.targets.len(), 1);
        assert_eq!(groups.set(service.clone(), None), [service.clone()].into());
        assert!(groups.group(&service).is_none());
    }

    #[test]
    fn an_expression_that_does_not_parse_leaves_the_others() {
        let mut groups = Groups::default();
        let (service, mut broken) = binding("a", "a", "node-1", "10.0.10.0");
        let mut second = broken.order.announcements[0].clone();
        second.interfaces = vec!["(".into()];
        broken.order.announcements.push(second);
        groups.set(service.clone(), Some(broken));
        let laid = groups.group(&service).unwrap();
        assert_eq!((laid.view.targets.len(), laid.unreadable.len()), (1, 1));
    }
}
