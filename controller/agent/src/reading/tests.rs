//! What is asked of an API server to learn what some leases say, and what is made of its answers.

use kube::ResourceExt as _;
use lightship_edge::watch::Seen;

use super::*;
use crate::server::{Server, group, held};
use crate::standing::Standing;

fn name(number: usize) -> String {
    format!("web-{number:04}")
}

fn known(names: impl IntoIterator<Item = String>) -> Known {
    let names = names.into_iter();
    names
        .map(|name| (group(&name), Version::of(&held(&name, 1))))
        .collect()
}

async fn read(server: &Server, of: Known, all: usize) -> Read {
    server.arbiter().read(Instant::default(), of, all).await
}

fn told(read: &Read) -> (usize, Vec<&str>) {
    let gone = read.gone.keys().map(|service| service.name.as_str());
    (read.leases.len(), gone.collect())
}

#[test]
fn what_is_wanted_while_something_is_read_is_read_after_it_and_together() {
    let mut reading = Reading::default();
    assert_eq!(reading.start(), None);
    reading.want([group("a")].into());
    assert_eq!(reading.start(), Some([group("a")].into()));
    for name in ["a", "b", "c"] {
        reading.want([group(name)].into());
    }
    assert_eq!(reading.start(), None, "one at a time");
    reading.end();
    let later = reading.start();
    assert_eq!(later, Some([group("a"), group("b"), group("c")].into()));
}

#[tokio::test]
async fn one_lease_costs_one_request_however_many_there_are() {
    let server = Server::with((0..1000).map(name));
    let read = read(&server, known([name(7)]), 1000).await;
    assert_eq!(read.answer, ReadAnswer::Done);
    assert_eq!(
        read.leases.iter().map(Lease::name_any).collect::<Vec<_>>(),
        ["web-0007"]
    );
    assert_eq!(server.asked(), (1, 0));
}

#[tokio::test]
async fn some_of_many_are_read_one_by_one_and_most_of_them_by_a_list() {
    for (wanted, requests) in [(20, (20, 0)), (700, (0, 3))] {
        let server = Server::with((0..1200).filter(|number| *number != 5).map(name));
        let read = read(&server, known((0..wanted).map(name)), 1200).await;
        assert_eq!(read.answer, ReadAnswer::Done);
        assert_eq!(told(&read), (wanted - 1, vec!["web-0005"]));
        assert_eq!(server.asked(), requests);
    }
}

#[tokio::test]
async fn a_server_that_answers_nothing_is_not_waited_for_once_per_lease() {
    let server = Server::frozen();
    for wanted in [100, 900] {
        let read = read(&server, known((0..wanted).map(name)), 1000).await;
        assert_eq!(read.answer, ReadAnswer::Unreachable);
    }
    let (single, pages) = server.asked();
    assert!(single <= AT_ONCE && pages <= 1, "{single} {pages}");
}

#[test]
fn a_lease_that_was_written_while_it_was_read_as_missing_is_kept() {
    let holds = |known_then: u64| {
        let mut standing = Standing::new("node-1".into(), BTreeMap::new());
        let now = Instant::default();
        standing.observe_leases(Seen::Listed(vec![]), now);
        standing.observe_leases(Seen::Listed(vec![held("web", 5)]), now);
        let gone = Read {
            started: now,
            answer: ReadAnswer::Done,
            leases: vec![],
            gone: [(group("web"), Version::of(&held("web", known_then)))].into(),
        };
        standing.observe_read(gone, now);
        standing.answers().count()
    };
    assert_eq!(holds(4), 1, "made anew since");
    assert_eq!(holds(5), 0);
}
