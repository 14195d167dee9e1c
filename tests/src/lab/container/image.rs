//! An OCI archive unpacked.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::command::Tool;

/// What is run: a file system, and how.
#[derive(Debug)]
pub struct Image {
    /// The root of its files.
    pub(super) root: PathBuf,
    /// What its author configured.
    pub(super) config: Value,
}

impl Image {
    /// Unpacks an archive into a folder.
    pub fn unpack(archive: &Path, folder: &Path) -> Result<Self> {
        let (layout, root) = (folder.join("layout"), folder.join("rootfs"));
        for path in [&layout, &root] {
            fs::create_dir_all(path).with_context(|| format!("failed to make {}", path.display()))?;
        }
        extract(archive, &layout)?;
        let index = json(&layout.join("index.json"))?;
        let manifest = blob(&layout, &index["manifests"][0])?;
        let config = blob(&layout, &manifest["config"])?;
        let layers = manifest["layers"].as_array().context("an image without layers")?;
        for layer in layers {
            extract(&path(&layout, layer)?, &root)?;
        }
        Ok(Self {
            root,
            config: config["config"].clone(),
        })
    }

    /// Every file in it.
    pub fn files(&self) -> Result<Vec<String>> {
        let root = self.root.to_string_lossy();
        let listed = Tool::new(["find", &root, "-type", "f", "-printf", "/%P\n"]).run()?;
        let mut files: Vec<String> = listed.lines().map(str::to_owned).collect();
        files.sort();
        Ok(files)
    }

    /// A file in it.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let path = self.root.join(path.trim_start_matches('/'));
        fs::read(&path).with_context(|| format!("failed to read {}", path.display()))
    }
}

fn extract(archive: &Path, folder: &Path) -> Result<()> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    Tool::new([
        "tar".into(),
        "xf".into(),
        text(archive),
        "-C".into(),
        text(folder),
    ])
    .run()
    .map(drop)
}

fn path(layout: &Path, descriptor: &Value) -> Result<PathBuf> {
    let digest = descriptor["digest"]
        .as_str()
        .context("a descriptor without digest")?;
    let (algorithm, hash) = digest.split_once(':').context("a digest without algorithm")?;
    ensure!(algorithm == "sha256", "{digest} is of an unknown algorithm");
    Ok(layout.join("blobs").join(algorithm).join(hash))
}

fn blob(layout: &Path, descriptor: &Value) -> Result<Value> {
    json(&path(layout, descriptor)?)
}

fn json(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("failed to understand {}", path.display()))
}
