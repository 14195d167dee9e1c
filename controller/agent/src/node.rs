//! One node's agent while it runs: hands what happens to [`Standing`], and what that decides to the kernel, the wire and the API
//! server.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lightship_core::finding::{Arbiter as By, Sight};
use lightship_core::inventory::Inventory;
use lightship_core::names::{NodeName, ServiceId};
use lightship_core::time::Instant;
use lightship_core::watch::{Action, Heard, Nic, NicIndex};
use lightship_datapath::devices::Device;
use lightship_datapath::probe::ProbeError;
use lightship_datapath::{Entry, InterfaceIndex, Wakeup, WakeupKind};
use lightship_edge::Clock;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use crate::announcer::{Announcer, conflict};
use crate::api::{Arbiter, Claimed};
use crate::error::Error;
use crate::findings::Findings;
use crate::host::Wire;
use crate::metrics::Metrics;
use crate::reading::{Read, Reading};
use crate::standing::Standing;
use crate::step::{Audit, Step};
use crate::succession::Claim;
use crate::traces::Traces;

/// What the API server was asked at once.
#[derive(Debug)]
pub(crate) enum Answered {
    Claim(Box<Claimed>),
    Read(Read),
}

/// The parts of an agent that act on each other.
pub(crate) struct Node {
    pub(crate) name: NodeName,
    pub(crate) announcer: Announcer,
    pub(crate) standing: Standing,
    pub(crate) metrics: Metrics,
    pub(crate) findings: Findings,
    pub(crate) traces: Traces,
    pub(crate) inventory: watch::Sender<Inventory>,
    /// When the responder was last told that this agent lives.
    pub(crate) beaten: watch::Sender<Option<std::time::Instant>>,
    pub(crate) arbiter: Arbiter,
    pub(crate) requests: JoinSet<Answered>,
    pub(crate) reading: Reading,
    pub(crate) step: Step,
}

impl Node {
    /// Tells the responder that this agent lives, and after it the heartbeat.
    pub(crate) fn beat(&mut self) {
        let beaten = self.announcer.beat();
        if beaten.is_ok() {
            self.beaten.send_replace(Some(std::time::Instant::now()));
        }
        log(beaten.and_then(|()| self.announcer.count()));
    }

    /// Carries out what was decided, and brings the kernel in step if that is due.
    pub(crate) fn act(&mut self, wire: &mut dyn Wire, clock: Clock, audit: Audit) {
        self.perform(wire, clock);
        let now = clock.now();
        self.step.ask(audit, self.standing.view());
        if self.next_step().is_some_and(|due| now >= due) {
            let revision = self.standing.revision();
            let audit = self.step.audit();
            let reconciled = self
                .announcer
                .reconcile(&mut self.standing, &mut self.traces, audit, now);
            let audit = reconciled.unwrap_or_else(|error| {
                log(Err(error));
                Audit::IfChanged
            });
            self.perform(wire, clock);
            self.step.taken(revision, audit, now, clock.now());
        }
        self.metrics.missed(self.standing.missed());
    }

    /// When [`Self::act`] has to bring the kernel in step, if it is not.
    pub(crate) fn next_step(&self) -> Option<Instant> {
        self.step.due(self.standing.revision())
    }

    /// Sends the announcements that are due.
    pub(crate) fn announce(&mut self, now: Instant) {
        self.announcer.announce(&mut self.traces, now);
    }

    fn perform(&mut self, wire: &mut dyn Wire, clock: Clock) {
        let now = clock.now();
        let (mut has_news, mut probed) = (false, Vec::new());
        for action in self.standing.take_actions() {
            match action {
                Action::Probe {
                    nic,
                    to,
                    address,
                    number,
                } => {
                    probed.push((to, address));
                    let question = self.announcer.question(nic, Some(to), address);
                    self.sent(question.map(|question| wire.probe(&question, number)), address);
                }
                Action::Ask { nic, to, address } => {
                    self.traces.asked(address, now);
                    let question = self.announcer.question(nic, to, address);
                    self.sent(question.map(|question| wire.ask(&question)), address);
                }
                Action::Claim {
                    primary,
                    holder,
                    seen,
                    epoch,
                } => {
                    let claimant = self.name.clone();
                    let claim = Claim {
                        primary,
                        holder,
                        seen,
                        epoch,
                        claimant,
                        trace: None,
                    };
                    self.claim(claim, now);
                }
                Action::Read(groups) => {
                    self.reading.want(groups);
                    self.read(now);
                }
                Action::ClaimTo {
                    nic,
                    to,
                    address,
                    order,
                } => self.announcer.claim_to(entry(nic, address), order, to),
                Action::Defend { nic, address } => self.announcer.defend(entry(nic, address), now),
                Action::Tell(service, sight) => {
                    self.tell(service, sight, now);
                    has_news = true;
                }
            }
        }
        if !probed.is_empty() {
            let sent = clock.now();
            self.standing.sent(sent);
            for (to, address) in probed {
                self.traces.probed(to, address, sent);
            }
        }
        if has_news {
            self.publish(now);
        }
    }

