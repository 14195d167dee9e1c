//! An API server whose answers can be held back: what neither a real one nor its store does on demand.
//!
//! It keeps objects, their versions and who wrote the ingress of a service, and refuses writes bound to another version. A
//! request that was taken is carried out whoever still waits for the answer, as a frozen server does when it thaws.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::objects::{Objects, Path};

/// Which requests of a client wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Nothing,
    /// Writes of what services show.
    StatusesOfServices,
    /// Whatever is about services.
    Services,
    Everything,
}

/// The API server.
#[derive(Clone)]
pub(crate) struct Server {
    objects: Arc<Mutex<Objects>>,
    version: watch::Sender<u64>,
}

/// What lies between one client and the server.
#[derive(Clone)]
pub(crate) struct Link {
    held: watch::Sender<Held>,
    asked: watch::Sender<Vec<Asked>>,
    /// Whether the client is there; of one that is not, nothing new arrives.
    alive: watch::Sender<bool>,
}

#[derive(Debug)]
struct Asked {
    line: String,
    waits: bool,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self {
            objects: Arc::default(),
            version: watch::Sender::new(0),
        }
    }

    /// A client, and what lies between.
    pub(crate) fn client(&self) -> (Client, Link) {
        let link = Link {
            held: watch::Sender::new(Held::Nothing),
            asked: watch::Sender::default(),
            alive: watch::Sender::new(true),
        };
        let (server, between) = (self.clone(), link.clone());
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (server, link) = (server.clone(), between.clone());
            // A task of its own: it ends whether anybody waits for it or not.
            let carried_out = tokio::spawn(async move { link.pass(&server, request).await });
            async move { Ok::<_, Infallible>(carried_out.await.unwrap()) }
        });
        (Client::new(service, "default"), link)
    }

    /// Does what somebody with kubectl does.
    pub(crate) fn put(&self, path: &str, object: Value) {
        let stored = self.objects.lock().unwrap().put(&Path::of(path), object, None);
        assert_eq!(stored.0, 200, "{path}: {}", stored.1);
        self.tell();
    }

    /// Takes an object away.
    pub(crate) fn delete(&self, path: &str) {
        self.objects.lock().unwrap().delete(&Path::of(path));
        self.tell();
    }

    /// An object as it is.
    pub(crate) fn get(&self, path: &str) -> Value {
        self.objects.lock().unwrap().get(&Path::of(path)).1
    }

    /// Addresses that two services showed at once at any time.
    pub(crate) fn doubled(&self) -> Vec<String> {
        self.objects.lock().unwrap().doubled.clone()
    }

    fn tell(&self) {
        self.version.send_replace(self.objects.lock().unwrap().version);
    }

    async fn answer(&self, request: http::Request<Body>) -> (u16, String) {
        let (parts, body) = request.into_parts();
        let path = Path::of(&parts.uri.to_string());
        if let Some(since) = path.watched_since() {
            let mut version = self.version.subscribe();
            loop {
                version.borrow_and_update();
                let seen = self.objects.lock().unwrap().changes(&path, since);
                if !seen.is_empty() {
                    return (200, seen);
                }
                // A server that is gone tells nothing more.
                if version.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        }
        let body = body.collect_bytes().await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let (code, answer) = self
            .objects
            .lock()
            .unwrap()
            .carry_out(parts.method.as_str(), &path, body);
        self.tell();
        (code, answer.to_string())
    }
}

impl Link {
    /// Holds requests back, or lets those go on that waited.
    pub(crate) fn hold(&self, held: Held) {
        self.held.send_replace(held);
    }

    /// Ends when the write of what a service shows waits.
    pub(crate) async fn holds(&self, service: &str) {
        let path = format!("/services/{service}/status");
        let held = |one: &Asked| one.waits && one.line.contains(&path);
        let mut asked = self.asked.subscribe();
        asked.wait_for(|all| all.iter().any(held)).await.unwrap();
    }

    /// Ends when all services were listed that often, which a leader does when it begins.
    pub(crate) async fn led(&self, times: usize) {
        let lists =
            |one: &&Asked| one.line.starts_with("GET /api/v1/services?") && !one.line.contains("watch=");
        let mut asked = self.asked.subscribe();
        let enough = |all: &Vec<Asked>| all.iter().filter(lists).count() >= times;
        asked.wait_for(enough).await.unwrap();
    }

    /// The client's machine is gone. What it sent before is still under way.
    pub(crate) fn dies(&self) {
        self.alive.send_replace(false);
    }

    async fn pass(&self, server: &Server, request: http::Request<Body>) -> http::Response<Body> {
        if !*self.alive.borrow() {
            return std::future::pending().await;
        }
        let line = format!("{} {}", request.method(), request.uri());
        let waits = |held: &Held| match held {
            Held::Nothing => false,
            Held::StatusesOfServices => line.starts_with("PATCH") && line.contains("/services/"),
            Held::Services => line.contains("/services"),
            Held::Everything => true,
        };
        let asked = Asked {
            waits: waits(&self.held.borrow()),
            line: line.clone(),
        };
        self.asked.send_modify(|all| all.push(asked));
        let mut held = self.held.subscribe();
        held.wait_for(|held| !waits(held)).await.unwrap();
        let (code, answer) = server.answer(request).await;
        // A watch may have been let through long before.
        held.wait_for(|held| !waits(held)).await.unwrap();
        http::Response::builder()
            .status(code)
            .body(Body::from(answer.into_bytes()))
            .unwrap()
    }
}

/// An address pool.
pub(crate) fn pool(cidr: &str) -> Value {
    json!({
        "apiVersion": "cilium.io/v2", "kind": "CiliumLoadBalancerIPPool",
        "metadata": {"name": "pool", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"blocks": [{"cidr": cidr}]},
    })
}

/// A service that was made in that minute of the hour, and asks for these addresses.
pub(crate) fn service(name: &str, minute: u8, asks: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "namespace": "default", "name": name, "generation": 1, "uid": name,
            "creationTimestamp": format!("2026-01-01T00:{minute:02}:00Z"),
            "annotations": {"lbipam.cilium.io/ips": asks},
        },
        "spec": {"type": "LoadBalancer", "ipFamilies": ["IPv4"], "ports": [{"port": 80, "protocol": "TCP"}]},
    })
}
