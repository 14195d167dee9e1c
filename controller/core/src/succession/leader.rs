//! Which lease is the authority, as long as leases name each other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::binding::Binding;
use crate::names::ServiceId;

/// The services that a service's lease leads to, itself first, each by the primary it names.
pub(crate) fn chain<'a>(id: &'a ServiceId, bindings: &'a BTreeMap<ServiceId, Binding>) -> Vec<&'a ServiceId> {
    let mut chain = Vec::new();
    let mut next = id;
    while let Some(binding) = bindings.get(next).filter(|_| !chain.contains(&next)) {
        chain.push(next);
        next = &binding.order.primary;
    }
    chain
}

/// The service whose lease says who holds the addresses of another: the primary it names. One that was retired says so until its
/// heir names itself. Of those that name each other meanwhile, copies are never in the latest epoch.
pub(crate) fn leader<'a>(
    id: &'a ServiceId,
    bindings: &'a BTreeMap<ServiceId, Binding>,
) -> Option<&'a ServiceId> {
    let chain = chain(id, bindings);
    let last = *chain.last()?;
    if bindings.get(last)?.order.primary == *last {
        return Some(last);
    }
    let named: BTreeSet<_> = chain
        .iter()
        .filter_map(|one| Some(&bindings.get(*one)?.order.primary))
        .collect();
    let epoch = |one: &ServiceId| bindings.get(one).map(|binding| binding.transitions);
    let candidates = chain.into_iter().filter(|one| named.contains(*one));
    candidates.max_by_key(|one| (epoch(one), Reverse(*one)))
}
