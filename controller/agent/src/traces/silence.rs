//! Holders that fell silent: the probes they missed, the witness that answered meanwhile, and the claims that follow, all
//! in one trace however many services they held.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use lightship_core::binding::WorkOrder;
use lightship_core::inventory::Mac;
use lightship_core::members::Members;
use lightship_core::names::{NodeName, ServiceId};
use lightship_core::time::Instant;
use lightship_core::watch::{ANSWER_DEADLINE, Evidence, Heard};
use lightship_edge::trace::attribute;
use lightship_edge::{Span, TraceContext, Tracer};

use super::Traces;

/// How long what was sent and heard is remembered: a claim follows within a second.
const REMEMBERED: Duration = Duration::from_secs(5);

/// How long a failover goes on after the last claim.
const LINGERS: Duration = Duration::from_secs(3);

/// What was sent and heard lately, and what came of it.
#[derive(Debug, Default)]
pub(super) struct Silences {
    /// Probes that were not answered.
    missed: VecDeque<Sent>,
    /// Questions to those who may bear witness.
    asked: VecDeque<(Instant, IpAddr)>,
    heard: VecDeque<(Instant, Heard)>,
    failovers: BTreeMap<NodeName, Failover>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    to: Mac,
    address: IpAddr,
}

#[derive(Debug)]
struct Failover {
    /// Ends with the last claim.
    span: Span,
    last: Instant,
}

impl Silences {
    /// Ends the failovers in which nothing happened any more.
    pub(super) fn settle(&mut self, now: Instant) {
        let over = |failover: &Failover| now - failover.last >= LINGERS;
        let ended: Vec<_> = self
            .failovers
            .iter()
            .filter(|(_, one)| over(one))
            .map(|(node, _)| node.clone())
            .collect();
        for node in ended {
            if let Some(failover) = self.failovers.remove(&node) {
                failover.span.end(now - failover.last);
            }
        }
    }
}

impl Traces {
    /// A station was asked for an address of the holder it is watched as.
    pub(crate) fn probed(&mut self, to: Mac, address: IpAddr, now: Instant) {
        if self.tracer.is_on() {
            let missed = &mut self.silences.missed;
            missed.push_back(Sent { at: now, to, address });
            while missed.front().is_some_and(|sent| now - sent.at > REMEMBERED) {
                missed.pop_front();
            }
        }
    }

    /// Somebody was asked for an address as anybody would.
    pub(crate) fn asked(&mut self, address: IpAddr, now: Instant) {
        if self.tracer.is_on() {
            let asked = &mut self.silences.asked;
            asked.push_back((now, address));
            while asked.front().is_some_and(|(at, _)| now - *at > REMEMBERED) {
                asked.pop_front();
            }
        }
    }

    /// An answer was heard.
    pub(crate) fn heard(&mut self, one: Heard, now: Instant) {
        if self.tracer.is_on() {
            let Silences { missed, heard, .. } = &mut self.silences;
            missed.retain(|sent| (sent.to, sent.address) != (one.from, one.address));
            heard.push_back((now, one));
            while heard.front().is_some_and(|(at, _)| now - *at > REMEMBERED) {
                heard.pop_front();
            }
        }
    }

    /// A group is claimed from a holder; without evidence it is one's own claim that is made again.
    pub(crate) fn claim(
        &mut self,
        primary: &ServiceId,
        holder: &NodeName,
        evidence: Option<Evidence>,
        members: Option<&Members>,
        now: Instant,
    ) -> Span {
        if !self.tracer.is_on() {
            return Span::default();
        }
        let failover = evidence.and_then(|evidence| self.failover(holder, evidence, members, now));
        let span = self.span("claim", primary, failover.as_ref(), Duration::ZERO);
        span.with(attribute::FORMER, holder.to_string())
    }

    /// A group was taken by rank, because the API server did not answer: what its lease asks for follows.
    pub(crate) fn taken_by_rank(
        &mut self,
        primary: &ServiceId,
        from: &NodeName,
        order: Option<&WorkOrder>,
        now: Instant,
    ) {
        let failover = self.silences.failovers.get_mut(from);
        let Some(parent) = failover.and_then(|one| {
            one.last = now;
            one.span.context()
        }) else {
            return;
        };
        let span = self.span("taken by rank", primary, Some(&parent), Duration::ZERO);
        let addresses = order.map(WorkOrder::addresses).unwrap_or_default();
        self.await_all(addresses, span.context(), now);
    }

    /// What is logged about a holder's silence belongs to the trace of it.
    pub(crate) fn log_of_silence(&self, holder: &NodeName) -> tracing::Span {
        let failover = self.silences.failovers.get(holder);
        let context = failover.and_then(|one| one.span.context());
        context.map_or_else(tracing::Span::none, |context| context.log())
    }

    /// The trace of a holder's silence: told once, with what speaks for it.
    fn failover(
        &mut self,
        holder: &NodeName,
        evidence: Evidence,
        members: Option<&Members>,
        now: Instant,
    ) -> Option<TraceContext> {
        if let Some(known) = self.silences.failovers.get_mut(holder) {
            known.last = now;
            return known.span.context();
        }
        let silent = now - evidence.since;
        let mut span = self.tracer.begin("failover", None, silent);
        span.set(attribute::FORMER, holder.to_string());
        span.set(
            attribute::SILENCE,
            i64::try_from(silent.as_millis()).unwrap_or(i64::MAX),
        );
        let context = span.context();
        let suspicion = self.tracer.begin("suspicion", context.as_ref(), silent);
        let stations = stations(holder, members);
        self.silences.tell(
            &self.tracer,
            suspicion.context().as_ref(),
            &stations,
            evidence,
            now,
        );
        suspicion.end(now - evidence.suspected);
        self.silences
            .failovers
            .insert(holder.clone(), Failover { span, last: now });
        context
    }
}

impl Silences {
    /// The probes that were missed, and who was heard meanwhile.
    fn tell(
        &self,
        tracer: &Tracer,
        parent: Option<&TraceContext>,
        stations: &BTreeSet<Mac>,
        evidence: Evidence,
        now: Instant,
    ) {
        let counted = |at: Instant| (evidence.since..=evidence.suspected).contains(&at);
        let missed = self.missed.iter();
        for sent in missed.filter(|sent| counted(sent.at) && stations.contains(&sent.to)) {
            let mut probe = tracer.begin("probe", parent, now - sent.at);
            probe.set(attribute::ADDRESSES, sent.address.to_string());
            probe.set(attribute::STATION, sent.to.to_string());
            probe.fail("no answer");
            probe.end(now - (sent.at + ANSWER_DEADLINE));
        }
        let mut heard = self.heard.iter();
        let witness = heard.find(|(at, one)| counted(*at) && !stations.contains(&one.from));
        if let Some((at, one)) = witness {
            let asked = self.asked.iter().rev();
            let mut asked = asked.filter(|(asked, address)| *address == one.address && asked <= at);
            let since = asked.next().map_or(*at, |(asked, _)| *asked);
            let mut span = tracer.begin("witness", parent, now - since);
            span.set(attribute::ADDRESSES, one.address.to_string());
            span.set(attribute::STATION, one.from.to_string());
            span.end(now - *at);
        }
    }
}

fn stations(node: &NodeName, members: Option<&Members>) -> BTreeSet<Mac> {
    let interfaces = members.and_then(|members| members.nodes.get(node));
    interfaces
        .into_iter()
        .flatten()
        .filter_map(|interface| interface.mac)
        .collect()
}
