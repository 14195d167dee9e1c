//! Removing everything of ours from a node, for good. Works without the program and without an agent.

use std::{
    io,
    path::{Path, PathBuf},
};

use lightship_abi::names::SHARED_PIN_DIRECTORY;

use crate::{
    attach::{self, AttachError},
    groups::{GroupError, Groups},
    pins::Pins,
};

/// Why something was left behind.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// The pins could not be listed.
    #[error("failed to list the pinned links")]
    List(#[source] io::Error),
    /// A pin could not be removed.
    #[error("failed to remove {}", .0.display())]
    Remove(PathBuf, #[source] io::Error),
    /// A filter could not be removed.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// A group could not be left.
    #[error(transparent)]
    Groups(#[from] GroupError),
}

/// Takes the program off every interface, leaves the groups joined in this network namespace, then removes the maps and
/// the directories that are left empty. Returns the pins removed; nothing to remove is fine.
///
/// # Errors
/// At the first thing that cannot be removed. Run again when its cause is gone.
pub fn cleanup(bpffs: &Path) -> Result<Vec<PathBuf>, CleanupError> {
    let pins = Pins::new(bpffs);
    let links = pins
        .linked()
        .map_err(CleanupError::List)?
        .into_iter()
        .map(|interface| pins.link(interface));
    let mut removed = Vec::new();
    for interface in pins.filtered().map_err(CleanupError::List)? {
        attach::detach(&pins, interface)?;
        removed.push(pins.filter(interface));
    }
    let maps = pins.maps().map(|(_, pin)| pin);
    for pin in links.chain(maps) {
        match std::fs::remove_file(&pin) {
            Ok(()) => removed.push(pin),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(CleanupError::Remove(pin, error)),
        }
    }
    let mut groups = Groups::open()?;
    for group in groups.joined()? {
        groups.leave(group)?;
    }
    let shared = Path::new(SHARED_PIN_DIRECTORY)
        .ancestors()
        .filter(|path| *path != Path::new(""));
    for directory in std::iter::once(pins.own()).chain(shared.map(|path| bpffs.join(path))) {
        match std::fs::remove_dir(&directory) {
            Ok(()) => removed.push(directory),
            // Others pin there too.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTEMPTY | libc::ENOENT)) => {}
            Err(error) => return Err(CleanupError::Remove(directory, error)),
        }
    }
    Ok(removed)
}
