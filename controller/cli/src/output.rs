//! What is printed: results to stdout in the form asked for, the reason of a failure to stderr. Where JSON or YAML is
//! asked for, a failure is told on stdout too, so that what a program reads is always a document.

mod colour;
mod table;

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use lightship_crd::yaml;
use serde::Serialize;
use serde_json::json;

use crate::args::Format;
use crate::exit::Exit;

pub(crate) use colour::{Colours, Tone};
pub(crate) use table::table;

/// A row of a table.
pub(crate) trait Row: Serialize {
    /// The headings, in capitals.
    const HEADINGS: &'static [&'static str];

    /// The headings that `-o wide` adds.
    const MORE: &'static [&'static str] = &[];

    /// One text for each heading.
    fn cells(&self) -> Vec<String>;

    /// One text for each heading of [`Self::MORE`].
    fn more(&self) -> Vec<String> {
        vec![]
    }
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
    object(&rows, format, |width| section(rows, width, nothing))
}

/// Prints one value in the form asked for; `text` is what a person reads.
pub(crate) fn object<T: Serialize>(
    value: &T,
    format: Format,
    text: impl FnOnce(Width) -> String,
) -> anyhow::Result<()> {
    print(&match format {
        Format::Json => {
            serde_json::to_string_pretty(value).context("failed to write the result as JSON")? + "\n"
        }
        Format::Yaml => yaml::render(value).context("failed to write the result as YAML")?,
        Format::Table => text(Width::Narrow),
        Format::Wide => text(Width::Wide),
    })
}

/// Sets what is printed next apart from what was: a new screen on a terminal, a document of its own for programs.
pub(crate) fn start_over(format: Format) -> anyhow::Result<()> {
    print(match format {
        Format::Json => "",
        Format::Yaml => "---\n",
        Format::Table | Format::Wide if io::stdout().is_terminal() => "\x1b[H\x1b[2J",
        Format::Table | Format::Wide => "\n",
    })
}

/// Which columns a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    Narrow,
    Wide,
}

/// A table as part of a text.
pub(crate) fn section<R: Row>(rows: &[R], width: Width, nothing: &str) -> String {
    if rows.is_empty() {
        return format!("{nothing}\n");
    }
    match width {
        Width::Narrow => table(R::HEADINGS, &rows.iter().map(Row::cells).collect::<Vec<_>>()),
        Width::Wide => {
            let headings: Vec<_> = R::HEADINGS.iter().chain(R::MORE).copied().collect();
            let cells = rows.iter().map(|row| [row.cells(), row.more()].concat());
            table(&headings, &cells.collect::<Vec<_>>())
        }
    }
}

/// Says on one line why the process fails. There is nobody to tell if stderr is gone.
pub(crate) fn complain(error: &anyhow::Error, format: Format) {
    let (exit, line) = (Exit::of(error), one_line(error));
    let colours = Colours::of_stderr();
    let name = colours.paint(Tone::Bad, "lightship:");
    drop(writeln!(io::stderr().lock(), "{name} {line}"));
    // Who found disorder has printed it.
    if exit != Exit::Disorder {
        drop(document(exit, &line, format));
    }
}

/// What may help, beside what was said already.
pub(crate) fn advise(lines: &str) {
    drop(io::stderr().lock().write_all(lines.as_bytes()));
}

/// The failure as the document that a program waits for.
pub(crate) fn document(exit: Exit, message: &str, format: Format) -> anyhow::Result<()> {
    let failure = json!({"error": {"message": message, "exitCode": exit.code()}});
    match format {
        Format::Json | Format::Yaml => object(&failure, format, |_| String::new()),
        Format::Table | Format::Wide => Ok(()),
    }
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
}
