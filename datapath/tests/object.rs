//! The committed object belongs to the committed sources. Needs no BPF toolchain.
#![expect(clippy::expect_used, reason = "a test's own tools may fail loudly")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

const REMEDY: &str = "run ./hack/ebpf and commit datapath/responder.o and datapath/responder.sources";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn hash(path: &Path) -> String {
    let digest = Sha256::digest(fs::read(path).expect("a file of the repository"));
    digest.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("memory");
        hex
    })
}

fn files_below(directory: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join(directory)).expect("a directory of the repository") {
        let entry = entry.expect("an entry");
        let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().expect("a type").is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// The lines that `sources` in hack/ebpf writes.
fn sources() -> Vec<String> {
    let mut files = vec!["ebpf/Cargo.toml".to_owned(), "datapath/abi/Cargo.toml".to_owned()];
    files.extend(files_below("ebpf/src"));
    files.extend(files_below("datapath/abi/src"));
    files.sort();
    let mut lines: Vec<_> = files
        .iter()
        .map(|file| format!("source {} {file}", hash(&root().join(file))))
        .collect();
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("the lock file");
    for package in lock.split("[[package]]") {
        let field = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.strip_prefix(" = ")?.trim_matches('"'))
        };
        if let (Some(name), Some(version), Some(checksum)) =
            (field("name"), field("version"), field("checksum"))
            && name.starts_with("aya-ebpf")
        {
            lines.push(format!("locked {name} {version} {checksum}"));
        }
    }
    lines
}

#[test]
fn the_object_was_built_from_these_sources() {
    let manifest = fs::read_to_string(root().join("datapath/responder.sources")).expect("the manifest");
    let recorded: Vec<_> = manifest
        .lines()
        .filter(|line| line.starts_with("source ") || line.starts_with("locked "))
        .collect();
    assert_eq!(
        recorded,
        sources(),
        "the responder's sources changed since it was built: {REMEDY}"
    );
}

#[test]
fn the_object_is_the_one_that_was_built() {
    let manifest = fs::read_to_string(root().join("datapath/responder.sources")).expect("the manifest");
    let recorded = manifest
        .lines()
        .find_map(|line| line.strip_prefix("object "))
        .expect("an object line");
    assert_eq!(recorded, hash(&root().join("datapath/responder.o")), "{REMEDY}");
}