    fn claim(&mut self, claim: Claim, now: Instant) {
        let evidence = self.standing.evidence(&claim.primary);
        let members = self.standing.members();
        let mut span = self
            .traces
            .claim(&claim.primary, &claim.holder, evidence, members, now);
        let claim = claim.traced(span.context());
        let (arbiter, leases) = (self.arbiter.clone(), self.standing.leases());
        self.requests.spawn(async move {
            let claimed = arbiter.claim(claim, &leases).await;
            Traces::claim_answered(&mut span, claimed.answer);
            Answered::Claim(Box::new(claimed))
        });
    }

    /// The API server answered.
    pub(crate) fn answered(&mut self, answered: Answered, now: Instant) {
        match answered {
            Answered::Claim(claimed) => {
                let _logged = claimed.claim.trace.as_ref().map(|trace| trace.log().entered());
                self.metrics.claimed(claimed.answer);
                if let Some(lease) = &claimed.lease {
                    self.traces.lease_seen(lease, now);
                }
                self.standing.observe_claim(*claimed, now);
            }
            Answered::Read(read) => {
                self.reading.end();
                self.standing.observe_read(read, now);
                self.read(now);
            }
        }
    }

    /// Takes in what was heard on the wire.
    pub(crate) fn hear(&mut self, wire: &mut dyn Wire, now: Instant) {
        let drained = wire.drain();
        if drained.lost > 0 {
            self.standing.lost_frames();
        }
        for one in drained.heard {
            let heard = Heard {
                nic: NicIndex(one.interface.0),
                from: lightship_core::inventory::Mac(one.from.0),
                address: one.address,
            };
            self.traces.heard(heard, now);
            self.standing.observe_answers([heard], now);
        }
    }

    /// Takes in what the program told. What yielded is seen when the kernel is brought in step.
    pub(crate) fn wake(&mut self, wakeups: &[Wakeup], now: Instant) -> Audit {
        let mut audit = Audit::IfChanged;
        for wakeup in wakeups {
            match wakeup.kind {
                WakeupKind::Yielded => audit = Audit::Now,
                WakeupKind::Conflict => self.standing.observe_conflict(conflict(wakeup), now),
            }
        }
        audit
    }

    /// Takes in the node's devices.
    pub(crate) fn observe_devices(&mut self, wire: &mut dyn Wire, devices: Vec<Device>, now: Instant) {
        let nics = self.announcer.observe_devices(devices);
        self.observe_nics(wire, nics, now);
        self.publish(now);
    }

    /// Takes in the interfaces a policy may mean.
    pub(crate) fn observe_nics(&mut self, wire: &mut dyn Wire, nics: BTreeMap<NicIndex, Nic>, now: Instant) {
        let interfaces = nics.keys().copied().map(interface).collect();
        if let Err(error) = wire.watch(&interfaces) {
            let error = &error as &dyn std::error::Error;
            warn!(
                error,
                "other holders cannot be watched there; this node does not stand by for them"
            );
        }
        self.standing.observe_nics(nics, now);
    }

    /// Puts inventory and findings into the heartbeat.
    pub(crate) fn publish(&mut self, now: Instant) {
        let mut inventory = self.announcer.inventory();
        inventory.findings = self.findings.carried(|saw| self.standing.stands(saw), now);
        self.inventory.send_if_modified(|known| {
            inventory.run.clone_from(&known.run);
            let is_news = *known != inventory;
            *known = inventory;
            is_news
        });
    }

    fn read(&mut self, now: Instant) {
        let Some(groups) = self.reading.start() else {
            return;
        };
        let (known, all) = self.standing.leases_of(&groups);
        let arbiter = self.arbiter.clone();
        self.requests
            .spawn(async move { Answered::Read(arbiter.read(now, known, all).await) });
    }

    fn tell(&mut self, service: Option<ServiceId>, sight: Sight, now: Instant) {
        let logged = match &sight {
            Sight::Claimed { from, .. } => self.traces.log_of_silence(from),
            _ => tracing::Span::none(),
        };
        logged.in_scope(|| {
            info!(
                service = service.as_ref().map(tracing::field::display),
                ?sight,
                "saw"
            );
        });
        if let (Some(service), Sight::Claimed { from, arbiter, .. }) = (&service, &sight)
            && *arbiter == By::Rank
        {
            let order = self.standing.order(service);
            self.traces.taken_by_rank(service, from, order, now);
        }
        self.metrics.saw(&sight);
        self.findings.add(service, sight, now);
    }

    /// `None` where the interface is gone: it will be heard of.
    fn sent(&self, sent: Option<Result<(), ProbeError>>, address: IpAddr) {
        self.metrics.probed();
        if let Some(Err(error)) = sent {
            let error = &error as &dyn std::error::Error;
            debug!(error, %address, "a probe was not sent");
        }
    }
}

fn interface(nic: NicIndex) -> InterfaceIndex {
    InterfaceIndex(nic.0)
}

fn entry(nic: NicIndex, address: IpAddr) -> Entry {
    Entry {
        address,
        interface: interface(nic),
    }
}

fn log(result: Result<(), Error>) {
    if let Err(error) = result {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the agent goes on and tries again"
        );
    }
}
