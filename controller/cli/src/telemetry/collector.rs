//! Traces sent to a collector by OTLP over gRPC, as the `OTEL_*` variables of the OpenTelemetry specification say. Without
//! them nothing is made and nobody is called; a collector that does not answer costs one warning and the spans.

use std::env;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lightship_edge::Tracer;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig};
use opentelemetry_otlp::{ExporterBuildError, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing::{info, warn};

/// How long the last spans may take when a process ends.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Who tells.
#[derive(Debug)]
pub(crate) struct Source {
    /// What it is called, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` names it otherwise.
    pub(crate) name: &'static str,
    /// Which of several it is.
    pub(crate) instance: String,
    /// The node it runs on, as far as it knows.
    pub(crate) node: Option<String>,
}

/// Where traces go.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    provider: Option<SdkTracerProvider>,
    is_away: Arc<AtomicBool>,
}

/// Why no traces are sent although somebody asked for them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Unusable {
    #[error("OTEL_TRACES_EXPORTER is {0}, and only otlp and none are known")]
    Exporter(String),
    #[error(
        "{0} is {1}, and only grpc is spoken; set it to grpc and name the collector's gRPC port, usually 4317"
    )]
    Protocol(&'static str, String),
}

/// Why the way to the collector cannot be used.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Unusable(#[from] Unusable),
    #[error("failed to read {path}, the certificate of the collector")]
    Certificate { path: String, source: std::io::Error },
    #[error("failed to prepare the export; check the OTEL_EXPORTER_OTLP_* variables")]
    Build(#[from] ExporterBuildError),
}

impl Collector {
    /// The collector that the environment names. One that cannot be used is told of, and no reason to do nothing else
    /// either. Must be called inside a runtime.
    pub(crate) fn of_environment(source: &Source) -> Self {
        let is_away = Arc::new(AtomicBool::new(false));
        match provider(source, &is_away) {
            Ok(provider) => Self { provider, is_away },
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, "no traces are sent");
                Self::default()
            }
        }
    }

    /// What makes the spans.
    pub(crate) fn tracer(&self) -> Tracer {
        let provider = self.provider.as_ref();
        provider.map_or_else(Tracer::default, |provider| {
            Tracer::to(provider.tracer("lightship"))
        })
    }

    /// Sends what is left, as far as a moment allows; to one that is away nothing.
    pub(crate) async fn finish(self) {
        let Some(provider) = self.provider.filter(|_| !self.is_away.load(Ordering::Relaxed)) else {
            return;
        };
        let ending = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(LAST_WORDS));
        // Lost last spans are no failure of what the process was there for.
        let _ = tokio::time::timeout(LAST_WORDS, ending).await;
    }
}

fn provider(source: &Source, is_away: &Arc<AtomicBool>) -> Result<Option<SdkTracerProvider>, Error> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    if !is_wanted(variable)? {
        return Ok(None);
    }
    let mut exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic();
    if endpoint(variable).is_some_and(|endpoint| endpoint.starts_with("https:")) {
        exporter = exporter.with_tls_config(encryption(variable)?);
    }
    let exporter = Telling {
        exporter: exporter.build()?,
        is_away: Arc::clone(is_away),
    };
    let provider = SdkTracerProvider::builder()
        .with_resource(resource(source, variable))
        .with_batch_exporter(exporter)
        .build();
    Ok(Some(provider))
}

fn endpoint(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT"))
}

/// Trusts what the system trusts, and the certificate that is named.
fn encryption(variable: impl Fn(&str) -> Option<String>) -> Result<ClientTlsConfig, Error> {
    let config = ClientTlsConfig::new().with_enabled_roots();
    let named = variable("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE")
        .or_else(|| variable("OTEL_EXPORTER_OTLP_CERTIFICATE"));
    match named {
        None => Ok(config),
        Some(path) => match fs::read(&path) {
            Ok(pem) => Ok(config.ca_certificate(Certificate::from_pem(pem))),
            Err(source) => Err(Error::Certificate { path, source }),
        },
    }
}

