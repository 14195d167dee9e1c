//! What is asked of an API server to learn what some leases say, and what is made of its answers.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use k8s_openapi::api::coordination::v1::LeaseSpec;
use kube::client::Body;
use kube::{Config, ResourceExt as _};
use lightship_core::binding::WorkOrder;
use lightship_crd::annotation;
use serde_json::{Value, json};

use super::*;
use crate::api::Connections;
use crate::standing::Standing;
use lightship_edge::watch::Seen;

/// An API server that has some leases, or that takes connections and answers nothing.
#[derive(Clone, Default)]
struct Server {
    leases: Arc<Mutex<BTreeMap<String, Lease>>>,
    asked: Arc<Mutex<Vec<String>>>,
    is_frozen: bool,
}

impl Server {
    fn with(names: impl IntoIterator<Item = String>) -> Self {
        let server = Self::default();
        let leases = names.into_iter().map(|name| (name.clone(), held(&name, 1)));
        server.leases.lock().unwrap().extend(leases);
        server
    }

    fn arbiter(&self) -> Arbiter {
        let server = self.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| server.clone().take(request));
        // Nobody listens there, so a second connection is as good as none.
        let config = Config::new("http://127.0.0.1:9".parse().unwrap());
        let connections = Connections::new(config, Client::new(service, "default"));
        Arbiter::new(Arc::new(connections), "kube-system".to_owned())
    }

    async fn take(self, request: http::Request<Body>) -> Result<http::Response<Body>, Infallible> {
        let uri = request.uri().to_string();
        self.asked.lock().unwrap().push(uri.clone());
        if self.is_frozen {
            return std::future::pending().await;
        }
        let (code, answer) = match uri.split_once('?') {
            Some((_, query)) if query.contains("limit=") => (200, self.page(query)),
            _ => self.one(uri.trim_end_matches('?').rsplit('/').next().unwrap_or_default()),
        };
        let response = http::Response::builder().status(code);
        Ok(response
            .body(Body::from(serde_json::to_vec(&answer).unwrap()))
            .unwrap())
    }

    fn one(&self, name: &str) -> (u16, Value) {
        match self.leases.lock().unwrap().get(name) {
            Some(lease) => (200, json!(lease)),
            None => (
                404,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
                    "message": "no such lease", "code": 404}),
            ),
        }
    }

    fn page(&self, query: &str) -> Value {
        let number = |key: &str| {
            let mut pairs = query.split('&');
            pairs.find_map(|pair| pair.strip_prefix(key)?.parse::<usize>().ok())
        };
        let (from, limit) = (number("continue=").unwrap_or(0), number("limit=").unwrap_or(0));
        let leases = self.leases.lock().unwrap();
        let items: Vec<&Lease> = leases.values().skip(from).take(limit).collect();
        let next = if from + items.len() < leases.len() {
            (from + items.len()).to_string()
        } else {
            String::new()
        };
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "LeaseList",
            "metadata": {"resourceVersion": "9", "continue": next}, "items": items})
    }

    /// How many single leases and how many pages it was asked for.
    fn asked(&self) -> (usize, usize) {
        let asked = self.asked.lock().unwrap();
        let pages = asked.iter().filter(|uri| uri.contains("limit=")).count();
        (asked.len() - pages, pages)
    }
}

fn group(name: &str) -> ServiceId {
    ServiceId::new("default", name)
}

fn name(number: usize) -> String {
    format!("web-{number:04}")
}

/// A lease that node-1 holds, in one of its versions.
fn held(name: &str, version: u64) -> Lease {
    let order = WorkOrder {
        service: group(name),
        primary: group(name),
        announcements: vec![],
        standbys: vec![],
        former: None,
        deposed: None,
    };
    let mut lease = Lease {
        spec: Some(LeaseSpec {
            holder_identity: Some("node-1".to_owned()),
            lease_transitions: Some(1),
            ..LeaseSpec::default()
        }),
        ..Lease::default()
    };
    lease.metadata.name = Some(name.to_owned());
    lease.metadata.resource_version = Some(version.to_string());
    let annotations = [
        (annotation::WORK_ORDER, order.to_annotation().unwrap()),
        (annotation::SERVICE, format!("default/{name}")),
    ];
    lease.metadata.annotations = Some(annotations.map(|(key, value)| (key.to_owned(), value)).into());
    lease
}

fn known(names: impl IntoIterator<Item = String>) -> Known {
    let names = names.into_iter();
    names.map(|name| (group(&name), held(&name, 1))).collect()
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
    let server = Server {
        is_frozen: true,
        ..Server::default()
    };
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
        standing.observe_leases(Seen::Listed(vec![held("web", 5)]), now);
        let gone = Read {
            started: now,
            answer: ReadAnswer::Done,
            leases: vec![],
            gone: [(group("web"), held("web", known_then))].into(),
        };
        standing.observe_read(gone, now);
        standing.answers().count()
    };
    assert_eq!(holds(4), 1, "made anew since");
    assert_eq!(holds(5), 0);
}
