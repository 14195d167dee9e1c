//! The leases that the operator writes: a small model of that, around the succession that is what runs.

use std::collections::BTreeSet;

use super::api::What;
use super::operator::{Call, Operator};
use super::world::World;
use crate::binding::Binding;
use crate::names::{NodeName, ServiceId};
use crate::placement::Outcome;
use crate::succession::keeps_from;

impl World {
    /// The write that makes a lease say what is decided, unless another has to come first.
    pub(super) fn write_lease(&mut self, service: ServiceId) {
        let Operator {
            calls,
            cluster,
            placements,
            succession,
            versions,
            ..
        } = &mut self.operator;
        let bindings = &cluster.bindings;
        let (outcome, bound) = (placements.get(&service), bindings.get(&service));
        let wanted = outcome.map(Outcome::addresses).unwrap_or_default();
        let own = bound.map(|one| one.order.addresses()).unwrap_or_default();
        let concerned: BTreeSet<_> = own.into_iter().chain(wanted).collect();
        let waits_for = |call: &Call| match call {
            Call::Put(order) if order.service == service => true,
            Call::Put(order) => {
                let is_shared = order.addresses().iter().any(|one| concerned.contains(one));
                is_shared && succession.awaits(&service, outcome, &order.service, &order.primary, bindings)
            }
            Call::Delete(other) => *other == service,
            Call::List | Call::Members => false,
        };
        if calls.values().any(waits_for) {
            return;
        }
        // Every lease is looked at whenever anything changes: what comes first has its turn.
        if succession
            .first(&service, outcome, bindings, placements)
            .is_some()
        {
            return;
        }
        let version = bound.map_or(0, |_| versions[&service]);
        let successor = succession.successor(&service, outcome, placements);
        if let Some((bound, successor)) = bound.zip(successor) {
            let mut binding = bound.clone();
            binding.order.primary = successor;
            return self.put(service, binding, version);
        }
        let parted = succession.parted(&service, outcome, bindings, placements);
        let Some(Outcome::Placed(placed)) = parted.as_ref().or(outcome) else {
            if bound.is_some() {
                let what = What::Delete {
                    service: service.clone(),
                    version,
                };
                self.operator_calls(what, Call::Delete(service));
            }
            return;
        };
        let wanted = placed.order.addresses();
        let shares = |other: &Binding| other.order.addresses().iter().any(|one| wanted.contains(one));
        let others = bindings
            .iter()
            .filter(|(id, other)| **id != service && shares(other));
        let mut others = others.map(|(other, _)| other);
        if others.any(|other| keeps_from(other, bindings, placed)) {
            return;
        }
        let is_same = bound.is_some_and(|bound| bound.holder == placed.holder);
        let epoch = succession.epoch(outcome, bound);
        let says_so = |bound: &&Binding| is_same && bound.order == placed.order && bound.transitions >= epoch;
        if bound.as_ref().is_some_and(says_so) {
            return;
        }
        let transitions = bound.map_or(0, |bound| bound.transitions + i32::from(!is_same));
        let binding = Binding {
            holder: placed.holder.clone(),
            transitions: transitions.max(epoch),
            order: placed.order.clone(),
        };
        self.put(service, binding, version);
    }

    fn put(&mut self, service: ServiceId, binding: Binding, version: u64) {
        self.tell(|| {
            let Binding {
                holder,
                transitions,
                order,
            } = &binding;
            format!(
                "operator: {service} to {holder}, epoch {transitions}, primary {}, standbys {:?}, former {:?}",
                order.primary,
                order.standbys.iter().map(NodeName::as_str).collect::<Vec<_>>(),
                order.former
            )
        });
        let call = Call::Put(Box::new(binding.order.clone()));
        let what = What::Put {
            service,
            binding: Box::new(binding),
            version,
        };
        self.operator_calls(what, call);
    }
}