fn resource(source: &Source, variable: impl Fn(&str) -> Option<String>) -> Resource {
    let said = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_said = |key: &str| {
        said.split(',')
            .any(|pair| pair.split('=').next().map(str::trim) == Some(key))
    };
    let name = Some(source.name.to_owned()).filter(|_| variable("OTEL_SERVICE_NAME").is_none());
    let ours = [
        ("service.name", name),
        ("service.version", Some(env!("CARGO_PKG_VERSION").to_owned())),
        ("service.instance.id", Some(source.instance.clone())),
        ("k8s.node.name", source.node.clone()),
    ];
    let ours = ours.into_iter().filter(|(key, _)| !is_said(key));
    Resource::builder()
        .with_attributes(ours.filter_map(|(key, value)| Some(KeyValue::new(key, value?))))
        .build()
}

/// Whether the environment asks for traces: by naming a collector or the exporter.
fn is_wanted(variable: impl Fn(&str) -> Option<String>) -> Result<bool, Unusable> {
    let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let is_wanted = match variable("OTEL_TRACES_EXPORTER").as_deref() {
        _ if is_off => false,
        None => endpoint(&variable).is_some(),
        Some("none") => false,
        Some("otlp") => true,
        Some(other) => return Err(Unusable::Exporter(other.to_owned())),
    };
    if !is_wanted {
        return Ok(false);
    }
    let protocols = [
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    ];
    let protocol = protocols.iter().find_map(|name| Some((*name, variable(name)?)));
    match protocol {
        Some((name, protocol)) if protocol != "grpc" => Err(Unusable::Protocol(name, protocol)),
        _ => Ok(true),
    }
}

/// Sends spans, and tells when that begins to fail and when it works again.
#[derive(Debug)]
struct Telling {
    exporter: opentelemetry_otlp::SpanExporter,
    is_away: Arc<AtomicBool>,
}

impl SpanExporter for Telling {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        match &result {
            Err(error) if !self.is_away.swap(true, Ordering::Relaxed) => {
                let error = error as &dyn std::error::Error;
                warn!(
                    error,
                    "the collector takes no traces; they are dropped until it does, and nothing waits for it"
                );
            }
            Ok(()) if self.is_away.swap(false, Ordering::Relaxed) => {
                info!("the collector takes traces again");
            }
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(variables: &[(&str, &str)]) -> Result<bool, Unusable> {
        let value = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        is_wanted(value)
    }

    const NAMED: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");

    #[test]
    fn only_who_names_a_collector_or_the_exporter_gets_traces() {
        assert_eq!(wanted(&[]), Ok(false));
        assert_eq!(wanted(&[NAMED]), Ok(true));
        assert_eq!(
            wanted(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4317")]),
            Ok(true)
        );
        assert_eq!(wanted(&[("OTEL_TRACES_EXPORTER", "otlp")]), Ok(true));
    }

    #[test]
    fn who_switches_them_off_gets_none() {
        assert_eq!(wanted(&[NAMED, ("OTEL_TRACES_EXPORTER", "none")]), Ok(false));
        assert_eq!(wanted(&[NAMED, ("OTEL_SDK_DISABLED", "TRUE")]), Ok(false));
    }

    #[test]
    fn what_is_not_spoken_is_said() {
        let http = wanted(&[NAMED, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]);
        assert!(http.unwrap_err().to_string().contains("set it to grpc"));
        let zipkin = wanted(&[NAMED, ("OTEL_TRACES_EXPORTER", "zipkin")]);
        assert!(zipkin.unwrap_err().to_string().contains("only otlp and none"));
        let for_traces = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc");
        let for_all = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
        assert_eq!(wanted(&[NAMED, for_all, for_traces]), Ok(true));
    }
}
