//! Where the programs of the lab are: the control plane's, Lightship's and the lab's own.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

/// A control-plane program, or another one that checks need: `$KUBEBUILDER_ASSETS`, then the project's cache, then PATH.
/// `hack/prerequisites` fills the cache with what is missing or too old elsewhere.
pub fn control_plane(name: &str) -> Result<PathBuf> {
    let assets = env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    assets
        .into_iter()
        .chain(cache())
        .chain(env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .with_context(|| format!("failed to find {name}; ./hack/prerequisites installs or builds it"))
}

fn cache() -> Option<PathBuf> {
    let folder = env::var_os("LIGHTSHIP_CACHE").map(PathBuf::from).or_else(|| {
        let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        base.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
            .map(|base| base.join("lightship"))
    })?;
    Some(folder.join("bin"))
}

/// The `lightship` program: `$LIGHTSHIP_BIN`, else the one cargo built beside this program.
pub fn lightship() -> Result<PathBuf> {
    if let Some(named) = env::var_os("LIGHTSHIP_BIN").map(PathBuf::from) {
        if named.is_file() {
            return Ok(named);
        }
        bail!(
            "failed to find LIGHTSHIP_BIN={}; it must name the lightship program",
            named.display()
        );
    }
    beside("lightship")
        .context("failed to find the lightship program; `cargo build` makes it, or set LIGHTSHIP_BIN")
}

/// PATH with the `lightship` and `kubectl` in use in front of others, if they are there.
#[must_use]
pub fn path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let programs = [lightship(), control_plane("kubectl")].into_iter().flatten();
    let folders = programs.filter_map(|program| Some(program.parent()?.to_path_buf()));
    env::join_paths(folders.chain(env::split_paths(&path))).unwrap_or(path)
}

/// The lab's own program, which is also the backend of the sample services.
pub fn lab() -> Result<PathBuf> {
    beside("lab").context("failed to find the lab program; `cargo build -p lightship-tests` makes it")
}

/// An example that cargo built into the folder of this program.
pub fn example(name: &str) -> Result<PathBuf> {
    let path = Path::new("examples").join(name);
    beside(&path.to_string_lossy())
}

/// A program in the folder of this one, or in the folder above it when this one is a test.
fn beside(name: &str) -> Result<PathBuf> {
    let own = env::current_exe().context("failed to find the running program's own path")?;
    let found = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.with_context(|| format!("no {name} beside {}", own.display()))
}

/// The root of the source tree, where the manifests are.
#[must_use]
pub fn source() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}
