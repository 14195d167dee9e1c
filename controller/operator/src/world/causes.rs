//! What led to what, as spans: from a service that was seen, a node that was left or a standby's claim to the writes that
//! follow. Where nobody collects traces nothing is remembered here.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use lightship_core::ipam::Given;
use lightship_core::names::{NodeName, ServiceId};
use lightship_core::placement::{MoveCause, Outcome, Placed};
use lightship_core::time::Instant;
use lightship_edge::trace::attribute;
use lightship_edge::{Span, TraceContext, Tracer};

use super::World;
use super::observe::is_known;
use crate::bindings::LeaseWrite;
use crate::index;
use crate::outbox::Target;

/// How long services that leave a node for one reason belong to one trace: thousands of leases take a while to write.
const ONE_MOVE: Duration = Duration::from_secs(10);

/// Spans and what they follow from.
#[derive(Debug, Default)]
pub(super) struct Causes {
    tracer: Tracer,
    /// What is under way, by the service it is about.
    known: BTreeMap<ServiceId, Cause>,
    /// The nodes that services leave, and for what.
    moves: BTreeMap<(NodeName, &'static str), (Instant, TraceContext)>,
    /// The writes under way.
    writes: BTreeMap<Target, Span>,
}

#[derive(Debug)]
struct Cause {
    since: Instant,
    /// Its first span, once something followed from it.
    first: Option<TraceContext>,
}

impl Causes {
    /// A standby took a lease over, in a trace of its own.
    pub(super) fn takeover_seen(&mut self, id: &ServiceId, claim: Option<TraceContext>, now: Instant) {
        if !self.tracer.is_on() {
            return;
        }
        let span = self.span("takeover seen", id, claim.as_ref(), Duration::ZERO);
        let first = claim.or_else(|| span.context());
        self.known.insert(id.clone(), Cause { since: now, first });
    }

    /// Nothing that follows from the last cause is left to be done.
    fn settled(&mut self, id: &ServiceId) {
        self.known.remove(id);
    }

    /// The first span of what is under way about a service.
    fn first(&mut self, id: &ServiceId, now: Instant) -> Option<TraceContext> {
        let cause = self.known.get(id)?;
        if cause.first.is_none() {
            let first = self.span("service seen", id, None, now - cause.since).context();
            if let Some(cause) = self.known.get_mut(id) {
                cause.first.clone_from(&first);
            }
            return first;
        }
        cause.first.clone()
    }

    /// A span that began so long ago, and is the first of its trace if nothing was known to be under way.
    fn step(&mut self, name: &'static str, id: &ServiceId, ago: Duration, now: Instant) -> Span {
        let first = self.first(id, now);
        let span = self.span(name, id, first.as_ref(), ago);
        if first.is_none() {
            let first = span.context();
            self.known.insert(id.clone(), Cause { since: now, first });
        }
        span
    }

    /// A decision, which took since its cause was seen.
    fn decision(&mut self, name: &'static str, id: &ServiceId, now: Instant) -> Span {
        let ago = self
            .known
            .get(id)
            .map_or(Duration::ZERO, |cause| now - cause.since);
        self.step(name, id, ago, now)
    }

    fn span(&self, name: &'static str, id: &ServiceId, parent: Option<&TraceContext>, ago: Duration) -> Span {
        let span = self.tracer.begin(name, parent, ago);
        span.with(attribute::NAMESPACE, id.namespace.clone())
            .with(attribute::SERVICE, id.name.clone())
    }

    /// A service that leaves a node, for which nobody has looked at it, belongs to the trace of that.
    fn moved(&mut self, id: &ServiceId, placed: &Placed, now: Instant) {
        let Some((Some(former), cause)) = &placed.moved else {
            return;
        };
        if self.known.contains_key(id) {
            return;
        }
        let followed = match cause {
            MoveCause::Follows(primary) => self.known.get(primary).and_then(|one| one.first.clone()),
            _ => None,
        };
        self.moves.retain(|_, (since, _)| now - *since < ONE_MOVE);
        let key = (former.clone(), cause.word());
        let known = followed.or_else(|| self.moves.get(&key).map(|(_, first)| first.clone()));
        let first = known.or_else(|| {
            let span = self.tracer.begin("holder left", None, Duration::ZERO);
            let span = span
                .with(attribute::FORMER, former.to_string())
                .with(attribute::CAUSE, cause.to_string());
            self.moves.insert(key, (now, span.context()?));
            span.context()
        });
        self.known.insert(id.clone(), Cause { since: now, first });
    }

