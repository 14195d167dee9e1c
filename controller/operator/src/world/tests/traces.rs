//! What a collector is told, and that telling changes nothing else.

use std::sync::{Arc, Mutex};

use lightship_crd::annotation;
use lightship_edge::lease::{set_trace_context, trace_context};
use lightship_edge::{TraceContext, Tracer};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};

use super::scene::*;
use super::*;

const CLAIM: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Keeps what it is told.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Told {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().append(&mut batch);
        Ok(())
    }
}

impl Told {
    fn by(scene: &mut Scene) -> Self {
        let told = Self::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(told.clone())
            .build();
        scene.world.trace(Tracer::to(provider.tracer("test")));
        told
    }

    /// The `traceparent` of each span about a service, with its name and its parent's id.
    fn about(&self, service: &str) -> Vec<(String, String, String)> {
        let spans = self.0.lock().unwrap();
        let is_meant = |span: &&SpanData| {
            let mut said = span.attributes.iter();
            said.any(|one| one.key.as_str() == "k8s.service.name" && one.value.as_str() == service)
        };
        let told = spans.iter().filter(is_meant).map(|span| {
            let context = &span.span_context;
            let own = format!("00-{}-{}-01", context.trace_id(), context.span_id());
            (span.name.to_string(), span.parent_span_id.to_string(), own)
        });
        told.collect()
    }
}

fn trace_of(traceparent: &str) -> &str {
    traceparent.split('-').nth(1).unwrap()
}

fn carried(scene: &Scene, name: &str) -> Option<String> {
    trace_context(&scene.leases[&lease_name(name)]).map(|context| context.to_traceparent())
}

#[test]
fn a_service_is_told_from_when_it_was_seen_to_its_lease_which_names_the_last_span() {
    let mut scene = Scene::new(&[]);
    let told = Told::by(&mut scene);
    scene.serve("a", &["192.0.2.7"]);
    scene.settle();
    let spans = told.about("a");
    let names: Vec<_> = spans.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["service seen", "holder chosen", "lease written"]);
    let seen = spans[0].2.split('-').nth(2).unwrap();
    assert_eq!((spans[1].1.as_str(), spans[2].1.as_str()), (seen, seen));
    assert_eq!(carried(&scene, "a").as_deref(), Some(spans[2].2.as_str()));
    scene.take_log();
    scene.beat("node-1", &json!([]));
    scene.pass(60_000);
    assert_eq!(scene.take_log(), [] as [&str; 0]);
    assert_eq!(told.about("a").len(), 3);
}

#[test]
fn what_follows_from_a_claim_is_told_in_the_claims_trace() {
    let mut scene = Scene::new(&[("a", &["192.0.2.7"]), ("b", &["192.0.2.7"])]);
    let told = Told::by(&mut scene);
    scene.edit("a", |lease| {
        claimed(lease);
        set_trace_context(lease, TraceContext::from_traceparent(CLAIM).as_ref());
    });
    scene.settle();
    let (name, parent, _) = told.about("a").remove(0);
    assert_eq!(
        (name.as_str(), parent.as_str()),
        ("takeover seen", "b7ad6b7169203331")
    );
    let copy = told.about("b");
    assert_eq!(copy.last().unwrap().0, "lease written");
    assert!(
        copy.iter().all(|(.., own)| trace_of(own) == trace_of(CLAIM)),
        "{copy:?}"
    );
    assert_eq!(trace_of(&carried(&scene, "b").unwrap()), trace_of(CLAIM));
}

#[test]
fn services_that_leave_a_node_for_one_reason_are_one_trace() {
    let addresses: Vec<String> = (1..=9).map(|number| format!("192.0.2.{number}")).collect();
    let each: Vec<[&str; 1]> = addresses.iter().map(|address| [address.as_str()]).collect();
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let services: Vec<(&str, &[&str])> = names.into_iter().zip(each.iter().map(|one| &one[..])).collect();
    let mut scene = Scene::new(&services);
    let told = Told::by(&mut scene);
    let mut drained = node("node-1");
    drained.metadata.annotations = Some([(annotation::DRAIN.to_owned(), "yes".to_owned())].into());
    scene
        .world
        .observe(Change::Node(Seen::Applied(Box::new(drained))), scene.instant());
    scene.settle();
    let moved: Vec<_> = names
        .into_iter()
        .flat_map(|name| told.about(name))
        .filter(|(name, ..)| name == "holder chosen")
        .collect();
    let trace = trace_of(&moved[0].2);
    assert!(
        moved.len() > 1 && moved.iter().all(|(.., own)| trace_of(own) == trace),
        "{moved:?}"
    );
}

#[test]
fn without_a_collector_a_trace_context_causes_no_write_and_does_not_survive_one() {
    let mut scene = Scene::new(&[("a", &["192.0.2.7"])]);
    scene.edit("a", |lease| {
        set_trace_context(lease, TraceContext::from_traceparent(CLAIM).as_ref());
    });
    scene.take_log();
    scene.settle();
    assert_eq!(scene.take_log(), [] as [&str; 0]);
    assert_eq!(carried(&scene, "a").as_deref(), Some(CLAIM));
    scene.serve("a", &["192.0.2.8"]);
    scene.settle();
    assert_eq!(carried(&scene, "a"), None);
}
