//! What becomes of the addresses of a node that is drained, decided as the operator would.

use std::net::IpAddr;

use lightship_core::names::{NodeName, ServiceId};
use lightship_core::placement::{Caveat, Outcome};
use lightship_core::service::DefaultClass;
use lightship_operator::rehearsal::Rehearsal;
use serde::Serialize;

use crate::cluster::Cluster;
use crate::output::Row;

/// What becomes of one service's addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fate {
    pub(crate) service: String,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) from: String,
    /// Where they go; none when they stay.
    pub(crate) to: Option<String>,
    /// Why they stay.
    pub(crate) why: Option<String>,
}

impl Row for Fate {
    const HEADINGS: &'static [&'static str] = &["SERVICE", "ADDRESSES", "FROM", "TO", "WHY"];

    fn cells(&self) -> Vec<String> {
        let addresses: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        vec![
            self.service.clone(),
            addresses.join(","),
            self.from.clone(),
            self.to.clone().unwrap_or_else(|| "nobody else".to_owned()),
            self.why.clone().unwrap_or_default(),
        ]
    }
}

/// What becomes of everything a node holds when it is drained.
pub(crate) fn of_drain(cluster: &Cluster, node: &str, default: DefaultClass) -> Vec<Fate> {
    let objects = || cluster.objects.clone();
    let drained = Rehearsal::of(objects().drained(node), default, cluster.wall);
    let gone = Rehearsal::of(objects().without(node), default, cluster.wall);
    let holder = NodeName::from(node);
    let fates = drained.held_by(&holder).filter_map(|(id, binding)| {
        let (to, why) = match drained.outcome(id) {
            Some(Outcome::Placed(placed)) if placed.holder != holder => {
                (Some(placed.holder.to_string()), None)
            }
            Some(Outcome::Placed(_) | Outcome::NoNode(_)) => (None, Some(why_it_stays(&gone, id))),
            // Nothing is to be announced for it any more: the operator takes its lease away.
            Some(Outcome::Unwanted(_)) | None => return None,
        };
        Some(Fate {
            service: id.to_string(),
            addresses: binding.order.addresses(),
            from: node.to_owned(),
            to,
            why,
        })
    });
    fates.collect()
}

/// What speaks against the other nodes, seen where this one is no more.
fn why_it_stays(gone: &Rehearsal, id: &ServiceId) -> String {
    match gone.outcome(id) {
        Some(Outcome::NoNode(refused)) if refused.is_empty() => "there is no other node".to_owned(),
        Some(Outcome::NoNode(refused)) => {
            let each = refused.iter().map(|(node, refusals)| {
                let why: Vec<_> = refusals.iter().map(|(_, refusal)| refusal.to_string()).collect();
                format!("{node}: {}", why.join(", "))
            });
            each.collect::<Vec<_>>().join("; ")
        }
        Some(Outcome::Placed(placed)) => {
            let grave = placed.caveats.iter().find_map(|caveat| match caveat {
                Caveat::OnlyNode(objection) => Some(objection.to_string()),
                Caveat::NoReadyEndpoint => None,
            });
            let why = grave.unwrap_or_else(|| "could hold it, but has no more in its favour".to_owned());
            format!("{} {why}", placed.holder)
        }
        _ => "no other node can hold it".to_owned(),
    }
}
