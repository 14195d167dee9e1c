//! Figures: a table for people, JSON for machines.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

/// One measured figure beside its yardstick.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are those of the JSON")]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) figure: String,
    /// How much.
    pub(crate) value: f64,
    /// In what.
    pub(crate) unit: &'static str,
    /// What it is held against, in the same unit, measured in the same run.
    pub(crate) yardstick: Option<f64>,
    /// Value by yardstick.
    pub(crate) ratio: Option<f64>,
}

impl Figure {
    /// A figure that stands for itself.
    pub(crate) fn alone(figure: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            figure: figure.into(),
            value,
            unit,
            yardstick: None,
            ratio: None,
        }
    }

    /// A figure beside its yardstick.
    pub(crate) fn beside(figure: impl Into<String>, value: f64, unit: &'static str, yardstick: f64) -> Self {
        let ratio = Some(value / yardstick);
        Self {
            figure: figure.into(),
            value,
            unit,
            yardstick: Some(yardstick),
            ratio,
        }
    }
}

/// The figures so far; each is printed as it comes, as a long benchmark may not come to its end.
#[derive(Default)]
pub(crate) struct Report(Vec<Figure>);

impl Report {
    /// Adds figures and prints them, after the head of the table when they are the first.
    pub(crate) fn tell(&mut self, figures: impl IntoIterator<Item = Figure>) {
        for one in figures {
            if self.0.is_empty() {
                println!(
                    "{:<100} {:>12} {:<12} {:>12} {:>7}",
                    "figure", "value", "unit", "yardstick", "ratio"
                );
            }
            let number =
                |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |number| format!("{number:.2}"));
            println!(
                "{:<100} {:>12.2} {:<12} {:>12} {:>7}",
                one.figure,
                one.value,
                one.unit,
                number(one.yardstick),
                number(one.ratio)
            );
            self.0.push(one);
        }
    }

    /// Writes the JSON, if a file is given.
    pub(crate) fn write(&self, file: Option<&Path>) -> anyhow::Result<()> {
        let Some(file) = file else { return Ok(()) };
        let text = serde_json::to_string_pretty(&self.0)?;
        fs::write(file, text).with_context(|| format!("failed to write {}", file.display()))
    }
}
