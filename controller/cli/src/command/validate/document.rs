//! One YAML document: read, and held against its kind's schema and rules.

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt as _;
use kube_cel::Validator;
use lightship_crd::crds;
use lightship_operator::rehearsal::Objects;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(in crate::command) const POOL: &str = "CiliumLoadBalancerIPPool";
pub(in crate::command) const POLICY: &str = "CiliumL2AnnouncementPolicy";
pub(in crate::command) const SERVICE: &str = "Service";

/// A document of the file.
#[derive(Debug)]
pub(in crate::command) struct Document {
    /// Its first line, counted from 1.
    pub(in crate::command) line: usize,
    text: String,
}

impl Document {
    /// What it says.
    pub(in crate::command) fn value(&self) -> Result<Value, serde_saphyr::Error> {
        serde_saphyr::from_str(&self.text)
    }
}

/// What a document is, and what is wrong with it.
#[derive(Debug)]
pub(in crate::command) struct Outcome {
    pub(in crate::command) object: String,
    pub(in crate::command) problems: Vec<String>,
}

/// The schemas of our kinds by kind and version.
pub(in crate::command) struct Schemas(Vec<(String, String, Value)>);

impl Schemas {
    pub(in crate::command) fn new() -> anyhow::Result<Self> {
        let mut schemas = Vec::new();
        for definition in crds().context("failed to make the definitions")? {
            let kind = definition.spec.names.kind;
            for version in definition.spec.versions {
                let schema = version.schema.and_then(|schema| schema.open_api_v3_schema);
                let schema = serde_json::to_value(schema).context("failed to read a schema")?;
                let name = format!("{}/{}", definition.spec.group, version.name);
                schemas.push((kind.clone(), name, schema));
            }
        }
        Ok(Self(schemas))
    }

    fn of(&self, kind: &str, version: &str) -> Result<&Value, String> {
        let versions = || self.0.iter().filter(|(known, ..)| known == kind);
        let found = versions().find(|(_, name, _)| name == version);
        found.map(|(.., schema)| schema).ok_or_else(|| {
            let served: Vec<_> = versions().map(|(_, name, _)| name.as_str()).collect();
            format!(
                "apiVersion {version} is not served for {kind}: write {}",
                served.join(" or ")
            )
        })
    }
}

/// The documents of a file, those without content left out.
pub(in crate::command) fn split(text: &str) -> Vec<Document> {
    let mut documents = vec![Document {
        line: 1,
        text: String::new(),
    }];
    for (index, line) in text.lines().enumerate() {
        if line == "---" || line.starts_with("--- ") {
            documents.push(Document {
                line: index + 2,
                text: String::new(),
            });
        } else if let Some(last) = documents.last_mut() {
            last.text.push_str(line);
            last.text.push('\n');
        }
    }
    let has_content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    documents.retain(|one| one.text.lines().any(has_content));
    documents
}

/// Reads a document; what can be read of our kinds is added to the objects.
pub(in crate::command) fn read(document: &Document, schemas: &Schemas, objects: &mut Objects) -> Outcome {
    let value: Value = match document.value() {
        Ok(value) => value,
        Err(error) => {
            return Outcome {
                object: "?".to_owned(),
                problems: vec![format!("this is no YAML: {}", one_line(&error.to_string()))],
            };
        }
    };
    let word = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let (kind, version) = (word("kind"), word("apiVersion"));
    let name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let mut problems = Vec::new();
    if kind.is_empty() || version.is_empty() {
        problems.push("an object needs kind and apiVersion".to_owned());
    } else if name.is_empty() && value["metadata"]["generateName"].is_null() {
        problems.push("an object needs metadata.name".to_owned());
    }
    let mut object = format!("{kind}/{name}");
    match kind.as_str() {
        POOL => {
            problems.extend(by_rules(schemas, &kind, &version, &value));
            objects.pools.extend(typed(&value, &mut problems));
        }
        POLICY => {
            problems.extend(by_rules(schemas, &kind, &version, &value));
            objects.policies.extend(typed(&value, &mut problems));
        }
        SERVICE if version == "v1" => {
            if let Some(mut service) = typed::<Service>(&value, &mut problems) {
                let namespace = service.namespace().unwrap_or_else(|| "default".to_owned());
                object = format!("{SERVICE}/{namespace}/{name}");
                service.metadata.namespace = Some(namespace);
                objects.services.push(service);
            }
        }
        // Other kinds are none of ours.
        _ => {}
    }
    Outcome { object, problems }
}

fn by_rules(schemas: &Schemas, kind: &str, version: &str, value: &Value) -> Vec<String> {
    let schema = match schemas.of(kind, version) {
        Ok(schema) => schema,
        Err(problem) => return vec![problem],
    };
    match Validator::new().validate(schema, value, None) {
        Ok(()) => vec![],
        Err(errors) => {
            let each = errors
                .iter()
                .map(|error| format!("{}: {}", error.field_path, error.message));
            each.collect()
        }
    }
}

/// The object as its kind, with a problem for what cannot be read and for every field that the kind does not know.
fn typed<T: DeserializeOwned + Serialize>(value: &Value, problems: &mut Vec<String>) -> Option<T> {
    let object: T = match serde_json::from_value(value.clone()) {
        Ok(object) => object,
        Err(error) => {
            problems.push(format!("it cannot be read: {}", one_line(&error.to_string())));
            return None;
        }
    };
    if let Ok(kept) = serde_json::to_value(&object) {
        unknown(&value["spec"], &kept["spec"], "spec", problems);
    }
    Some(object)
}

/// What was written and is not kept has a name that nobody knows.
fn unknown(written: &Value, kept: &Value, path: &str, problems: &mut Vec<String>) {
    match (written, kept) {
        (Value::Object(written), Value::Object(kept)) => {
            for (key, value) in written {
                let path = format!("{path}.{key}");
                match kept.get(key) {
                    Some(kept) => unknown(value, kept, &path, problems),
                    // Empty values may be left out by whoever writes.
                    None if value.is_null()
                        || *value == serde_json::json!({})
                        || *value == serde_json::json!([]) => {}
                    None => problems.push(format!("unknown field {path}; correct its name or remove it")),
                }
            }
        }
        (Value::Array(written), Value::Array(kept)) => {
            for (index, (written, kept)) in written.iter().zip(kept).enumerate() {
                unknown(written, kept, &format!("{path}[{index}]"), problems);
            }
        }
        _ => {}
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
