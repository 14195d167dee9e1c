//! The way to the API server where every millisecond counts: short deadlines, a second connection beside the first, and no
//! guess about a write whose answer did not come.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{Either, select};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, PostParams};
use kube::{Client, Config, ResourceExt as _};
use lightship_core::watch::{API_PATIENCE, ClaimAnswer};
use lightship_crd::field_owner;
use lightship_edge::ApiAnswer as _;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use crate::leases::Leases;
use crate::succession::{Claim, Standing};

/// How long a claim waits for an answer at first, and twice as long each time that it is passed over.
const CLAIM_DEADLINE: Duration = Duration::from_millis(250);
/// When the second connection is tried beside the first.
const HEDGE: Duration = Duration::from_millis(100);
/// How many claims are under way at a time: as many as connections that are kept, for a new one costs the API server more than
/// many claims.
const MOST_CLAIMS: usize = 6;
/// How often a claim is tried that is passed over, or meets a lease of another version but the same binding.
const TRIES: usize = 3;
/// How long a second connection serves those who need one.
const SPARE_AGE: Duration = Duration::from_secs(1);

/// Connections to the API server: the one in use, and new ones where it does not answer.
pub(crate) struct Connections {
    config: Config,
    current: watch::Sender<Connection>,
    spare: Mutex<Option<(Instant, Connection)>>,
    made: AtomicU64,
}

/// A client with connections of its own.
#[derive(Clone)]
pub(crate) struct Connection {
    number: u64,
    pub(crate) client: Client,
}

impl Connections {
    /// Begins with a client that works.
    pub(crate) fn new(config: Config, client: Client) -> Self {
        Self {
            config,
            current: watch::Sender::new(Connection { number: 0, client }),
            spare: Mutex::new(None),
            made: AtomicU64::new(1),
        }
    }

    /// The connection in use.
    pub(crate) fn current(&self) -> Connection {
        self.current.borrow().clone()
    }

    /// Follows the connection in use: when it changes, what was open on the old one is opened anew.
    pub(crate) fn follow(&self) -> watch::Receiver<Connection> {
        self.current.subscribe()
    }

    /// From now on this connection is in use.
    pub(crate) fn replace(&self, connection: Connection) {
        self.current.send_if_modified(|current| {
            let is_other = current.number != connection.number;
            *current = connection;
            is_other
        });
    }

    /// A client that shares no connection with the one in use; all who need one at a time share it.
    pub(crate) fn spare(&self) -> Connection {
        let mut spare = self
            .spare
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, connection)) = spare.as_ref().filter(|(made, _)| made.elapsed() < SPARE_AGE) {
            return connection.clone();
        }
        match Client::try_from(self.config.clone()) {
            Ok(client) => {
                let number = self.made.fetch_add(1, Ordering::Relaxed);
                let connection = Connection { number, client };
                *spare = Some((Instant::now(), connection.clone()));
                connection
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, "failed to make a second client; the first one is used");
                self.current()
            }
        }
    }
}

/// What is written and read at once.
#[derive(Clone)]
pub(crate) struct Arbiter {
    connections: Arc<Connections>,
    namespace: String,
    permits: Arc<Semaphore>,
    /// When the API server last answered.
    answered: watch::Sender<Option<Instant>>,
}

/// What became of a claim, with the lease as it was last seen.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) claim: Claim,
    pub(crate) answer: ClaimAnswer,
    pub(crate) lease: Option<Lease>,
}

impl Arbiter {
    /// Speaks about the leases in `namespace`.
    pub(crate) fn new(connections: Arc<Connections>, namespace: String) -> Self {
        Self {
            connections,
            namespace,
            permits: Arc::new(Semaphore::new(MOST_CLAIMS)),
            answered: watch::Sender::new(None),
        }
    }

