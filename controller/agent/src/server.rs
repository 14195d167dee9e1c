//! An API server for the tests of what is asked of one.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::client::Body;
use kube::{Client, Config};
use lightship_core::binding::WorkOrder;
use lightship_core::names::ServiceId;
use lightship_crd::annotation;
use serde_json::{Value, json};

use crate::api::{Arbiter, Connections};

/// An API server that has some leases, or that takes connections and answers nothing.
#[derive(Clone, Default)]
pub(crate) struct Server {
    leases: Arc<Mutex<BTreeMap<String, Lease>>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// How many requests about a lease are not answered.
    passed_over: Arc<Mutex<BTreeMap<String, usize>>>,
    fails: bool,
    is_frozen: bool,
    takes: Duration,
}

impl Server {
    pub(crate) fn frozen() -> Self {
        Self {
            is_frozen: true,
            ..Self::default()
        }
    }

    pub(crate) fn slow(mut self, takes: Duration) -> Self {
        self.takes = takes;
        self
    }

    /// Whatever it is asked, it says that it cannot.
    pub(crate) fn failing() -> Self {
        Self {
            fails: true,
            ..Self::default()
        }
    }

    /// So many requests about a lease are not answered.
    pub(crate) fn passing_over(self, name: &str, requests: usize) -> Self {
        self.passed_over.lock().unwrap().insert(name.to_owned(), requests);
        self
    }

    fn passes_over(&self, uri: &str) -> bool {
        let name = uri.split('?').next().unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or_default();
        let mut passed_over = self.passed_over.lock().unwrap();
        let left = passed_over.get_mut(name).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    }

    pub(crate) fn with(names: impl IntoIterator<Item = String>) -> Self {
        let server = Self::default();
        let leases = names.into_iter().map(|name| (name.clone(), held(&name, 1)));
        server.leases.lock().unwrap().extend(leases);
        server
    }

    pub(crate) fn arbiter(&self) -> Arbiter {
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
        if self.is_frozen || self.passes_over(&uri) {
            return std::future::pending().await;
        }
        tokio::time::sleep(self.takes).await;
        if self.fails {
            let said = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                "reason": "InternalError", "message": "the store does not answer", "code": 500});
            return Ok(answer(500, &said));
        }
        if request.method() == http::Method::PUT {
            let lease = request.into_body().collect_bytes().await.unwrap();
            return Ok(answer(200, &serde_json::from_slice(&lease).unwrap()));
        }
        let (code, said) = match uri.split_once('?') {
            Some((_, query)) if query.contains("limit=") => (200, self.page(query)),
            _ => self.one(uri.trim_end_matches('?').rsplit('/').next().unwrap_or_default()),
        };
        Ok(answer(code, &said))
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
    pub(crate) fn asked(&self) -> (usize, usize) {
        let asked = self.asked.lock().unwrap();
        let pages = asked.iter().filter(|uri| uri.contains("limit=")).count();
        (asked.len() - pages, pages)
    }
}

fn answer(code: u16, body: &Value) -> http::Response<Body> {
    let body = Body::from(serde_json::to_vec(body).unwrap());
    http::Response::builder().status(code).body(body).unwrap()
}

pub(crate) fn group(name: &str) -> ServiceId {
    ServiceId::new("default", name)
}

/// A lease that node-1 holds and node-2 stands by for, in one of its versions.
pub(crate) fn held(name: &str, version: u64) -> Lease {
    let order = WorkOrder {
        service: group(name),
        primary: group(name),
        announcements: vec![],
        standbys: vec!["node-2".into()],
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
