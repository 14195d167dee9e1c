//! What objects should say, as pure functions: what is observed and what is decided in, the change with its events
//! out. Events follow from the change itself, so a restart repeats none.

pub(crate) mod condition;
pub(crate) mod policy;
pub(crate) mod pool;
pub(crate) mod service;

use kube::runtime::events::EventType;
use serde_json::Value;

/// Lists in a status show this many items and count the others.
pub(crate) const LONGEST_LIST: usize = 512;

/// An event to be published about an object once its change is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// Normal or Warning.
    pub(crate) severity: EventType,
    /// The category, in `PascalCase`.
    pub(crate) reason: &'static str,
    /// A sentence for people.
    pub(crate) message: String,
}

/// The API server refuses longer notes of events, in bytes.
const LONGEST_NOTE: usize = 1024;

impl Note {
    pub(crate) fn normal(reason: &'static str, message: String) -> Self {
        Self {
            severity: EventType::Normal,
            reason,
            message: shortened(message, LONGEST_NOTE),
        }
    }

    pub(crate) fn warning(reason: &'static str, message: String) -> Self {
        Self {
            severity: EventType::Warning,
            ..Self::normal(reason, message)
        }
    }
}

/// The text within so many bytes, and that there was more of it.
fn shortened(text: String, longest: usize) -> String {
    const MORE: &str = "…";
    if text.len() <= longest {
        return text;
    }
    let end = (0..=longest - MORE.len())
        .rev()
        .find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or_default()).unwrap_or_default().to_owned() + MORE
}

/// A change of an object's status.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StatusUpdate {
    /// A merge patch of the status subresource, bound to the resourceVersion it was computed from.
    pub(crate) patch: Value,
    /// What to tell once it is written.
    pub(crate) notes: Vec<Note>,
}

/// The merge patch that makes `status` the status of the object at this version, and of no later one.
fn patch_at(resource_version: Option<&String>, status: &Value) -> Value {
    serde_json::json!({ "metadata": { "resourceVersion": resource_version }, "status": status })
}
