//! Leases read anew from the API server itself: a few one by one, many by a list in pages, and never twice at a time. An API
//! server that is slow with much is not away: every request has a deadline of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::ListParams;
use lightship_core::names::ServiceId;
use lightship_core::time::Instant;
use lightship_core::watch::ReadAnswer;
use lightship_crd::label;
use lightship_edge::lease;
use tracing::warn;

use crate::api::Arbiter;
use crate::leases::Version;

/// How long one request may take: a page of a list too.
const DEADLINE: Duration = Duration::from_secs(1);
/// When the second connection is tried beside the first: later than for a claim, for nobody's answer waits for it.
const HEDGE: Duration = Duration::from_millis(300);
/// How many leases are read one by one at a time.
const AT_ONCE: usize = 6;
/// Up to how many leases are read one by one, however few there are.
const FEW: usize = 16;
/// A list reads all leases to learn of some: of how many in one it is worth it.
const WORTH_A_LIST: usize = 8;
/// How many leases a page holds.
const PAGE: u32 = 500;

/// What is to be read, and whether something is being read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    wanted: BTreeSet<ServiceId>,
    is_under_way: bool,
}

impl Reading {
    /// These are to be read by a read that starts from now on.
    pub(crate) fn want(&mut self, groups: BTreeSet<ServiceId>) {
        self.wanted.extend(groups);
    }

    /// What is to be read now: everything that was wanted while the last read was under way.
    pub(crate) fn start(&mut self) -> Option<BTreeSet<ServiceId>> {
        if self.is_under_way || self.wanted.is_empty() {
            return None;
        }
        self.is_under_way = true;
        Some(std::mem::take(&mut self.wanted))
    }

    /// The read that was started has ended.
    pub(crate) fn end(&mut self) {
        self.is_under_way = false;
    }
}

/// Leases as they were known when a read started.
pub(crate) type Known = BTreeMap<ServiceId, Version>;

/// What became of a read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) started: Instant,
    pub(crate) answer: ReadAnswer,
    /// The leases that were read.
    pub(crate) leases: Vec<Lease>,
    /// Those that are not there, as they were known.
    pub(crate) gone: Known,
}

impl Read {
    fn add(&mut self, service: ServiceId, known: Version, read: Option<Lease>) {
        match read {
            Some(lease) => self.leases.push(lease),
            None => drop(self.gone.insert(service, known)),
        }
    }
}

impl Arbiter {
    /// Reads the leases `of` these services anew; there are `all` in the cluster.
    pub(crate) async fn read(self, started: Instant, of: Known, all: usize) -> Read {
        let mut read = Read {
            started,
            answer: ReadAnswer::Done,
            leases: vec![],
            gone: Known::new(),
        };
        let is_worth_a_list = of.len() > FEW && of.len() * WORTH_A_LIST > all;
        let done = if is_worth_a_list {
            self.read_list(of, &mut read).await
        } else {
            self.read_one_by_one(of, &mut read).await
        };
        if done.is_none() {
            read.answer = ReadAnswer::Unreachable;
        }
        read
    }

    /// `None` as soon as one answer does not come: the others would be waited for in vain.
    async fn read_one_by_one(&self, of: Known, into: &mut Read) -> Option<()> {
        let requests = of.into_iter().map(async |(service, known)| {
            let read = told(self.read_one(&known.name, HEDGE, DEADLINE).await);
            (service, known, read)
        });
        let mut answers = std::pin::pin!(stream::iter(requests).buffer_unordered(AT_ONCE));
        while let Some((service, known, read)) = answers.next().await {
            into.add(service, known, read?);
        }
        Some(())
    }

    async fn read_list(&self, of: Known, into: &mut Read) -> Option<()> {
        let selected = format!("{}={}", label::LEASE, label::LEASE_SERVICE);
        let mut params = ListParams::default().labels(&selected).limit(PAGE);
        let mut listed = BTreeMap::new();
        loop {
            let list = |client: Client| {
                let (api, params) = (self.api(client), params.clone());
                async move { api.list(&params).await }
            };
            let page = told(self.hedged(list, HEDGE, DEADLINE).await)?;
            let services = page.items.into_iter();
            listed.extend(services.map(|lease| (lease::bound_service(&lease), lease)));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => break,
            }
        }
        for (service, known) in of {
            let read = listed.remove(&service);
            into.add(service, known, read);
        }
        Some(())
    }
}

fn told<T>(answer: Option<Result<T, kube::Error>>) -> Option<T> {
    answer?
        .inspect_err(|error| {
            let error = error as &dyn std::error::Error;
            warn!(error, "failed to read service leases anew");
        })
        .ok()
}

#[cfg(test)]
mod tests;
