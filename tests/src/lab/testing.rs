//! A lab for the length of one test.

use std::{fs, ops::Deref, thread};

use anyhow::Result;

use super::{Lab, Options, folder::Folder, unit::Unit};
use crate::process;

const PREFIX: &str = "test-";
const KEPT: &str = "kept";

fn kept() -> bool {
    std::env::var_os("LIGHTSHIP_KEEP").is_some()
}

/// Takes away what tests that were killed have left.
fn sweep() -> Result<()> {
    let any = Folder::of(PREFIX)?;
    for entry in any
        .path()
        .parent()
        .and_then(|labs| fs::read_dir(labs).ok())
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(PREFIX) || entry.path().join(KEPT).exists() {
            continue;
        }
        if Folder::of(&name)?
            .record()
            .is_some_and(|record| !record.builder.alive())
        {
            Lab::down(&name)?;
        }
    }
    Ok(())
}

/// A lab of a name that no other test has. It goes when this value does, also when the test fails: a lab that was not taken
/// down by its test prints its processes' last words. With `LIGHTSHIP_KEEP` set it stays, for looking around.
#[derive(Debug)]
pub struct TestLab {
    name: String,
    lab: Lab,
    ended: bool,
}

impl TestLab {
    /// Makes a lab for the test called `test`.
    pub fn up(test: &str, options: &Options) -> Result<Self> {
        sweep()?;
        let name = format!("{PREFIX}{test}-{}", std::process::id());
        Ok(Self {
            lab: Lab::up(&name, options)?,
            name,
            ended: false,
        })
    }

    /// Takes it down, unless it shall stay, and fails if anything of it is left; dropping it could only print that.
    pub fn down(mut self) -> Result<()> {
        self.ended = true;
        if kept() { Ok(()) } else { Lab::down(&self.name) }
    }
}

impl Deref for TestLab {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a test that fails shows why on its standard error"
)]
impl Drop for TestLab {
    fn drop(&mut self) {
        if thread::panicking() || !self.ended {
            for unit in Unit::all(self.lab.folder()) {
                eprintln!(
                    "==> {}\n{}",
                    unit.name,
                    process::tail(&self.lab.folder().log(&unit.name), 25)
                );
            }
        }
        if kept() {
            // Without the mark the next test would take it for the leftover of a killed one.
            if let Err(error) = fs::write(self.lab.folder().path().join(KEPT), "") {
                eprintln!("failed to mark the lab as kept: {error}");
            }
            eprintln!(
                "LIGHTSHIP_KEEP is set: look around with LIGHTSHIP_LAB={} hack/lab",
                self.name
            );
        } else if let Err(error) = Lab::down(&self.name) {
            eprintln!("{error:#}");
        }
    }
}
