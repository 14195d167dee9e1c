//! Figures: a table for people, JSON for machines.

use std::path::Path;

pub(crate) use lightship_tests::figures::Figure;
use lightship_tests::figures::{Circumstances, Run};

/// The figures so far; each is printed as it comes, as a long benchmark may not come to its end.
pub(crate) struct Report {
    circumstances: Circumstances,
    figures: Vec<Figure>,
}

impl Report {
    /// None yet; the run begins.
    pub(crate) fn begin() -> anyhow::Result<Self> {
        Ok(Self {
            circumstances: Circumstances::now()?,
            figures: Vec::new(),
        })
    }

    /// Adds figures and prints them, after the head of the table when they are the first.
    pub(crate) fn tell(&mut self, figures: impl IntoIterator<Item = Figure>) {
        for one in figures {
            if self.figures.is_empty() {
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
            self.figures.push(one);
        }
    }

    /// Adds figures that were printed by who measured them.
    pub(crate) fn keep(&mut self, figures: Vec<Figure>) {
        self.figures.extend(figures);
    }

    /// Writes the JSON, if a file is given.
    pub(crate) fn write(self, file: Option<&Path>) -> anyhow::Result<()> {
        let Some(file) = file else { return Ok(()) };
        let Self {
            circumstances,
            figures,
        } = self;
        Run {
            circumstances,
            figures,
        }
        .write(file)
    }
}
