//! What this node did and why, as spans: leases that were seen and what followed from them in the kernel and on the wire,
//! and holders that fell silent with the probes that told it. Where nobody collects traces nothing is remembered here.

mod silence;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use k8s_openapi::api::coordination::v1::Lease;
use lightship_core::names::{NodeName, ServiceId};
use lightship_core::time::Instant;
use lightship_core::watch::ClaimAnswer;
use lightship_datapath::plan::Action;
use lightship_datapath::{Entry, InterfaceIndex};
use lightship_edge::lease::{binding, bound_service, trace_context};
use lightship_edge::trace::attribute;
use lightship_edge::watch::Seen;
use lightship_edge::{Span, TraceContext, Tracer};

use silence::Silences;

/// How long the kernel may take to do what a lease asks for: later changes have other reasons.
const PATIENCE: Duration = Duration::from_secs(10);

/// Spans and what they follow from.
pub(crate) struct Traces {
    tracer: Tracer,
    node: NodeName,
    /// The trace that each lease was part of when it was last seen; `None` until every lease was seen once.
    leases: Option<BTreeMap<ServiceId, Option<TraceContext>>>,
    /// Addresses that are to be answered, and by what.
    awaited: BTreeMap<IpAddr, Awaited>,
    silences: Silences,
}

#[derive(Debug)]
struct Awaited {
    parent: TraceContext,
    since: Instant,
    announced_on: BTreeSet<InterfaceIndex>,
}

impl Traces {
    /// Nothing was seen yet.
    pub(crate) fn new(tracer: Tracer, node: NodeName) -> Self {
        Self {
            tracer,
            node,
            leases: None,
            awaited: BTreeMap::new(),
            silences: Silences::default(),
        }
    }

    /// The watch of service leases saw something. What the first list shows was carried out by an earlier agent, or has no
    /// cause that this one saw.
    pub(crate) fn leases_seen(&mut self, seen: &Seen<Lease>, now: Instant) {
        if !self.tracer.is_on() {
            return;
        }
        match seen {
            Seen::Listed(leases) => {
                let known = self.leases.is_some();
                for lease in leases.iter().filter(|_| known) {
                    self.lease_seen(lease, now);
                }
                let all = leases
                    .iter()
                    .map(|lease| (bound_service(lease), trace_context(lease)));
                self.leases = Some(all.collect());
            }
            Seen::Applied(lease) => self.lease_seen(lease, now),
            Seen::Deleted(lease) => {
                let leases = self.leases.get_or_insert_default();
                leases.remove(&bound_service(lease));
            }
        }
    }

    /// A lease was seen; if it is another trace's than before, and this node's to carry out, that follows from it.
    pub(crate) fn lease_seen(&mut self, lease: &Lease, now: Instant) {
        if !self.tracer.is_on() {
            return;
        }
        let (service, context) = (bound_service(lease), trace_context(lease));
        let leases = self.leases.get_or_insert_default();
        if leases.insert(service.clone(), context.clone()) == Some(context.clone()) {
            return;
        }
        let (Some(context), Ok(binding)) = (context, binding(lease)) else {
            return;
        };
        if binding.holder != self.node {
            return;
        }
        let mut span = self.span("lease seen", &service, Some(&context), Duration::ZERO);
        let addresses = binding.order.addresses();
        span.set(attribute::HOLDER, binding.holder.to_string());
        span.set(attribute::EPOCH, i64::from(binding.transitions));
        span.set_list(attribute::ADDRESSES, &addresses);
        self.await_all(addresses, span.context(), now);
    }

    /// These addresses are to be answered from now on.
    fn await_all(
        &mut self,
        addresses: impl IntoIterator<Item = IpAddr>,
        parent: Option<TraceContext>,
        now: Instant,
    ) {
        let Some(parent) = parent else { return };
        for address in addresses {
            let awaited = Awaited {
                parent: parent.clone(),
                since: now,
                announced_on: BTreeSet::new(),
            };
            self.awaited.insert(address, awaited);
        }
    }

    fn span(
        &self,
        name: &'static str,
        service: &ServiceId,
        parent: Option<&TraceContext>,
        ago: Duration,
    ) -> Span {
        let span = self.tracer.begin(name, parent, ago);
        span.with(attribute::NAMESPACE, service.namespace.clone())
            .with(attribute::SERVICE, service.name.clone())
    }

    /// Whether it is of interest when each action is carried out.
    pub(crate) fn awaits_any(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// What is logged about an address belongs to the trace that it is awaited by.
    pub(crate) fn log_of(&self, entry: &Entry) -> tracing::Span {
        let awaited = self.awaited.get(&entry.address);
        awaited.map_or_else(tracing::Span::none, |awaited| awaited.parent.log())
    }

    /// An action was begun then and is done now, or failed.
    pub(crate) fn carried_out(&mut self, action: &Action, begun: SystemTime, failure: Option<String>) {
        let (name, entry) = match action {
            Action::AddEntry(entry, _) | Action::SetHold(entry, _) => ("entry programmed", entry),
            Action::Announce(entry, ..) => ("first frame announced", entry),
            _ => return,
        };
        let Some(awaited) = self.awaited.get_mut(&entry.address) else {
            return;
        };
        let is_announced = matches!(action, Action::Announce(..));
        if is_announced && !awaited.announced_on.insert(entry.interface) {
            return;
        }
        let ago = begun.elapsed().unwrap_or_default();
        let mut span = self.tracer.begin(name, Some(&awaited.parent), ago);
        span.set(attribute::ADDRESSES, entry.address.to_string());
        span.set(attribute::INTERFACE, i64::from(entry.interface.0));
        if let Some(failure) = failure {
            span.fail(failure);
        }
    }

    /// The kernel was brought in step.
    pub(crate) fn in_step(&mut self, now: Instant) {
        self.awaited
            .retain(|_, awaited| awaited.announced_on.is_empty() && now - awaited.since < PATIENCE);
        self.silences.settle(now);
    }

    /// A claim was answered so.
    pub(crate) fn claim_answered(span: &mut Span, answer: ClaimAnswer) {
        let outcome = match answer {
            ClaimAnswer::Won => "won",
            ClaimAnswer::Lost => "lost",
            ClaimAnswer::Postponed => "postponed",
            ClaimAnswer::Unreachable => "unreachable",
        };
        span.set(attribute::OUTCOME, outcome);
        if answer != ClaimAnswer::Won {
            span.fail(outcome);
        }
    }
}
