//! The lease that a claim writes: the same binding under a new holder and epoch.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use lightship_core::names::{NodeName, ServiceId};
use lightship_crd::annotation;
use lightship_edge::lease::Unreadable;
use lightship_edge::watch::forget_managers;
use lightship_edge::{Clock, TraceContext, lease};

/// A claim as it was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The group.
    pub(crate) primary: ServiceId,
    /// The holder that the lease must still name.
    pub(crate) holder: NodeName,
    /// The epoch that the lease must still have.
    pub(crate) seen: u32,
    /// The epoch to write.
    pub(crate) epoch: u32,
    /// Who claims.
    pub(crate) claimant: NodeName,
    /// The span it is made by.
    pub(crate) trace: Option<TraceContext>,
}

/// What a lease says about a claim.
#[derive(Debug)]
pub(crate) enum Standing {
    /// It can be claimed by writing this in its place.
    Open(Box<Lease>),
    /// It is the claimant's, by this claim or a later one.
    Ours,
    /// It says something else.
    Gone,
}

impl Claim {
    /// The same, made by a span.
    pub(crate) fn traced(mut self, trace: Option<TraceContext>) -> Self {
        self.trace = trace;
        self
    }

    /// Weighs a lease: what the claim would write, or what came of it.
    ///
    /// # Errors
    /// When the lease cannot be read or written out.
    pub(crate) fn weigh(&self, lease: &Lease) -> Result<Standing, Unreadable> {
        let binding = lease::binding(lease)?;
        let epoch = u32::try_from(binding.transitions).unwrap_or_default();
        if binding.holder == self.claimant && epoch >= self.epoch {
            return Ok(Standing::Ours);
        }
        let Ok(transitions) = i32::try_from(self.epoch) else {
            return Ok(Standing::Gone);
        };
        // A lease that was retired is an authority no more, and one that a part of its group leaves is nobody's to claim.
        let is_authority = binding.order.primary == self.primary;
        if !is_authority
            || !binding.concerns(&self.claimant)
            || binding.holder != self.holder
            || epoch != self.seen
        {
            return Ok(Standing::Gone);
        }
        let mut order = binding.order;
        if self.holder != self.claimant {
            // Only the operator puts a deposed node back among the standbys.
            order
                .standbys
                .retain(|standby| *standby != self.claimant && *standby != self.holder);
            (order.former, order.deposed) = (None, Some(self.holder.clone()));
        }
        let text = order.to_annotation().map_err(|source| Unreadable::Annotation {
            name: annotation::WORK_ORDER,
            source,
        })?;
        let mut lease = lease.clone();
        forget_managers(&mut lease);
        lease
            .metadata
            .annotations
            .get_or_insert_default()
            .insert(annotation::WORK_ORDER.to_owned(), text);
        lease::set_trace_context(&mut lease, self.trace.as_ref());
        let spec = lease.spec.get_or_insert_default();
        let now = MicroTime(Clock::wall());
        spec.holder_identity = Some(self.claimant.to_string());
        spec.lease_transitions = Some(transitions);
        spec.acquire_time = Some(now.clone());
        spec.renew_time = Some(now);
        Ok(Standing::Open(Box::new(lease)))
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::coordination::v1::LeaseSpec;
    use lightship_core::binding::WorkOrder;

    use super::*;

    fn bound(holder: &str, transitions: i32) -> Lease {
        let service = ServiceId::new("default", "web");
        let order = WorkOrder {
            service: service.clone(),
            primary: service,
            announcements: vec![],
            standbys: vec!["node-2".into(), "node-3".into()],
            former: Some("node-4".into()),
            deposed: None,
        };
        let mut lease = Lease {
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_transitions: Some(transitions),
                ..LeaseSpec::default()
            }),
            ..Lease::default()
        };
        lease.metadata.resource_version = Some("7".to_owned());
        lease.metadata.annotations =
            Some([(annotation::WORK_ORDER.to_owned(), order.to_annotation().unwrap())].into());
        lease
    }

    fn claim() -> Claim {
        Claim {
            primary: ServiceId::new("default", "web"),
            holder: "node-1".into(),
            seen: 4,
            epoch: 5,
            claimant: "node-2".into(),
            trace: None,
        }
    }

    #[test]
    fn a_claim_starts_an_epoch_and_names_whom_it_deposed() {
        let Standing::Open(written) = claim().weigh(&bound("node-1", 4)).unwrap() else {
            panic!("it can be claimed")
        };
        assert_eq!(written.metadata.resource_version.as_deref(), Some("7"));
        let binding = lease::binding(&written).unwrap();
        assert_eq!((binding.holder.as_str(), binding.transitions), ("node-2", 5));
        assert_eq!(binding.order.standbys, ["node-3".into()]);
        assert_eq!(
            (binding.order.former, binding.order.deposed),
            (None, Some("node-1".into()))
        );
    }

    #[test]
    fn a_claim_carries_its_own_trace_and_never_that_of_an_earlier_write() {
        let mut lease = bound("node-1", 4);
        let text = |last| format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333{last}-01");
        let earlier = TraceContext::from_traceparent(&text(1));
        lease::set_trace_context(&mut lease, earlier.as_ref());
        for trace in [None, TraceContext::from_traceparent(&text(2))] {
            let claim = Claim {
                trace: trace.clone(),
                ..claim()
            };
            let Standing::Open(written) = claim.weigh(&lease).unwrap() else {
                panic!("it can be claimed")
            };
            assert_eq!(lease::trace_context(&written), trace);
        }
    }

    #[test]
    fn only_the_binding_that_was_seen_is_claimed() {
        let is_gone = |lease| matches!(claim().weigh(&lease).unwrap(), Standing::Gone);
        assert!(is_gone(bound("node-3", 4)));
        assert!(is_gone(bound("node-1", 5)));
        let mut parted = bound("node-1", 4);
        let mut order = lease::binding(&parted).unwrap().order;
        order.standbys = vec!["node-3".into()];
        parted.metadata.annotations =
            Some([(annotation::WORK_ORDER.to_owned(), order.to_annotation().unwrap())].into());
        assert!(is_gone(parted), "it stands by no more");
        assert!(matches!(
            claim().weigh(&bound("node-2", 5)).unwrap(),
            Standing::Ours
        ));
    }

    #[test]
    fn a_holder_that_renews_its_claim_keeps_its_standbys() {
        let again = Claim {
            holder: "node-2".into(),
            epoch: 9,
            ..claim()
        };
        let Standing::Open(written) = again.weigh(&bound("node-2", 4)).unwrap() else {
            panic!("it can be claimed")
        };
        let binding = lease::binding(&written).unwrap();
        assert_eq!((binding.transitions, binding.order.standbys.len()), (9, 2));
    }
}
