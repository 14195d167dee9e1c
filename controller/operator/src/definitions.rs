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
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::channel::mpsc;
    use lightship_crd::standing::Replaced;

    use super::*;

    fn replaced() -> Standing {
        Standing::Replaced(Replaced {
            name: "ciliumloadbalancerippools.cilium.io".to_owned(),
            lacks: BTreeSet::from(["spec.reserved".to_owned()]),
            schema_version: None,
        })
    }

    fn words(change: &Change) -> &'static str {
        match change {
            Change::Pool(Seen::Listed(_)) => "list",
            Change::Definition(Definition::Pools, Standing::Replaced(_)) => "replaced",
            Change::Definition(Definition::Pools, _) => "ours",
            _ => "other",
        }
    }

    /// Every opened watch lists once.
    fn lists() -> (impl Fn() -> Pools + Send + 'static, Arc<AtomicUsize>) {
        let opened = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&opened);
        let open = move || {
            count.fetch_add(1, Ordering::Relaxed);
            let list = stream::once(std::future::ready(Seen::Listed(vec![])));
            list.chain(stream::pending()).boxed()
        };
        (open, opened)
    }

    #[tokio::test(start_paused = true)]
    async fn ours_is_told_again_only_behind_a_list_that_was_read_under_it() {
        let (standings, told) = mpsc::unbounded();
        let (open, opened) = lists();
        let mut changes = follow(told.boxed(), open);
        standings.unbounded_send(Standing::Ours).unwrap();
        for expected in ["ours", "list"] {
            assert_eq!(words(&changes.next().await.unwrap()), expected);
        }
        standings.unbounded_send(replaced()).unwrap();
        assert_eq!(words(&changes.next().await.unwrap()), "replaced");
        let before = tokio::time::Instant::now();
        standings.unbounded_send(Standing::Unprotected).unwrap();
        for expected in ["list", "ours"] {
            assert_eq!(words(&changes.next().await.unwrap()), expected);
        }
        assert!(before.elapsed() >= SETTLED, "{:?}", before.elapsed());
        assert_eq!(opened.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_definition_replaced_again_before_it_settled_stays_replaced() {
        let (standings, told) = mpsc::unbounded();
        let (open, _) = lists();
        let mut changes = follow(told.boxed(), open);
        for standing in [replaced(), Standing::Ours, replaced()] {
            standings.unbounded_send(standing).unwrap();
        }
        for expected in ["replaced", "replaced", "list"] {
            assert_eq!(words(&changes.next().await.unwrap()), expected);
        }
        let more = tokio::time::timeout(Duration::from_mins(1), changes.next()).await;
        assert!(more.is_err(), "{more:?}");
    }

    #[test]
    fn what_is_not_there_or_may_not_be_read_hides_nothing() {
        let expected = Expected::new().unwrap().pool;
        let absent = [Ok(Event::Init), Ok(Event::InitDone)];
        let mut known = Known::default();
        let told: Vec<_> = absent.map(|event| known.take(&expected, event)).into();
        assert_eq!(told, [None, Some(Standing::Ours)]);

        let forbidden = || {
            let status = kube::core::Status::failure("no", "Forbidden").with_code(403);
            Err(watcher::Error::WatchError(Box::new(status)))
        };
        let mut known = Known::default();
        assert_eq!(known.take(&expected, forbidden()), Some(Standing::Ours));
        assert_eq!(known.take(&expected, forbidden()), None);
    }
}
