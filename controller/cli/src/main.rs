//! The `lightship` binary: the operator, the agent, and the commands people type.
//!
//! Exit codes: 0 when all went well, 2 when the command line (or the environment standing in for it) cannot be
//! understood, 1 for everything else, then with one line on stderr that ends in what to do.

mod admin;
mod args;
mod cluster;
mod command;
mod duration;
mod foreground;
mod kubeconfig;
mod output;
mod settings;
mod signal;
mod telemetry;

#[cfg(test)]
mod manifests;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Command};
use crate::telemetry::Levels;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = telemetry::start(arguments.log_level).and_then(|levels| run(arguments, levels));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
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
        Command::Status(asked) => command::status::run(&connection, asked),
        Command::Ips(asked) => command::ips::run(&connection, asked),
        Command::Holders(asked) => command::holders::run(&connection, asked),
        Command::Why(asked) => command::why::run(&connection, &asked),
        Command::Drain(drain) => command::drain::run(&connection, &drain),
        Command::Undrain(undrain) => command::drain::undo(&connection, &undrain),
        Command::Simulate(simulate) => command::simulate::run(&connection, &simulate),
        Command::Validate(asked) => command::validate::run(&asked),
        Command::Completion(asked) => command::completion::run(asked),
        Command::Config(config) => command::config::run(&config),
    }
}
