//! Spans: what led to what, for those who collect traces. Where nobody does, nothing here does anything.
//!
//! Decisions are taken elsewhere and come with their times, so a span may have begun before it is made. A trace crosses
//! processes in the annotation of a lease, as a W3C `traceparent`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::global::{BoxedSpan, BoxedTracer, ObjectSafeTracer};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _,
};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};

/// What spans are about: the conventions' names where they have one.
pub mod attribute {
    /// The namespace of the service.
    pub const NAMESPACE: &str = "k8s.namespace.name";
    /// The name of the service.
    pub const SERVICE: &str = "k8s.service.name";
    /// The addresses, or the one.
    pub const ADDRESSES: &str = "lightship.addresses";
    /// The pools they come from.
    pub const POOLS: &str = "lightship.pools";
    /// The node that holds, or is to.
    pub const HOLDER: &str = "lightship.holder";
    /// The node that held before.
    pub const FORMER: &str = "lightship.former_holder";
    /// The nodes that stand by.
    pub const STANDBYS: &str = "lightship.standbys";
    /// Why a holder was chosen, in words.
    pub const CAUSE: &str = "lightship.cause";
    /// The epoch of the binding.
    pub const EPOCH: &str = "lightship.epoch";
    /// What came of it.
    pub const OUTCOME: &str = "lightship.outcome";
    /// The interface's index on its node.
    pub const INTERFACE: &str = "lightship.interface_index";
    /// The hardware address of who was asked, or answered.
    pub const STATION: &str = "lightship.station";
    /// How long the holder had not answered, in milliseconds.
    pub const SILENCE: &str = "lightship.silence_ms";
}

/// Makes spans, if anybody collects them.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<BoxedTracer>>);

/// A span under way. It ends when it is dropped, at the latest.
#[derive(Debug, Default)]
pub struct Span(Option<BoxedSpan>);

/// The place of a span in its trace, by which others become its children: in this process or, through a lease, in another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext(SpanContext);

impl Tracer {
    /// Traces are collected by this one.
    #[must_use]
    pub fn to(tracer: impl ObjectSafeTracer + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(BoxedTracer::new(Box::new(tracer)))))
    }

    /// Whether anybody collects traces: what spans alone need is not worth finding out otherwise.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins a span that began so long ago: the first of a trace, or the child of another.
    #[must_use]
    pub fn begin(&self, name: &'static str, parent: Option<&TraceContext>, ago: Duration) -> Span {
        let Some(tracer) = &self.0 else {
            return Span(None);
        };
        let context = parent.map_or_else(Context::new, |parent| {
            Context::new().with_remote_span_context(parent.0.clone())
        });
        let builder = SpanBuilder::from_name(name).with_start_time(before_now(ago));
        Span(Some(tracer.build_with_context(builder, &context)))
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_on() { "Tracer(on)" } else { "Tracer(off)" })
    }
}

impl Span {
    /// Its place, for its children; `None` where nobody collects.
    #[must_use]
    pub fn context(&self) -> Option<TraceContext> {
        let context = self.0.as_ref()?.span_context();
        context.is_valid().then(|| TraceContext(context.clone()))
    }

    /// Says more about it.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.set(key, value);
        self
    }

    /// Says more about it.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(key, value));
        }
    }

    /// Says more about it, in as many words.
    pub fn set_list(&mut self, key: &'static str, items: impl IntoIterator<Item = impl ToString>) {
        if self.0.is_some() {
            let items: Vec<StringValue> = items.into_iter().map(|item| item.to_string().into()).collect();
            self.set(key, Value::Array(Array::String(items)));
        }
    }

    /// What it stands for did not succeed.
    pub fn fail(&mut self, why: impl Into<String>) {
        if let Some(span) = &mut self.0 {
            span.set_status(Status::error(why.into()));
        }
    }

    /// It ended so long ago.
    pub fn end(mut self, ago: Duration) {
        if let Some(span) = &mut self.0 {
            span.end_with_timestamp(before_now(ago));
        }
    }
}

impl TraceContext {
    /// Reads a `traceparent` (W3C Trace Context §3.2); `None` when it is none.
    #[must_use]
    pub fn from_traceparent(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lengths = (version.len(), trace.len(), span.len(), flags.len());
        // Version 0 has these four parts; later ones may have more.
        let is_whole = version != "00" || parts.next().is_none();
        let is_hex = text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
        if lengths != (2, 32, 16, 2) || version == "ff" || !is_whole || !is_hex {
            return None;
        }
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
        context.is_valid().then_some(Self(context))
    }

    /// The `traceparent` that says it.
    #[must_use]
    pub fn to_traceparent(&self) -> String {
        let flags = (self.0.trace_flags() & TraceFlags::SAMPLED).to_u8();
        format!("00-{}-{}-{flags:02x}", self.0.trace_id(), self.0.span_id())
    }

    /// What is logged within it carries its ids, however little is logged.
    #[must_use]
    pub fn log(&self) -> tracing::Span {
        tracing::error_span!("trace", trace_id = %self.0.trace_id(), span_id = %self.0.span_id())
    }
}

fn before_now(ago: Duration) -> SystemTime {
    let now = SystemTime::now();
    now.checked_sub(ago).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_survives() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(
            TraceContext::from_traceparent(text).unwrap().to_traceparent(),
            text
        );
    }

    #[test]
    fn what_is_no_traceparent_begins_no_trace() {
        let refused = [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
        ];
        for text in refused {
            assert_eq!(TraceContext::from_traceparent(text), None, "{text}");
        }
    }

    #[test]
    fn without_a_collector_there_is_no_span() {
        let tracer = Tracer::default();
        let span = tracer.begin("service seen", None, Duration::ZERO);
        assert!(!tracer.is_on() && span.context().is_none());
    }
}
