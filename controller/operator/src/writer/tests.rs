//! What the API server is sent, and what its answers mean.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::error::Effect;

/// Short, so that a test can wait for it.
const LIMIT: Duration = Duration::from_millis(100);

/// An API server that gives one answer to everything, or none, and remembers what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Answering {
    answer: Option<(u16, Value)>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Answering {
    pub(crate) fn with(code: u16, answer: Value) -> Self {
        Self {
            answer: Some((code, answer)),
            ..Self::default()
        }
    }

    /// A refusal, or a failure, as the API server words it.
    fn failing(code: u16, reason: &str) -> Self {
        let status = json!({
            "apiVersion": "v1", "kind": "Status", "status": "Failure", "message": reason, "reason": reason, "code": code,
        });
        Self::with(code, status)
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer::new(
            self.client(),
            LIMIT,
            "kube-system".to_owned(),
            "replica".to_owned(),
        )
    }

    pub(crate) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| server.clone().take(request));
        Client::new(service, "default")
    }

    async fn take(self, request: http::Request<Body>) -> Result<http::Response<Body>, Infallible> {
        let line = format!("{} {}", request.method(), request.uri());
        let body = request.into_body().collect_bytes().await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        self.asked.lock().unwrap().push((line, body));
        let Some((code, answer)) = self.answer else {
            return std::future::pending().await;
        };
        let response = http::Response::builder().status(code);
        Ok(response
            .body(Body::from(serde_json::to_vec(&answer).unwrap()))
            .unwrap())
    }

    /// What it was asked, and the bodies.
    pub(crate) fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }
}

fn id() -> ServiceId {
    ServiceId::new("default", "web")
}

fn status_write() -> Write {
    Write {
        target: Target::Service(id()),
        content: Content::Status(json!({"metadata": {"resourceVersion": "7"}, "status": {}})),
        notes: vec![],
        regarding: vec![],
    }
}

#[tokio::test]
async fn only_a_refusal_that_is_stated_did_nothing() {
    for (code, reason, effect, category) in [
        (409, "Conflict", Effect::None, "conflict"),
        (422, "Invalid", Effect::None, "write"),
        (403, "Forbidden", Effect::None, "write"),
        (429, "TooManyRequests", Effect::None, "write"),
        (500, "InternalError", Effect::Unknown, "write"),
        (503, "ServiceUnavailable", Effect::Unknown, "write"),
        (504, "Timeout", Effect::Unknown, "write"),
    ] {
        let server = Answering::failing(code, reason);
        let error = server.writer().carry_out(&status_write()).await.unwrap_err();
        assert_eq!((error.effect(), error.category()), (effect, category), "{code}");
        assert_eq!(
            error.to_string(),
            "failed to write the status of service default/web"
        );
        assert_eq!(
            server.asked().len(),
            1,
            "{code}: the world decides about a second try"
        );
    }
    let gone = Answering::failing(404, "NotFound");
    let answer = gone.writer().carry_out(&status_write()).await.unwrap();
    assert!(matches!(answer, Answer::Gone));
}

#[tokio::test]
async fn a_write_that_is_not_answered_ends_and_its_effect_is_unknown() {
    let start = Instant::now();
    let writer = Answering::default().writer();
    let answer = tokio::time::timeout(10 * MARGIN, writer.carry_out(&status_write())).await;
    let error = answer.expect("it ends").unwrap_err();
    assert_eq!((error.effect(), error.category()), (Effect::Unknown, "deadline"));
    assert!(
        start.elapsed() >= LIMIT + MARGIN,
        "the API server's own answer is awaited"
    );
}

#[tokio::test]
async fn a_status_is_patched_at_its_version_within_the_limit_and_in_our_name() {
    let server = Answering::with(200, json!({"metadata": {"namespace": "default", "name": "web"}}));
    let answer = server.writer().carry_out(&status_write()).await.unwrap();
    assert!(matches!(answer, Answer::Service(service) if service.name_any() == "web"));
    let line =
        "PATCH /api/v1/namespaces/default/services/web/status?&fieldManager=lightship-operator&timeout=100ms";
    let patch = json!({"metadata": {"resourceVersion": "7"}, "status": {}});
    assert_eq!(server.asked(), [(line.to_owned(), patch)]);
}

#[tokio::test]
async fn only_the_lease_that_was_seen_is_deleted() {
    let lease = json!({"metadata": {"name": "one", "uid": "u", "resourceVersion": "7"}});
    let lease: Lease = serde_json::from_value(lease).unwrap();
    let delete = Write {
        target: Target::Lease(id()),
        content: Content::Lease(LeaseWrite::Delete(Box::new(lease))),
        ..status_write()
    };
    let server = Answering::failing(404, "NotFound");
    let answer = server.writer().carry_out(&delete).await.unwrap();
    assert!(matches!(answer, Answer::LeaseDeleted(gone) if gone == id()));
    let (line, options) = server.asked().remove(0);
    let path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/one";
    assert!(line.starts_with(&format!("DELETE {path}?")), "{line}");
    assert_eq!(
        options["preconditions"],
        json!({"resourceVersion": "7", "uid": "u"})
    );
    let refused = Answering::failing(409, "Conflict");
    let error = refused.writer().carry_out(&delete).await.unwrap_err();
    assert_eq!(error.effect(), Effect::None);
}

#[tokio::test]
async fn each_note_is_an_event_of_its_own_words_about_each_object_and_a_lost_one_is_not_repeated() {
    let objects = ["web", "lease"].map(|name| ObjectReference {
        name: Some(name.to_owned()),
        namespace: Some("default".to_owned()),
        ..ObjectReference::default()
    });
    let notes =
        ["10.0.10.0", "10.0.10.1"].map(|one| Note::normal("AddressAssigned", format!("Address {one}")));
    for server in [
        Answering::with(201, json!({})),
        Answering::failing(500, "InternalError"),
    ] {
        server.writer().tell(notes.to_vec(), objects.to_vec()).await;
        let told: Vec<_> = server
            .asked()
            .iter()
            .map(|(line, event)| {
                let created = "POST /apis/events.k8s.io/v1/namespaces/default/events";
                assert!(line.starts_with(created), "{line}");
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                format!("{}: {}", text(&event["regarding"]["name"]), text(&event["note"]))
            })
            .collect();
        let expected = [
            "web: Address 10.0.10.0",
            "lease: Address 10.0.10.0",
            "web: Address 10.0.10.1",
            "lease: Address 10.0.10.1",
        ];
        assert_eq!(told, expected);
    }
}