    /// Carries out a claim on a lease as it was last seen when it is the claim's turn, which is read where it was not kept. Where
    /// nobody is answered meanwhile it is given up after [`API_PATIENCE`], waiting included: ranks follow each other by that.
    pub(crate) async fn claim(self, claim: Claim, leases: &Leases) -> Claimed {
        let asked = Instant::now();
        let Some(_permit) = self.turn().await else {
            return claimed(claim, ClaimAnswer::Unreachable, None);
        };
        let Some(kept) = leases.get(&claim.primary) else {
            return claimed(claim, ClaimAnswer::Lost, None);
        };
        let name = &kept.version.name;
        let mut lease = kept.lease.map(|lease| *lease);
        let mut deadline = CLAIM_DEADLINE;
        let tries = TRIES + usize::from(lease.is_none());
        for _ in 0..tries {
            let since = Instant::now();
            if let Some(known) = &lease {
                let written = match claim.weigh(known) {
                    Ok(Standing::Open(lease)) => lease,
                    Ok(Standing::Ours) => return claimed(claim, ClaimAnswer::Won, lease),
                    Ok(Standing::Gone) => return claimed(claim, ClaimAnswer::Lost, lease),
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        warn!(error, service = %claim.primary, "a lease that cannot be read is not claimed");
                        return claimed(claim, ClaimAnswer::Lost, None);
                    }
                };
                let patience = self.patience(asked).unwrap_or(deadline);
                match self.write(&written, deadline.min(patience)).await {
                    Some(Ok(lease)) => return claimed(claim, ClaimAnswer::Won, Some(lease)),
                    Some(Err(error)) if error.is_not_found() => {
                        return claimed(claim, ClaimAnswer::Lost, None);
                    }
                    Some(Err(_)) | None => {}
                }
            }
            // Not kept, refused, or not known to be done: what is there now decides.
            let patience = self.patience(asked).unwrap_or(deadline);
            match self.read_one(name, HEDGE, patience).await {
                Some(Ok(Some(present))) => lease = Some(present),
                Some(Ok(None)) => return claimed(claim, ClaimAnswer::Lost, None),
                // A server that has much to do passes over one: more patience asks less of it.
                Some(Err(_)) | None if self.answered_since(since) => deadline *= 2,
                Some(Err(_)) | None => return claimed(claim, ClaimAnswer::Unreachable, None),
            }
        }
        claimed(claim, ClaimAnswer::Postponed, lease)
    }

    /// How much longer it may answer nobody since a moment; `None` if it answered somebody.
    fn patience(&self, since: Instant) -> Option<Duration> {
        (!self.answered_since(since)).then(|| API_PATIENCE.saturating_sub(since.elapsed()))
    }

    /// Whether the API server answered anybody since a moment.
    fn answered_since(&self, moment: Instant) -> bool {
        self.answered.borrow().is_some_and(|last| last >= moment)
    }

    /// Waits while the API server answers others; `None` when it answers nobody: then all who wait go by rank, not one after
    /// the other.
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let mut turn = std::pin::pin!(self.permits.acquire());
        loop {
            let since = Instant::now();
            match timeout(API_PATIENCE, &mut turn).await {
                Ok(permit) => return permit.ok(),
                Err(_) if self.answered_since(since) => {}
                Err(_) => return None,
            }
        }
    }

    async fn write(&self, lease: &Lease, deadline: Duration) -> Option<Result<Lease, kube::Error>> {
        let params = PostParams {
            field_manager: Some(field_owner::AGENT.to_owned()),
            ..PostParams::default()
        };
        let replace = |client: Client| {
            let (api, params) = (self.api(client), params.clone());
            async move { api.replace(&lease.name_any(), &params, lease).await }
        };
        self.hedged(replace, HEDGE, deadline).await
    }

    /// A lease as the API server has it now; `None` when no answer came in time.
    pub(crate) async fn read_one(
        &self,
        name: &str,
        hedge: Duration,
        deadline: Duration,
    ) -> Option<Result<Option<Lease>, kube::Error>> {
        let get = |client: Client| {
            let api = self.api(client);
            async move { api.get_opt(name).await }
        };
        self.hedged(get, hedge, deadline).await
    }

    /// The first answer of two connections, the second one tried when the first takes its time or fails; `None` when none
    /// came in time.
    pub(crate) async fn hedged<T, F>(
        &self,
        request: impl Fn(Client) -> F,
        hedge: Duration,
        deadline: Duration,
    ) -> Option<Result<T, kube::Error>>
    where
        F: Future<Output = Result<T, kube::Error>>,
    {
        let first = request(self.connections.current().client);
        let both = async {
            let first = std::pin::pin!(first);
            let first = match select(first, std::pin::pin!(sleep(hedge))).await {
                Either::Left((Err(error), _)) if !is_answer(&error) => None,
                Either::Left((answer, _)) => return answer,
                Either::Right(((), first)) => Some(first),
            };
            let second = request(self.connections.spare().client);
            match first {
                None => second.await,
                Some(first) => match select(first, std::pin::pin!(second)).await {
                    Either::Left((Err(error), second)) if !is_answer(&error) => second.await,
                    Either::Right((Err(error), first)) if !is_answer(&error) => first.await,
                    Either::Left((answer, _)) | Either::Right((answer, _)) => answer,
                },
            }
        };
        let answer = timeout(deadline, both).await.ok();
        let is_heard = |answer: &Result<T, kube::Error>| answer.as_ref().err().is_none_or(is_decided);
        if answer.as_ref().is_some_and(is_heard) {
            self.answered.send_replace(Some(Instant::now()));
        }
        answer
    }

    /// The leases, by a client.
    pub(crate) fn api(&self, client: Client) -> Api<Lease> {
        Api::namespaced(client, &self.namespace)
    }
}

/// Whether the API server itself said so.
fn is_answer(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(_))
}

/// Whether the API server said so of the request, and not that it can do nothing.
fn is_decided(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code < 500 && status.code != 429)
}

fn claimed(claim: Claim, answer: ClaimAnswer, lease: Option<Lease>) -> Claimed {
    Claimed { claim, answer, lease }
}

#[cfg(test)]
mod tests;
