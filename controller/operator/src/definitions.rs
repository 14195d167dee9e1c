//! Whose definitions stand in the API server: Cilium's operator and its manifests replace ours by their own.
//!
//! Under theirs the API server hides from every pool what they do not know. So it is watched, and once ours is back the pools
//! are listed anew before they are believed.

use std::collections::VecDeque;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt as _};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use lightship_crd::{CiliumLoadBalancerIPPool, Standing, crds};
use lightship_edge::watch::{Seen, forget_managers, is_not_served, patience, watch};
use tracing::{debug, warn};

use crate::error::Error;
use crate::metrics::Metrics;
use crate::watches::Change;

const POOLS: &str = "ciliumloadbalancerippools";

/// An API server goes on using a definition for a moment after it was replaced; of several, each its own.
const SETTLED: Duration = Duration::from_secs(5);

const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// One of the two definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Definition {
    /// Of pools.
    Pools,
    /// Of policies.
    Policies,
}

/// Our definitions, with which those in the API server are compared.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pool: CustomResourceDefinition,
    policy: CustomResourceDefinition,
}

impl Expected {
    pub(crate) fn new() -> Result<Self, Error> {
        let mut all = crds().map_err(Error::Definitions)?.into_iter();
        Ok(Self {
            pool: all.next().unwrap_or_default(),
            policy: all.next().unwrap_or_default(),
        })
    }

    /// How both stand among those `installed`.
    pub(crate) fn standings(&self, installed: &[CustomResourceDefinition]) -> [(Definition, Standing); 2] {
        let both = [
            (Definition::Pools, &self.pool),
            (Definition::Policies, &self.policy),
        ];
        both.map(|(definition, expected)| (definition, Standing::among(expected, installed)))
    }
}

/// The policies' definition. Their objects say nothing that another's would hide.
pub(crate) fn policies(client: &Client, expected: &Expected) -> BoxStream<'static, Change> {
    standings(client, expected.policy.clone())
        .map(|standing| Change::Definition(Definition::Policies, standing))
        .boxed()
}

/// The pools, and their definition.
pub(crate) fn pools(client: &Client, expected: &Expected, metrics: &Metrics) -> BoxStream<'static, Change> {
    let (of, metrics) = (client.clone(), metrics.clone());
    let open = move || {
        let metrics = metrics.clone();
        let undecodable = move || metrics.undecodable(POOLS);
        watch(
            Api::all(of.clone()),
            Config::default(),
            POOLS,
            forget_managers,
            undecodable,
        )
    };
    follow(standings(client, expected.pool.clone()), open)
}

type Pools = BoxStream<'static, Seen<CiliumLoadBalancerIPPool>>;

fn follow(
    standings: BoxStream<'static, Standing>,
    open: impl Fn() -> Pools + Send + 'static,
) -> BoxStream<'static, Change> {
    let following = Following {
        pools: open(),
        open: Box::new(open),
        standings,
        last: None,
        due: VecDeque::new(),
    };
    stream::unfold(following, async |mut following| {
        let change = following.next().await?;
        Some((change, following))
    })
    .boxed()
}

/// What was told of the definition last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Ours,
    Replaced,
    /// It is ours again, which is told with the next list.
    Returning,
}

struct Following {
    standings: BoxStream<'static, Standing>,
    pools: Pools,
    open: Box<dyn Fn() -> Pools + Send>,
    last: Option<Last>,
    due: VecDeque<Change>,
}

impl Following {
    async fn next(&mut self) -> Option<Change> {
        loop {
            if let Some(change) = self.due.pop_front() {
                return Some(change);
            }
            tokio::select! {
                // A pool that was read under another's definition is not to come before the news of that.
                biased;
                Some(standing) = self.standings.next() => self.stands(standing),
                Some(seen) = self.pools.next() => self.seen(seen),
                else => return None,
            }
        }
    }

    fn stands(&mut self, standing: Standing) {
        let is_replaced = matches!(standing, Standing::Replaced(_));
        self.last = match (is_replaced, self.last) {
            (true, _) => {
                self.tell(standing);
                Some(Last::Replaced)
            }
            (false, Some(Last::Replaced)) => {
                self.pools = after(SETTLED, (self.open)());
                Some(Last::Returning)
            }
            (false, None) => {
                self.tell(standing);
                Some(Last::Ours)
            }
            (false, last @ Some(Last::Ours | Last::Returning)) => last,
        };
    }

    fn seen(&mut self, seen: Seen<CiliumLoadBalancerIPPool>) {
        let is_list = seen.is_everything();
        self.due.push_back(Change::Pool(seen));
        if is_list && self.last == Some(Last::Returning) {
            self.last = Some(Last::Ours);
            self.tell(Standing::Ours);
        }
    }

    fn tell(&mut self, standing: Standing) {
        self.due
            .push_back(Change::Definition(Definition::Pools, standing));
    }
}

/// A watch asks for nothing before it is polled.
fn after(pause: Duration, pools: Pools) -> Pools {
    stream::once(tokio::time::sleep(pause))
        .flat_map(|()| stream::empty())
        .chain(pools)
        .boxed()
}

/// How a definition stands at first and after every change of it. Without one there are no objects that could lose anything.
fn standings(client: &Client, expected: CustomResourceDefinition) -> BoxStream<'static, Standing> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let this = Config::default().fields(&format!("metadata.name={}", expected.name_any()));
    let mut known = Known::default();
    watcher(api, this)
        .backoff(patience(LONGEST_PAUSE))
        .filter_map(move |event| std::future::ready(known.take(&expected, event)))
        .boxed()
}

#[derive(Debug, Default)]
struct Known {
    /// Whether the list that is being read has it.
    is_listed: bool,
    /// Whether anything was told.
    is_told: bool,
}

impl Known {
    fn take(
        &mut self,
        expected: &CustomResourceDefinition,
        event: Result<Event<CustomResourceDefinition>, watcher::Error>,
    ) -> Option<Standing> {
        let standing = match event {
            Ok(Event::Init) => {
                self.is_listed = false;
                None
            }
            Ok(Event::InitApply(there)) => {
                self.is_listed = true;
                Some(Standing::of(expected, &there))
            }
            Ok(Event::Apply(there)) => Some(Standing::of(expected, &there)),
            Ok(Event::InitDone) => (!self.is_listed).then_some(Standing::Ours),
            Ok(Event::Delete(_)) => None,
            Err(error) => self.broken(expected, &error),
        };
        self.is_told |= standing.is_some();
        standing
    }

    fn broken(&self, expected: &CustomResourceDefinition, error: &watcher::Error) -> Option<Standing> {
        let (definition, refused) = (expected.name_any(), is_not_served(error));
        let error = error as &dyn std::error::Error;
        if refused {
            warn!(
                error,
                definition,
                "whether this definition is ours may not be read, so it is taken for ours: apply the shipped RBAC (kubectl \
                 apply -k manifests)"
            );
        } else {
            debug!(
                error,
                definition, "the watch of a definition broke and is taken up again"
            );
        }
        // What is known stays true for all we know.
        (refused && !self.is_told).then_some(Standing::Ours)
    }
}

#[cfg(test)]
mod tests;
