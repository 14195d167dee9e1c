//! `lab`: the lab's command line, behind `hack/lab` and `hack/demo`.

mod commands;
mod demo;

use std::{
    io::{Write as _, stderr},
    process::ExitCode,
};

use clap::Parser as _;

fn main() -> ExitCode {
    match commands::run(commands::Arguments::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(stderr(), "lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}
