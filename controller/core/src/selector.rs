//! Label selectors that have been checked: a value of [`Selector`] can always be evaluated.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

/// Labels as selectors see them.
pub type Labels = BTreeMap<String, String>;

/// A requirement that cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectorError {
    /// `In` or `NotIn` without a value to compare with.
    #[error("failed to read the requirement on \"{key}\": {operator} needs at least one value")]
    NoValues {
        /// Label key of the requirement.
        key: String,
        /// Operator as written.
        operator: String,
    },
    /// `Exists` or `DoesNotExist` with values, which would be ignored.
    #[error("failed to read the requirement on \"{key}\": {operator} takes no values")]
    UnexpectedValues {
        /// Label key of the requirement.
        key: String,
        /// Operator as written.
        operator: String,
    },
    /// An operator that is none of the four.
    #[error(
        "failed to read the requirement on \"{key}\": \"{operator}\" is none of In, NotIn, Exists, DoesNotExist"
    )]
    UnknownOperator {
        /// Label key of the requirement.
        key: String,
        /// Operator as written.
        operator: String,
    },
    /// A key that no label can have.
    #[error("failed to read the requirement on \"{0}\": no label can have such a key")]
    Key(String),
    /// A value that no label can have.
    #[error("failed to read the requirement on \"{key}\": no label can have the value \"{value}\"")]
    Value {
        /// Label key of the requirement.
        key: String,
        /// The value.
        value: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, BTreeSet<String>),
    NotIn(String, BTreeSet<String>),
    Exists(String),
    DoesNotExist(String),
}

/// A checked label selector; without requirements it matches everything.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Selector(Vec<Requirement>);

impl Selector {
    /// The selector that matches everything.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// Adds `key = value`, as `matchLabels` does.
    #[must_use]
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0
            .push(Requirement::In(key.into(), BTreeSet::from([value.into()])));
        self
    }

    /// Adds one item of `matchExpressions`.
    ///
    /// # Errors
    /// When the operator is unknown or does not go with the number of values.
    pub fn with_expression(
        mut self,
        key: &str,
        operator: &str,
        values: &[String],
    ) -> Result<Self, SelectorError> {
        let name = || (key.to_owned(), operator.to_owned());
        let some = |values: &[String]| {
            let (key, operator) = name();
            if values.is_empty() {
                return Err(SelectorError::NoValues { key, operator });
            }
            Ok(values.iter().cloned().collect())
        };
        let none = |values: &[String]| {
            let (key, operator) = name();
            if values.is_empty() {
                Ok(key)
            } else {
                Err(SelectorError::UnexpectedValues { key, operator })
            }
        };
        self.0.push(match operator {
            "In" => Requirement::In(key.to_owned(), some(values)?),
            "NotIn" => Requirement::NotIn(key.to_owned(), some(values)?),
            "Exists" => Requirement::Exists(none(values)?),
            "DoesNotExist" => Requirement::DoesNotExist(none(values)?),
            _ => {
                let (key, operator) = name();
                return Err(SelectorError::UnknownOperator { key, operator });
            }
        });
        Ok(self)
    }

    /// The selector, if labels can have its keys and values: Kubernetes refuses to evaluate others.
    ///
    /// # Errors
    /// On the first requirement that no label can have anything to do with.
    pub fn checked(self) -> Result<Self, SelectorError> {
        for requirement in &self.0 {
            let (key, values) = requirement.parts();
            if !is_key(key) {
                return Err(SelectorError::Key(key.to_owned()));
            }
            if let Some(value) = values.into_iter().flatten().find(|value| !is_value(value)) {
                let (key, value) = (key.to_owned(), value.clone());
                return Err(SelectorError::Value { key, value });
            }
        }
        Ok(self)
    }

    /// A requirement that names the values it wants: labels that have none of them cannot match.
    #[must_use]
    pub fn anchor(&self) -> Option<(&str, &BTreeSet<String>)> {
        self.0.iter().find_map(|requirement| match requirement {
            Requirement::In(key, values) => Some((key.as_str(), values)),
            _ => None,
        })
    }

    /// Whether every requirement holds; a missing key satisfies `NotIn`, as in Kubernetes.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.unmet(labels).is_none()
    }

    /// The first requirement that does not hold, in the words of a selector string.
    #[must_use]
    pub fn unmet(&self, labels: &Labels) -> Option<String> {
        self.0
            .iter()
            .find(|requirement| !requirement.holds(labels))
            .map(Requirement::to_string)
    }
}

