//! What is told of the definitions, and when.

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
        Change::Pool(_) => "pool",
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

#[tokio::test(start_paused = true)]
async fn news_of_ours_while_its_list_is_read_is_told_once_and_behind_the_list() {
    let (standings, told) = mpsc::unbounded();
    let opened = Arc::new(AtomicUsize::new(0));
    let open = move || {
        let first = opened.fetch_add(1, Ordering::Relaxed) == 0;
        let pool = CiliumLoadBalancerIPPool::new("p", lightship_crd::PoolSpec::default());
        let read = [Seen::Applied(Box::new(pool)), Seen::Listed(vec![])];
        let read = stream::iter(if first { vec![] } else { read.to_vec() });
        read.chain(stream::pending()).boxed()
    };
    let mut changes = follow(told.boxed(), open);
    for standing in [replaced(), Standing::Ours, Standing::Unprotected, Standing::Ours] {
        standings.unbounded_send(standing).unwrap();
    }
    for expected in ["replaced", "pool", "list", "ours"] {
        assert_eq!(words(&changes.next().await.unwrap()), expected);
    }
    let more = tokio::time::timeout(Duration::from_mins(1), changes.next()).await;
    assert!(more.is_err(), "{more:?}");
}

#[test]
fn what_is_there_is_compared_whenever_it_is_seen_and_what_is_gone_is_not() {
    let expected = Expected::new().unwrap().pool;
    let mut theirs = expected.clone();
    theirs.spec.versions.clear();
    let is_replaced = |standing: Option<Standing>| standing.map(|one| matches!(one, Standing::Replaced(_)));
    let mut known = Known::default();
    let events = [
        (Event::Init, None),
        (Event::InitApply(theirs.clone()), Some(true)),
        (Event::InitDone, None),
        (Event::Apply(expected.clone()), Some(false)),
        (Event::Apply(theirs.clone()), Some(true)),
        (Event::Delete(theirs), None),
        // Listed anew, and it is not there.
        (Event::Init, None),
        (Event::InitDone, Some(false)),
    ];
    for (step, (event, told)) in events.into_iter().enumerate() {
        assert_eq!(
            is_replaced(known.take(&expected, Ok(event))),
            told,
            "event {step}"
        );
    }
}

#[test]
fn a_watch_that_breaks_says_nothing_of_what_was_not_read() {
    let expected = Expected::new().unwrap().pool;
    let status = kube::core::Status::failure("etcd", "InternalError").with_code(500);
    let broken = Err(watcher::Error::WatchError(Box::new(status)));
    assert_eq!(Known::default().take(&expected, broken), None);
}
