//! What the API server keeps, and what it does when asked.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Where a request goes: the kind, the object, and what was asked beside.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    kind: String,
    namespace: String,
    name: Option<String>,
    queries: BTreeMap<String, String>,
}

impl Path {
    pub(crate) fn of(uri: &str) -> Self {
        let (path, queries) = uri.split_once('?').unwrap_or((uri, ""));
        let mut parts = path.trim_matches('/').split('/');
        let prefix = if parts.next() == Some("api") { 1 } else { 2 };
        let mut rest = parts.skip(prefix).map(str::to_owned);
        let mut kind = rest.next().unwrap();
        let mut namespace = String::new();
        if kind == "namespaces" {
            namespace = rest.next().unwrap();
            kind = rest.next().unwrap();
        }
        let queries = queries.split('&').filter_map(|query| {
            let (key, value) = query.split_once('=')?;
            Some((key.to_owned(), value.replace("%3D", "=").replace("%2F", "/")))
        });
        Self {
            kind,
            namespace,
            name: rest.next(),
            queries: queries.collect(),
        }
    }

    /// The version from which on changes are to be told, if that is what is asked.
    pub(crate) fn watched_since(&self) -> Option<u64> {
        self.queries.get("watch")?;
        self.queries.get("resourceVersion")?.parse().ok()
    }

    fn key(&self) -> Key {
        let name = self.name.clone().unwrap_or_default();
        (self.kind.clone(), self.namespace.clone(), name)
    }

    fn selects(&self, key: &Key, object: &Value) -> bool {
        let labelled = |selector: &String| {
            let (label, value) = selector.split_once('=').unwrap();
            object["metadata"]["labels"][label] == value
        };
        let named = |selector: &String| selector.strip_prefix("metadata.name=") == Some(key.2.as_str());
        key.0 == self.kind
            && (self.namespace.is_empty() || self.namespace == key.1)
            && self.queries.get("labelSelector").is_none_or(labelled)
            && self.queries.get("fieldSelector").is_none_or(named)
    }
}

/// Kind, namespace and name.
type Key = (String, String, String);

/// An answer's code and body.
type Answer = (u16, Value);

/// Everything that is kept.
#[derive(Default)]
pub(crate) struct Objects {
    all: BTreeMap<Key, Value>,
    history: Vec<(u64, Key, &'static str, Value)>,
    pub(crate) version: u64,
    pub(crate) doubled: Vec<String>,
}

impl Objects {
    pub(crate) fn carry_out(&mut self, method: &str, path: &Path, body: Value) -> Answer {
        let exists = path.name.is_some() && self.all.contains_key(&path.key());
        match method {
            "GET" if path.name.is_none() => self.list(path),
            "GET" => self.get(path),
            "POST" => {
                let name = body["metadata"]["name"].as_str().map(str::to_owned);
                let path = Path { name, ..path.clone() };
                if self.all.contains_key(&path.key()) {
                    return refused(409, "AlreadyExists");
                }
                self.put(&path, body, None)
            }
            "PUT" | "PATCH" if !exists => refused(404, "NotFound"),
            "PUT" => self.put(path, body, None),
            "PATCH" => {
                let mut object = self.all[&path.key()].clone();
                let seen = body["metadata"]["resourceVersion"].clone();
                merge(&mut object, body);
                if !seen.is_null() {
                    object["metadata"]["resourceVersion"] = seen;
                }
                self.put(path, object, path.queries.get("fieldManager"))
            }
            _ => panic!("nobody is expected to {method} {path:?}"),
        }
    }

    pub(crate) fn get(&self, path: &Path) -> Answer {
        let found = self.all.get(&path.key()).cloned();
        found.map_or_else(|| refused(404, "NotFound"), |object| (200, object))
    }

    fn list(&self, path: &Path) -> Answer {
        let selected = self.all.iter().filter(|(key, object)| path.selects(key, object));
        let items: Vec<_> = selected.map(|(_, object)| object).collect();
        let version = self.version.to_string();
        (
            200,
            json!({"metadata": {"resourceVersion": version}, "items": items}),
        )
    }

    /// What changed since a version, as a watch tells it.
    pub(crate) fn changes(&self, path: &Path, since: u64) -> String {
        let later = self.history.iter().filter(|(version, ..)| *version > since);
        let selected = later.filter(|(_, key, _, object)| path.selects(key, object));
        // The type comes first, as the API server writes it: the object is decoded as it is read.
        let lines = selected.map(|(_, _, how, object)| {
            ["{\"type\":\"", how, "\",\"object\":", &object.to_string(), "}\n"].concat()
        });
        lines.collect()
    }

    /// Stores an object unless it names another version than the one that is there.
    pub(crate) fn put(&mut self, path: &Path, mut object: Value, manager: Option<&String>) -> Answer {
        let key = path.key();
        let known = self.all.get(&key);
        let seen = object["metadata"]["resourceVersion"].clone();
        if known.is_some_and(|known| !seen.is_null() && known["metadata"]["resourceVersion"] != seen) {
            return refused(409, "Conflict");
        }
        let how = if known.is_some() { "MODIFIED" } else { "ADDED" };
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if let Some(manager) = manager {
            object["metadata"]["managedFields"] = json!([{
                "manager": manager, "operation": "Update", "subresource": "status",
                "fieldsV1": {"f:status": {"f:loadBalancer": {"f:ingress": {}}}},
            }]);
        }
        self.all.insert(key.clone(), object.clone());
        self.history.push((self.version, key, how, object.clone()));
        self.look_for_doubles();
        (200, object)
    }

    /// Takes an object away.
    pub(crate) fn delete(&mut self, path: &Path) {
        let key = path.key();
        let mut object = self.all.remove(&key).unwrap();
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.history.push((self.version, key, "DELETED", object));
    }

    fn look_for_doubles(&mut self) {
        let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
        for object in self.all.values() {
            let entries = object["status"]["loadBalancer"]["ingress"].as_array();
            for address in entries.into_iter().flatten().filter_map(|one| one["ip"].as_str()) {
                *shown.entry(address).or_default() += 1;
            }
        }
        let twice = shown.into_iter().filter(|(_, count)| *count > 1);
        self.doubled.extend(twice.map(|(address, _)| address.to_owned()));
    }
}

fn refused(code: u16, reason: &str) -> Answer {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "message": reason, "reason": reason, "code": code,
    });
    (code, status)
}

/// A JSON merge patch.
fn merge(object: &mut Value, patch: Value) {
    let Value::Object(fields) = patch else {
        *object = patch;
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(&name);
        } else {
            merge(&mut object[name], value);
        }
    }
}
