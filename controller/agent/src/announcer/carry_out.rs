//! Carrying out: what is planned is done to the kernel, and what failed is told once.

use std::collections::BTreeMap;
use std::time::SystemTime;

use lightship_datapath::plan::Action;
use lightship_datapath::{Entry, Failure};
use tracing::{debug, info, warn};

use super::Announcer;
use crate::traces::Traces;

impl Announcer {
    /// The entries that the kernel does not answer for, because it could not be told to, and why.
    pub(super) fn refused(&self, failures: &[Failure]) -> BTreeMap<Entry, String> {
        let (mut entries, mut interfaces) = (BTreeMap::new(), BTreeMap::new());
        for failure in failures {
            match failure.action {
                Action::AddEntry(entry, _) | Action::SetHold(entry, _) => {
                    entries.insert(entry, failure);
                }
                Action::Attach(interface) | Action::SetMac(interface, _) => {
                    interfaces.insert(interface, failure);
                }
                _ => {}
            }
        }
        let concerned = self.desired.entries.keys().filter_map(|entry| {
            let failure = entries.get(entry).or_else(|| interfaces.get(&entry.interface))?;
            Some((*entry, failure.to_string()))
        });
        concerned.collect()
    }

    /// The same as [`Self::carry_out`], one by one where it is of interest when each is done.
    pub(super) fn carry_out_traced(&mut self, actions: &[Action], traces: &mut Traces) -> Vec<Failure> {
        if !traces.awaits_any() {
            return self.carry_out(actions);
        }
        let mut failed = Vec::new();
        for action in actions {
            let begun = SystemTime::now();
            let logged = match action {
                Action::AddEntry(entry, _) | Action::SetHold(entry, _) | Action::Announce(entry, ..) => {
                    traces.log_of(entry)
                }
                _ => tracing::Span::none(),
            };
            let failures = logged.in_scope(|| self.carry_out(std::slice::from_ref(action)));
            traces.carried_out(action, begun, failures.first().map(ToString::to_string));
            failed.extend(failures);
        }
        failed
    }

    /// Whether an action is about an entry of which it was told already that the kernel refuses it.
    fn was_refused(&self, action: &Action) -> bool {
        match action {
            Action::AddEntry(entry, _) | Action::SetHold(entry, _) | Action::Announce(entry, ..) => {
                self.refused.contains(entry)
            }
            _ => false,
        }
    }

    fn carry_out(&mut self, actions: &[Action]) -> Vec<Failure> {
        for action in actions {
            match action {
                Action::AddEntry(entry, _) if !self.refused.contains(entry) => info!(%entry, "answers"),
                Action::RemoveEntry(entry) => info!(%entry, "answers no more"),
                Action::Attach(interface) => info!(%interface, "attaches the responder"),
                Action::Replace(interface) => info!(%interface, "adopts the responder of an earlier agent"),
                Action::Detach(interface) => info!(%interface, "detaches the responder"),
                Action::Pin(map) => warn!(
                    map,
                    "the pin was taken away, as Cilium's agent does with maps that it does not use, and is made again"
                ),
                Action::JoinGroup(group) => debug!(%group, "joins a solicited-node group"),
                Action::LeaveGroup(group) => debug!(%group, "leaves a solicited-node group"),
                _ => {}
            }
        }
        let failures = self.kernel.execute(actions);
        for failure in &failures {
            let error = failure as &dyn std::error::Error;
            if self.was_refused(&failure.action) {
                debug!(error, action = ?failure.action, "the kernel was not changed again");
                continue;
            }
            warn!(error, action = ?failure.action, "the kernel was not changed; it is tried again");
        }
        let is_announcement = |action: &&Action| matches!(action, Action::Announce(..));
        let sent = actions.iter().filter(is_announcement).count();
        let unsent = failures
            .iter()
            .map(|failure| &failure.action)
            .filter(is_announcement)
            .count();
        self.metrics.announced(sent.saturating_sub(unsent));
        self.metrics.failed(failures.len());
        failures
    }
}

/// Whether an entry went that was there: it made room for another, for what goes comes last.
pub(super) fn made_room(actions: &[Action], failures: &[Failure]) -> bool {
    let goes = |action: &Action| matches!(action, Action::RemoveEntry(_));
    let planned = actions.iter().filter(|action| goes(action)).count();
    let failed = failures.iter().filter(|failure| goes(&failure.action)).count();
    planned > failed
}
