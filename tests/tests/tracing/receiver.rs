//! A collector: takes spans by OTLP over gRPC and keeps them.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tokio::runtime::Runtime;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// A span as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) failed: bool,
    /// Of the process that sent it.
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Received {
    pub(crate) fn says(&self, key: &str, value: &str) -> bool {
        self.attributes.get(key).is_some_and(|said| said == value)
    }

    pub(crate) fn comes_from(&self, key: &str, value: &str) -> bool {
        self.resource.get(key).is_some_and(|said| said == value)
    }
}

/// Listens until it is dropped.
pub(crate) struct Receiver {
    port: u16,
    spans: Spans,
    _runtime: Runtime,
}

type Spans = Arc<Mutex<Vec<Received>>>;

impl Receiver {
    /// Listens on a free port of every address.
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("0.0.0.0:0").context("failed to listen for spans")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let spans = Spans::default();
        let service = TraceServiceServer::new(Keeper(Arc::clone(&spans)));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let incoming = runtime.block_on(async { tokio::net::TcpListener::from_std(listener) })?;
        runtime.spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpIncoming::from(incoming)),
        );
        Ok(Self {
            port,
            spans,
            _runtime: runtime,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What was received so far.
    pub(crate) fn spans(&self) -> Vec<Received> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Keeper(Spans);

#[tonic::async_trait]
impl TraceService for Keeper {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for batch in request.into_inner().resource_spans {
            let resource = texts(batch.resource.map(|one| one.attributes).unwrap_or_default());
            for span in batch.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.push(Received {
                    name: span.name,
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    start: span.start_time_unix_nano,
                    end: span.end_time_unix_nano,
                    failed: span
                        .status
                        .is_some_and(|status| status.code() == StatusCode::Error),
                    resource: resource.clone(),
                    attributes: texts(span.attributes),
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let pairs = attributes.into_iter();
    pairs.map(|pair| (pair.key, text(pair.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::ArrayValue(list)) => {
            let items: Vec<_> = list.values.into_iter().map(|item| text(Some(item))).collect();
            items.join(",")
        }
        other => format!("{other:?}"),
    }
}
