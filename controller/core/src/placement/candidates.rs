//! Which nodes may hold for which policies and endpoints, judged once per such set and not once per service.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::choose::Ranking;
use super::eligible::{Refusal, Suitability, Trust, suitability};
use super::place::Cluster;
use super::standby::Peers;
use crate::binding::Announcement;
use crate::heartbeat::Freshness;
use crate::names::{NodeName, PolicyName};
use crate::time::Instant;

/// Every node of the cluster, judged for one set of policies.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// Nodes that may hold.
    pub(super) suitable: BTreeMap<NodeName, Suitability>,
    /// Nodes that may not, and why.
    pub(super) refused: BTreeMap<NodeName, Vec<(PolicyName, Refusal)>>,
    peers: RefCell<Peers>,
    ranking: OnceCell<Ranking>,
}

impl Judged {
    /// How the suitable nodes compare.
    pub(super) fn ranking(&self) -> &Ranking {
        self.ranking.get_or_init(|| Ranking::of(&self.suitable))
    }

    /// Every suitable node but the holder, in the order in which the holder takes its peers.
    pub(super) fn peers(&self, holder: &NodeName) -> Rc<[NodeName]> {
        self.peers.borrow_mut().of(holder, &self.suitable)
    }

    /// The same with only the given nodes left; the others have no endpoint.
    fn on(&self, nodes: &BTreeSet<NodeName>) -> Self {
        let mut judged = Self {
            refused: self.refused.clone(),
            ..Self::default()
        };
        for (name, one) in &self.suitable {
            if nodes.contains(name) {
                judged.suitable.insert(name.clone(), one.clone());
            } else {
                let refusals = one.policies.iter();
                let refusals = refusals.map(|policy| (policy.clone(), Refusal::NoLocalEndpoint));
                judged.refused.insert(name.clone(), refusals.collect());
            }
        }
        judged
    }
}

type Key = (Vec<PolicyName>, Option<BTreeSet<NodeName>>);

/// The judgements of one decision.
pub(super) struct Candidates<'a> {
    cluster: &'a Cluster,
    now: Instant,
    judged: BTreeMap<Key, Rc<Judged>>,
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

    /// Every node, judged for the policies that ask for these announcements, and for where endpoints have to be.
    pub(super) fn of<'b>(
        &mut self,
        wanted: impl Iterator<Item = &'b Announcement>,
        endpoints: Option<BTreeSet<NodeName>>,
    ) -> Rc<Judged> {
        let mut names: Vec<PolicyName> = wanted.map(|announcement| announcement.policy.clone()).collect();
        names.sort();
        names.dedup();
        let everywhere = (names, None);
        let Self { cluster, now, judged } = self;
        let all = judged
            .entry(everywhere.clone())
            .or_insert_with_key(|(names, _)| Rc::new(judge(cluster, names, *now)));
        let all = Rc::clone(all);
        let Some(nodes) = endpoints else {
            return all;
        };
        let (names, _) = everywhere;
        let local = judged.entry((names, Some(nodes.clone())));
        Rc::clone(local.or_insert_with(|| Rc::new(all.on(&nodes))))
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
        let trust = if report.is_some_and(|(_, freshness)| freshness == Freshness::Gone) {
            Trust::Gone
        } else if !cluster.steadiness.is_held_down(name, now) {
            Trust::Steady
        } else if cluster.steadiness.was_deposed(name) {
            Trust::HeldDown
        } else {
            Trust::Late
        };
        match suitability(node, report, trust, policies) {
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