    fn holder_chosen(&mut self, id: &ServiceId, placed: &Placed, now: Instant) {
        self.moved(id, placed, now);
        let mut span = self.decision("holder chosen", id, now);
        span.set(attribute::HOLDER, placed.holder.to_string());
        span.set_list(attribute::ADDRESSES, placed.order.addresses());
        span.set_list(attribute::STANDBYS, &placed.order.standbys);
        if let Some((former, cause)) = &placed.moved {
            span.set(attribute::CAUSE, cause.to_string());
            if let Some(former) = former {
                span.set(attribute::FORMER, former.to_string());
            }
        }
    }

    /// A write is about to be sent: its span ends with the answer.
    fn write(&mut self, name: &'static str, target: Target, id: &ServiceId, now: Instant) -> &mut Span {
        let span = self.step(name, id, Duration::ZERO, now);
        let place = self.writes.entry(target).or_default();
        *place = span;
        place
    }
}

impl World {
    /// Traces are collected by this one.
    pub(crate) fn trace(&mut self, tracer: Tracer) {
        self.causes.tracer = tracer;
    }

    /// Whether anybody collects traces.
    pub(super) fn is_traced(&self) -> bool {
        self.causes.tracer.is_on()
    }

    /// A watch shows a service: a cause, unless it is the echo of our own write.
    pub(super) fn trace_seen(&mut self, service: &Service, now: Instant) {
        if !self.is_traced() {
            return;
        }
        let id = index::service::id(service);
        if !is_known(service, self.services.get(&id)) {
            let cause = Cause {
                since: now,
                first: None,
            };
            self.causes.known.entry(id).or_insert(cause);
        }
    }

    /// The status of a service is about to be written, with these addresses.
    pub(super) fn trace_status(&mut self, id: &ServiceId, given: &[Given], now: Instant) {
        if !self.is_traced() {
            return;
        }
        let new = |given: &&Given| !self.shown.services(&given.address).any(|showing| showing == id);
        let new: Vec<_> = given.iter().filter(new).collect();
        if !new.is_empty() {
            let mut span = self.causes.decision("address chosen", id, now);
            span.set_list(attribute::ADDRESSES, new.iter().map(|given| given.address));
            span.set_list(
                attribute::POOLS,
                new.iter().filter_map(|given| given.pool.as_ref()),
            );
        }
        self.causes
            .write("status written", Target::Service(id.clone()), id, now);
    }

    /// The lease of a service is about to be written: the lease says by which span.
    pub(super) fn trace_lease(&mut self, id: &ServiceId, write: &mut LeaseWrite, now: Instant) {
        let (LeaseWrite::Create(lease) | LeaseWrite::Replace(lease)) = write else {
            if self.is_traced() {
                self.causes
                    .write("lease deleted", Target::Lease(id.clone()), id, now);
            }
            return;
        };
        if !self.is_traced() {
            return lightship_edge::lease::set_trace_context(lease, None);
        }
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
        let bound = self.cluster.bindings.get(id);
        if let Some(Outcome::Placed(placed)) = self.placements.get(id)
            && bound.map(|bound| bound.holder.as_str()) != holder.as_deref()
        {
            self.causes.holder_chosen(id, placed, now);
        }
        let span = self
            .causes
            .write("lease written", Target::Lease(id.clone()), id, now);
        let epoch = lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
        span.set(attribute::HOLDER, holder.unwrap_or_default());
        span.set(attribute::EPOCH, i64::from(epoch.unwrap_or_default()));
        lightship_edge::lease::set_trace_context(lease, span.context().as_ref());
    }

    /// The write to an object was answered so.
    pub(super) fn trace_answer(&mut self, target: &Target, failure: Option<&'static str>) {
        if let Some(mut span) = self.causes.writes.remove(target) {
            span.set(attribute::OUTCOME, failure.unwrap_or("written"));
            if let Some(failure) = failure {
                span.fail(failure);
            }
        }
    }

    /// These objects say what they should: where the other one of the same service does too, and waits for nobody, that was
    /// all.
    pub(super) fn trace_settled(&mut self, right: &[Target]) {
        for target in right {
            let (Target::Service(id) | Target::Lease(id)) = target else {
                continue;
            };
            let both = [Target::Service(id.clone()), Target::Lease(id.clone())];
            if both.iter().all(|one| self.outbox.is_settled(one)) && !self.deferred_leases.contains(id) {
                self.causes.settled(id);
            }
        }
    }

    /// What is logged about a write under way carries the ids of its span.
    pub(crate) fn log_of(&self, target: &Target) -> tracing::Span {
        let context = self.causes.writes.get(target).and_then(Span::context);
        context.map_or_else(tracing::Span::none, |context| context.log())
    }
}