/// The longest part of a label: the name in its key, or its value.
const LONGEST_PART: usize = 63;

/// The longest prefix of a key.
const LONGEST_PREFIX: usize = 253;

/// An optional prefix, which is a domain, and a name.
fn is_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let is_domain = |prefix: &str| {
        let small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let parts = prefix.split('.');
        prefix.len() <= LONGEST_PREFIX && { parts }.all(|part| is_framed(part, small, |byte| byte == b'-'))
    };
    !name.is_empty() && is_value(name) && prefix.is_none_or(is_domain)
}

fn is_value(value: &str) -> bool {
    let between = |byte: u8| matches!(byte, b'-' | b'_' | b'.');
    value.is_empty()
        || (value.len() <= LONGEST_PART && is_framed(value, |byte| byte.is_ascii_alphanumeric(), between))
}

/// Whether all characters are `ends` or `between`, and the outermost are `ends`.
fn is_framed(text: &str, ends: impl Fn(u8) -> bool, between: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let outermost = bytes.first().zip(bytes.last());
    outermost.is_some_and(|(first, last)| ends(*first) && ends(*last))
        && bytes.iter().all(|byte| ends(*byte) || between(*byte))
}

impl Requirement {
    fn parts(&self) -> (&str, Option<&BTreeSet<String>>) {
        match self {
            Self::In(key, values) | Self::NotIn(key, values) => (key, Some(values)),
            Self::Exists(key) | Self::DoesNotExist(key) => (key, None),
        }
    }

    fn holds(&self, labels: &Labels) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Self::Exists(key) => labels.contains_key(key),
            Self::DoesNotExist(key) => !labels.contains_key(key),
        }
    }
}

impl std::fmt::Display for Requirement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |values: &BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(",");
        match self {
            Self::In(key, values) if values.len() == 1 => write!(f, "{key}={}", list(values)),
            Self::In(key, values) => write!(f, "{key} in ({})", list(values)),
            Self::NotIn(key, values) => write!(f, "{key} notin ({})", list(values)),
            Self::Exists(key) => write!(f, "{key}"),
            Self::DoesNotExist(key) => write!(f, "!{key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_four_operators_match_as_in_kubernetes() {
        let datacenter = vec!["dc1".to_owned(), "dc2".to_owned()];
        let within = Selector::everything()
            .with_expression("datacenter", "In", &datacenter)
            .unwrap();
        let outside = Selector::everything()
            .with_expression("datacenter", "NotIn", &datacenter)
            .unwrap();
        assert!(within.matches(&labels(&[("datacenter", "dc2")])));
        assert!(!within.matches(&labels(&[])));
        assert!(outside.matches(&labels(&[])));
        assert!(!outside.matches(&labels(&[("datacenter", "dc1")])));
        let worker = Selector::everything()
            .with_expression("control-plane", "DoesNotExist", &[])
            .unwrap();
        assert!(worker.matches(&labels(&[])));
        assert_eq!(
            worker.unmet(&labels(&[("control-plane", "")])),
            Some("!control-plane".to_owned())
        );
    }

    #[test]
    fn keys_and_values_that_no_label_has_are_named() {
        let fits = |key: &str, value: &str| Selector::everything().with_label(key, value).checked();
        for (key, value) in [
            ("color", "blue"),
            ("io.kubernetes.service.name", ""),
            ("node-role.kubernetes.io/control-plane", "a_b.C-1"),
            ("a", &"v".repeat(63)),
        ] {
            assert!(fits(key, value).is_ok(), "{key}={value}");
        }
        for key in [
            "",
            "bl ue",
            "-a",
            "a/",
            "/a",
            "A.b/c",
            "a/b/c",
            "a..b/c",
            &"k".repeat(64),
        ] {
            assert_eq!(fits(key, "x"), Err(SelectorError::Key(key.to_owned())));
        }
        for value in ["bl ue", "-", "a/b", &"v".repeat(64)] {
            assert!(
                matches!(fits("a", value), Err(SelectorError::Value { .. })),
                "{value}"
            );
        }
    }

    #[test]
    fn what_cannot_be_evaluated_is_refused_with_a_sentence() {
        let refused = Selector::everything()
            .with_expression("color", "In", &[])
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "failed to read the requirement on \"color\": In needs at least one value"
        );
        assert!(
            Selector::everything()
                .with_expression("color", "Like", &[])
                .is_err()
        );
        assert!(
            Selector::everything()
                .with_expression("color", "Exists", &["red".into()])
                .is_err()
        );
    }
}
