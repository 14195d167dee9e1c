//! What must never happen, judged while it happens.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lightship_abi::order::Order;

use super::Micros;
use super::kernel::Key;
use crate::binding::Binding;
use crate::names::ServiceId;

/// What the client sees of an address on a segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire {
    /// Since when nobody answers.
    pub(super) silent: Option<Micros>,
    /// From when to when nobody answered.
    pub(super) silences: Vec<(Micros, Micros)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Judge {
    /// The first thing that must not happen.
    pub(super) verdict: Option<(Micros, String)>,
    /// The highest claim that was delivered to a node since it booted, of those that beat what it answered by.
    claims: BTreeMap<(usize, Key), Order>,
    /// Holders of an address one after the other, whichever service's lease was the authority on it.
    pub(super) holders: BTreeMap<IpAddr, Vec<(Micros, String, i32)>>,
    pub(super) wires: BTreeMap<(usize, IpAddr), Wire>,
}

impl Judge {
    pub(super) fn condemn(&mut self, now: Micros, why: String) {
        self.verdict.get_or_insert((now, why));
    }

    /// A member's claim was delivered to a node that answers by `own`.
    pub(super) fn delivered(&mut self, node: usize, key: Key, claim: Order, own: Order) {
        if claim.beats(own) {
            let known = self.claims.entry((node, key)).or_insert(claim);
            if claim.beats(*known) {
                *known = claim;
            }
        }
    }

    pub(super) fn booted(&mut self, node: usize) {
        self.claims.retain(|(one, _), _| *one != node);
    }

    /// Never again after a claim that beats it.
    pub(super) fn answers(&mut self, now: Micros, node: usize, key: Key, own: Order) {
        let claim = self.claims.get(&(node, key)).copied();
        if let Some(claim) = claim.filter(|claim| claim.beats(own)) {
            let why = format!(
                "node-{node} answers for {} by {own:?} after a claim of {claim:?} was delivered to it",
                key.0
            );
            self.condemn(now, why);
        }
    }

    /// Who holds an address is said by a primary's lease; the others of its group are copies.
    pub(super) fn committed(&mut self, now: Micros, service: &ServiceId, new: &Binding) {
        if new.order.primary == *service {
            for address in new.order.addresses() {
                self.bound(now, address, new);
            }
        }
    }

    /// Epochs never go back, and each has one holder.
    fn bound(&mut self, now: Micros, address: IpAddr, new: &Binding) {
        let holders = self.holders.entry(address).or_default();
        let name = new.holder.to_string();
        let last = holders.last().cloned();
        if let Some((_, holder, epoch)) = last {
            if new.transitions < epoch || (new.transitions == epoch && name != holder) {
                let why = format!(
                    "{address} went from {holder} at {epoch} to {name} at {}",
                    new.transitions
                );
                self.condemn(now, why);
                return;
            }
            if name == holder {
                holders.last_mut().unwrap().2 = new.transitions;
                return;
            }
        }
        holders.push((now, name, new.transitions));
    }

    /// Who answers the client for an address on a segment now.
    pub(super) fn sampled(&mut self, now: Micros, at: (usize, IpAddr), answerers: &[(usize, Order)]) {
        let wire = self.wires.entry(at).or_default();
        if answerers.is_empty() {
            wire.silent.get_or_insert(now);
        } else if let Some(since) = wire.silent.take() {
            wire.silences.push((since, now));
        }
    }

    /// How often an address moved, by its leases.
    pub(super) fn moves(&self, address: &IpAddr) -> usize {
        self.holders.get(address).map_or(0, |holders| holders.len() - 1)
    }

    /// The longest silence that began after a moment; one that lasts counts until now.
    pub(super) fn longest_silence(&self, after: Micros, now: Micros) -> Micros {
        let of = |wire: &Wire| {
            let open = wire.silent.map(|since| (since, now));
            let all = wire.silences.iter().copied().chain(open);
            let late = all.filter(|(since, _)| *since >= after);
            late.map(|(since, until)| until - since).max().unwrap_or_default()
        };
        self.wires.values().map(of).max().unwrap_or_default()
    }
}
