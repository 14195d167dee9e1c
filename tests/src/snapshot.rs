//! What a terminal showed, kept in a file: what differs from run to run is masked, the rest has to stay as it is.

use std::{env, fs, path::PathBuf, sync::Mutex};

use anyhow::{Context as _, Result, ensure};

use crate::{binaries, command::Outcome};

/// Set to write the files instead of comparing them.
pub const UPDATE: &str = "LIGHTSHIP_UPDATE_SNAPSHOTS";

/// Whether files are written.
#[must_use]
pub fn updating() -> bool {
    env::var_os(UPDATE).is_some()
}

/// The file of a snapshot, such as `j4/no_pool`.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    binaries::source()
        .join("tests/snapshots")
        .join(name)
        .with_extension("txt")
}

/// A command and everything it showed, as it stood on the terminal.
#[must_use]
pub fn screen(typed: &str, outcome: &Outcome) -> String {
    let end = match outcome.code {
        0 => String::new(),
        code => format!("(exit code {code})\n"),
    };
    mask(&format!("$ {typed}\n{}{}{end}", outcome.stdout, outcome.stderr))
}

/// Compares a screen with what was kept, or keeps it.
pub fn check(name: &str, screen: &str) -> Result<()> {
    let path = path(name);
    if updating() {
        let folder = path.parent().context("a snapshot has a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
        fs::write(&path, screen).with_context(|| format!("failed to write {}", path.display()))?;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    ensure!(
        kept == screen,
        "the terminal differs from {}; if it is better now, set {UPDATE}=1 and look at the difference.\n--- kept\n{kept}\n--- shown\n{screen}",
        path.display()
    );
    Ok(())
}

/// Set to write generated parts of documents instead of comparing them.
const UPDATE_DOCS: &str = "LIGHTSHIP_UPDATE_DOCS";

/// Tests that write parts of one document take turns.
static WRITING: Mutex<()> = Mutex::new(());

/// Compares the part of a document between `<!-- NAME -->` and `<!-- /NAME -->` with what was generated, or writes it.
pub fn generated(document: &str, name: &str, text: &str, remedy: &str) -> Result<()> {
    let _turn = WRITING.lock();
    let path = binaries::source().join(document);
    let whole = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n"));
    let (before, rest) = whole
        .split_once(&begin)
        .with_context(|| format!("failed to find {begin:?} in {document}"))?;
    let (shown, after) = rest
        .split_once(&end)
        .with_context(|| format!("failed to find {end:?} in {document}"))?;
    if env::var_os(UPDATE_DOCS).is_some() {
        let new = format!("{before}{begin}{text}{end}{after}");
        return fs::write(&path, new).with_context(|| format!("failed to write {}", path.display()));
    }
    ensure!(
        shown == text,
        "{document} does not say what was generated: {remedy}.\n--- it says\n{shown}\n--- generated\n{text}"
    );
    Ok(())
}

/// Durations, moments and the numbers of processes differ from run to run.
fn mask(text: &str) -> String {
    let word = |word: &str| -> String {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        match bare {
            _ if is_moment(bare) => word.replace(bare, "2026-01-01T00:00:00Z"),
            _ if bare.starts_with("v1.") => word.replace(bare, "v1.x"),
            _ if is_duration(bare) => word.replace(bare, "<duration>"),
            _ => word.to_owned(),
        }
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn is_moment(word: &str) -> bool {
    word.len() >= 20 && word.ends_with('Z') && word.get(4..5) == Some("-") && word.get(10..11) == Some("T")
}

/// Such as `15s`, `1m30s`, `250ms`.
fn is_duration(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.ends_with(['s', 'm', 'h'])
        && word
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, 'h' | 'm' | 's' | 'µ' | 'u' | 'n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_masked_and_nothing_else() {
        let shown = "since 2026-11-21T21:30:13Z, 1m3s old (15s), node-1, 10.0.10.0, 80/TCP";
        assert_eq!(
            mask(shown),
            "since 2026-01-01T00:00:00Z, <duration> old (<duration>), node-1, 10.0.10.0, 80/TCP"
        );
    }
}
