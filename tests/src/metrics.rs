//! What a registry exports, read as a person or a scraper would.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use prometheus_client::{encoding::text::encode, registry::Registry};

const PREFIX: &str = "lightship_";

/// One metric as it is exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Its name without what its type adds.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// What it says of itself.
    pub help: String,
    /// What tells its series apart.
    pub labels: Vec<String>,
}

/// What a registry exports.
pub fn text(registry: &Registry) -> Result<String> {
    let mut text = String::new();
    encode(&mut text, registry).context("failed to encode the metrics")?;
    Ok(text)
}

/// The families of an exposition, sorted by name.
pub fn families(text: &str) -> Result<Vec<Family>> {
    let mut families: Vec<Family> = Vec::new();
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("# HELP ") {
            let (name, help) = said.split_once(' ').context("a HELP line without text")?;
            families.push(Family {
                name: name.to_owned(),
                kind: String::new(),
                help: help.trim_end_matches('.').to_owned(),
                labels: Vec::new(),
            });
        } else if let Some(family) = families.last_mut() {
            if let Some(said) = line.strip_prefix("# TYPE ") {
                let (_, kind) = said.split_once(' ').context("a TYPE line without a type")?;
                kind.clone_into(&mut family.kind);
            } else if let Some((_, labels)) = line.split_once('{')
                && family.labels.is_empty()
            {
                let names = labels
                    .split(',')
                    .filter_map(|one| one.split_once('='))
                    .map(|(name, _)| name);
                family.labels = names.filter(|name| *name != "le").map(str::to_owned).collect();
            }
        }
    }
    families.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(families)
}

impl Family {
    /// The names of its series.
    #[must_use]
    pub fn series(&self) -> Vec<String> {
        let ends: &[&str] = match self.kind.as_str() {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        ends.iter().map(|end| format!("{}{end}", self.name)).collect()
    }

    /// Its row in a table.
    #[must_use]
    pub fn row(&self) -> String {
        let name = match self.kind.as_str() {
            "counter" => format!("{}_total", self.name),
            _ => self.name.clone(),
        };
        let labels: Vec<String> = self.labels.iter().map(|label| format!("`{label}`")).collect();
        format!(
            "| `{name}` | {} | {} | {} |\n",
            self.kind,
            labels.join(", "),
            self.help
        )
    }
}

/// Our metrics that a text names: a query, a dashboard, an exposition.
#[must_use]
pub fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words
        .filter(|word| word.starts_with(PREFIX))
        .map(str::to_owned)
        .collect()
}
