//! Which nodes may hold for which policies, judged once per set of policies and not once per service.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::eligible::{Refusal, Suitability, suitability};
use super::place::Cluster;
use crate::binding::Announcement;
use crate::names::{NodeName, PolicyName};
use crate::time::Instant;

/// Every node of the cluster, judged for one set of policies.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// Nodes that may hold.
    pub(super) suitable: BTreeMap<NodeName, Suitability>,
    /// Nodes that may not, and why.
    pub(super) refused: BTreeMap<NodeName, Vec<(PolicyName, Refusal)>>,
}

/// The judgements of one decision.
pub(super) struct Candidates<'a> {
    cluster: &'a Cluster,
    now: Instant,
    judged: BTreeMap<Vec<PolicyName>, Rc<Judged>>,
}

impl<'a> Candidates<'a> {
    /// No judgement yet.
    pub(super) fn new(cluster: &'a Cluster, now: Instant) -> Self {
        Self {
            cluster,
            now,
            judged: BTreeMap::new(),
        }
    }

    /// Every node, judged for the policies that ask for these announcements.
    pub(super) fn of<'b>(&mut self, wanted: impl Iterator<Item = &'b Announcement>) -> Rc<Judged> {
        let mut names: Vec<PolicyName> = wanted.map(|announcement| announcement.policy.clone()).collect();
        names.sort();
        names.dedup();
        let Self { cluster, now, judged } = self;
        Rc::clone(
            judged
                .entry(names)
                .or_insert_with_key(|names| Rc::new(judge(cluster, names, *now))),
        )
    }
}

fn judge(cluster: &Cluster, names: &[PolicyName], now: Instant) -> Judged {
    let mut judged = Judged::default();
    for (name, node) in &cluster.nodes {
        let beats = &cluster.heartbeats;
        let report = beats.inventory(name).zip(beats.freshness(name, now));
        let policies = names
            .iter()
            .filter_map(|policy| cluster.policies.get_key_value(policy));
        match suitability(node, report, policies) {
            Ok(one) => {
                judged.suitable.insert(name.clone(), one);
            }
            Err(refusals) => {
                judged.refused.insert(name.clone(), refusals);
            }
        }
    }
    judged
}
