//! What is printed: results to stdout as a table or JSON, the reason of a failure to stderr.

use std::io::{self, Write as _};

use anyhow::Context as _;
use serde::Serialize;

use crate::args::Format;

/// A row of a table.
pub(crate) trait Row: Serialize {
    /// The headings, in capitals.
    const HEADINGS: &'static [&'static str];

    /// One text for each heading.
    fn cells(&self) -> Vec<String>;
}

/// Prints text as it is. A reader that has gone away (`| head`) is no failure.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("failed to write to stdout")
        }
        _ => Ok(()),
    }
}

/// Prints rows in the form asked for; `nothing` is what a person reads when there are none.
pub(crate) fn rows<R: Row>(rows: &[R], format: Format, nothing: &str) -> anyhow::Result<()> {
    match format {
        Format::Json => {
            let json = serde_json::to_string_pretty(rows).context("failed to write the rows as JSON")?;
            print(&format!("{json}\n"))
        }
        Format::Table if rows.is_empty() => print(&format!("{nothing}\n")),
        Format::Table => print(&table(
            R::HEADINGS,
            &rows.iter().map(Row::cells).collect::<Vec<_>>(),
        )),
    }
}

/// Columns as wide as their widest cell, three spaces apart, as kubectl prints them.
pub(crate) fn table(headings: &[&str], cells: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let widest = cells
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max();
        headings[column].len().max(widest.unwrap_or_default())
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |row: &[&str]| {
        let padded: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        padded.join("   ").trim_end().to_owned() + "\n"
    };
    let body = cells
        .iter()
        .map(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    std::iter::once(line(headings)).chain(body).collect()
}

/// Says on one line why the process fails. There is nobody to tell if stderr is gone.
pub(crate) fn complain(error: &anyhow::Error) {
    drop(writeln!(io::stderr().lock(), "lightship: {}", one_line(error)));
}

/// The error and its causes. Some libraries repeat the cause in their own text, so a cause already told is left out.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once_and_on_one_line() {
        let error = anyhow::anyhow!("refused")
            .context("failed to connect:\n refused")
            .context("failed to ask");
        assert_eq!(one_line(&error), "failed to ask: failed to connect: refused");
    }

    #[test]
    fn columns_line_up() {
        let cells = vec![
            vec!["10.0.10.0".to_owned(), "a".to_owned()],
            vec!["::1".to_owned(), String::new()],
        ];
        assert_eq!(
            table(&["ADDRESS", "POOL"], &cells),
            "ADDRESS     POOL\n10.0.10.0   a\n::1\n"
        );
    }
}
