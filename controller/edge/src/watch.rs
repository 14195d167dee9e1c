//! Watches that never end: what they saw, object by object.
//!
//! A broken watch is taken up again by itself; a fresh list comes out whole, so that deletions that were missed show.
//! An object that cannot be decoded is logged, counted and passed over.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt as _};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, ExponentialBackoff};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tracing::{debug, warn};

use crate::decoded::Decoded;

/// A decision waits for no backoff.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Objects per page of a list: few enough to be held whole, many enough that the pages' round trips do not add up.
const PAGE: u32 = 5_000;

/// What a watch saw.
#[derive(Clone, Debug)]
pub enum Seen<K> {
    /// Everything there is, after a list.
    Listed(Vec<K>),
    /// One object was created or changed.
    Applied(Box<K>),
    /// One object was deleted.
    Deleted(Box<K>),
}

/// What changed: objects that are, and the names of those that are no more.
#[derive(Clone, Debug)]
pub struct Difference<K, I> {
    /// Objects that are new or changed.
    pub applied: Vec<K>,
    /// Names of objects that are gone.
    pub deleted: Vec<I>,
}

impl<K> Seen<K> {
    /// The difference to what was `known`; a fresh list also tells what is gone.
    pub fn difference<I: Ord>(
        self,
        known: impl IntoIterator<Item = I>,
        id: impl Fn(&K) -> I,
    ) -> Difference<K, I> {
        match self {
            Self::Listed(objects) => {
                let listed: BTreeSet<I> = objects.iter().map(&id).collect();
                let deleted = known
                    .into_iter()
                    .filter(|known| !listed.contains(known))
                    .collect();
                Difference {
                    deleted,
                    applied: objects,
                }
            }
            Self::Applied(object) => Difference {
                applied: vec![*object],
                deleted: vec![],
            },
            Self::Deleted(object) => Difference {
                applied: vec![],
                deleted: vec![id(&object)],
            },
        }
    }

    /// Whether this is a whole list.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::Listed(_))
    }
}

/// The API server does not serve the kind, or does not permit to read it, in its words.
#[derive(Debug)]
pub struct NotServed(pub watcher::Error);

/// Drops the record of who wrote which field, most of an object once it is decoded.
pub fn forget_managers<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}

/// Watches `kind`; `slim` drops from every object what the caller does not look at, so that a list that is whole is small, and
/// `undecodable` is called for every object that cannot be decoded.
pub fn watch<K>(
    api: Api<Decoded<K>>,
    config: watcher::Config,
    kind: &'static str,
    slim: fn(&mut K),
    undecodable: impl Fn() + Send + 'static,
) -> BoxStream<'static, Seen<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watch_while_served(api, config, kind, slim, undecodable)
        .filter_map(move |seen| {
            let seen = seen.map_err(|NotServed(error)| broken(kind, &error));
            std::future::ready(seen.ok())
        })
        .boxed()
}

/// Watches `kind`, and says each time when it turns out not to be served, for callers that can do without it.
pub fn watch_while_served<K>(
    api: Api<Decoded<K>>,
    config: watcher::Config,
    kind: &'static str,
    slim: fn(&mut K),
    undecodable: impl Fn() + Send + 'static,
) -> BoxStream<'static, Result<Seen<K>, NotServed>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher::watcher(api, config.page_size(PAGE))
        .backoff(patience(LONGEST_PAUSE))
        .scan(Vec::new(), move |listing, event| {
            let seen = match event {
                Ok(event) => {
                    let decode = |object| decode(object, kind, slim, &undecodable);
                    collect(listing, event, decode).map(Ok)
                }
                Err(error) if is_not_served(&error) => Some(Err(NotServed(error))),
                Err(error) => {
                    broken(kind, &error);
                    None
                }
            };
            std::future::ready(Some(seen))
        })
        .filter_map(std::future::ready)
        .boxed()
}

fn broken(kind: &'static str, error: &watcher::Error) {
    let error = error as &dyn std::error::Error;
    warn!(
        kind,
        error,
        "the watch broke and is taken up again; {}",
        remedy(error)
    );
}

/// Whether the API server answered that there is no such kind, or that it may not be read.
#[must_use]
pub fn is_not_served(error: &watcher::Error) -> bool {
    let code = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.code,
        _ => return false,
    };
    matches!(code, 403 | 404)
}

/// Pauses between tries, short at first and never longer than `longest`.
#[must_use]
pub fn patience(longest: Duration) -> ExponentialBackoff {
    backon::ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(longest)
        .with_jitter()
        .without_max_times()
        .into()
}

fn remedy(error: &dyn std::error::Error) -> &'static str {
    let words = std::iter::successors(Some(error), |error| error.source());
    let words = words.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    if words.contains("403") || words.contains("forbidden") {
        "the service account may not read it: apply the shipped RBAC (kubectl apply -k manifests)"
    } else if words.contains("404") {
        "the API server does not know it: install the definitions (kubectl apply -k manifests)"
    } else {
        "check that the API server is reachable"
    }
}

fn collect<G, K>(listing: &mut Vec<K>, event: Event<G>, decode: impl Fn(G) -> Option<K>) -> Option<Seen<K>> {
    match event {
        Event::Init => {
            listing.clear();
            None
        }
        Event::InitApply(object) => {
            listing.extend(decode(object));
            None
        }
        Event::InitDone => Some(Seen::Listed(std::mem::take(listing))),
        Event::Apply(object) => decode(object).map(|object| Seen::Applied(Box::new(object))),
        Event::Delete(object) => decode(object).map(|object| Seen::Deleted(Box::new(object))),
    }
}

fn decode<K>(object: Decoded<K>, kind: &'static str, slim: fn(&mut K), undecodable: impl Fn()) -> Option<K> {
    match object.0 {
        Ok(mut object) => {
            slim(&mut object);
            Some(object)
        }
        Err(invalid) => {
            let name = invalid.metadata.name.as_deref().unwrap_or_default();
            warn!(
                kind,
                name,
                error = invalid.error,
                "an object cannot be decoded and is passed over"
            );
            undecodable();
            debug!(?invalid, "the object that cannot be decoded");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(events: Vec<Event<u8>>) -> Vec<String> {
        let mut listing = Vec::new();
        let odd = |object: u8| (object % 2 == 1).then_some(object);
        events
            .into_iter()
            .filter_map(|event| collect(&mut listing, event, odd))
            .map(|seen| format!("{seen:?}"))
            .collect()
    }

    #[test]
    fn a_list_comes_out_whole_and_bad_objects_do_not() {
        let events = vec![
            Event::Init,
            Event::InitApply(1),
            Event::Init,
            Event::InitApply(3),
            Event::InitApply(4),
            Event::InitApply(5),
            Event::InitDone,
            Event::Apply(2),
            Event::Apply(7),
            Event::Delete(3),
        ];
        assert_eq!(feed(events), ["Listed([3, 5])", "Applied(7)", "Deleted(3)"]);
    }
}
