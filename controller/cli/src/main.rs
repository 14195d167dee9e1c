//! The `lightship` binary: the operator, the agent, and the commands people type.
//!
//! What goes wrong is said in one line on stderr that ends in what to do; `exit` has the codes.

mod admin;
mod args;
mod cluster;
mod command;
mod duration;
mod exit;
mod foreground;
mod kubeconfig;
mod output;
mod settings;
mod signal;
mod telemetry;
mod versions;

#[cfg(test)]
mod manifests;
#[cfg(test)]
mod reference;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Command};
use crate::exit::Exit;
use crate::telemetry::Levels;

/// The image is linked with musl, whose own allocator makes every thread wait for one lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return misunderstood(&error),
    };
    let format = arguments.command.format();
    let result = telemetry::start(arguments.log_level).and_then(|levels| run(arguments, levels));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error, format);
            ExitCode::from(Exit::of(&error).code())
        }
    }
}

/// Help and version are asked for; everything else is a mistake, which is told with the variables that may have made it.
fn misunderstood(error: &clap::Error) -> ExitCode {
    drop(error.print());
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let message = error.to_string();
    let tip = args::environment_tip(&message);
    if !tip.is_empty() {
        output::advise(&tip);
    }
    let line = message.lines().next().unwrap_or_default();
    let format = args::format_asked(std::env::args());
    drop(output::document(
        Exit::Usage,
        line.trim_start_matches("error: "),
        format,
    ));
    ExitCode::from(Exit::Usage.code())
}

fn run(arguments: Arguments, levels: Levels) -> anyhow::Result<()> {
    let Arguments {
        connection, command, ..
    } = arguments;
    match command {
        Command::Operator(operator) => command::operator::run(&connection, operator, levels),
        Command::Agent(agent) => command::agent::run(&connection, agent, levels),
        Command::Crd => command::crd::run(),
        Command::Map(map) => command::map::run(&map),
        Command::Trace(trace) => command::trace::run(&trace),
        Command::Status(asked) => command::status::run(&connection, asked),
        Command::Ips(asked) => command::ips::run(&connection, asked),
        Command::Holders(asked) => command::holders::run(&connection, asked),
        Command::Why(asked) => command::why::run(&connection, &asked),
        Command::Doctor(asked) => command::doctor::run(&connection, &asked),
        Command::Drain(drain) => command::drain::run(&connection, &drain),
        Command::Undrain(undrain) => command::drain::undo(&connection, &undrain),
        Command::Simulate(simulate) => command::simulate::run(&connection, &simulate),
        Command::Import(asked) => command::import::run(&connection, &asked),
        Command::Validate(asked) => command::validate::run(&asked),
        Command::Uninstall(asked) => command::uninstall::run(&connection, &asked),
        Command::Cleanup(asked) => command::cleanup::run(&asked, levels),
        Command::Completion(asked) => command::completion::run(asked),
        Command::Config(config) => command::config::run(&config),
    }
}
