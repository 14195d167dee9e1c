//! A lab for the length of one test.

use std::{ops::Deref, thread};

use anyhow::Result;

use super::{Lab, Options, unit::Unit};
use crate::process;

/// A lab of a name that no other test has. It goes when this value does, also when the test fails, whose processes' last
/// words are then printed. With `LIGHTSHIP_KEEP` set it stays, for looking around.
#[derive(Debug)]
pub struct TestLab {
    name: String,
    lab: Lab,
}

impl TestLab {
    /// Makes a lab for the test called `test`.
    pub fn up(test: &str, options: &Options) -> Result<Self> {
        let name = format!("test-{test}-{}", std::process::id());
        Ok(Self {
            lab: Lab::up(&name, options)?,
            name,
        })
    }

    /// Takes it down and fails if anything of it is left; dropping it could only print that.
    pub fn down(self) -> Result<()> {
        Lab::down(&self.name)
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
        if thread::panicking() {
            for unit in Unit::all(self.lab.folder()) {
                eprintln!(
                    "==> {}\n{}",
                    unit.name,
                    process::tail(&self.lab.folder().log(&unit.name), 25)
                );
            }
        }
        if std::env::var_os("LIGHTSHIP_KEEP").is_some() {
            eprintln!(
                "LIGHTSHIP_KEEP is set: look around with LIGHTSHIP_LAB={} hack/lab",
                self.name
            );
        } else if let Err(error) = Lab::down(&self.name) {
            eprintln!("{error:#}");
        }
    }
}
