//! What a command line that could not be understood still tells: the form its reader waits for, and the variables that
//! stand in for the flags at fault.

use clap::{CommandFactory as _, ValueEnum as _};

use super::{Arguments, Command, Format, ImportCommand, SimulateCommand};

impl Command {
    /// How the command's result is printed, and so its failure.
    pub(crate) fn format(&self) -> Format {
        match self {
            Self::Map(args) => args.output,
            Self::Status(args) => args.query.output,
            Self::Ips(args) | Self::Holders(args) => args.output,
            Self::Why(args) => args.output,
            Self::Validate(args) => args.output,
            Self::Doctor(args) => args.output,
            Self::Trace(args) => args.output,
            Self::Uninstall(args) => args.output,
            Self::Import(args) => match args.command {
                ImportCommand::Metallb { output, .. } => output,
            },
            Self::Simulate(args) => match args.command {
                SimulateCommand::Drain { output, .. } => output,
            },
            Self::Operator(_)
            | Self::Agent(_)
            | Self::Crd
            | Self::Drain(_)
            | Self::Undrain(_)
            | Self::Cleanup(_)
            | Self::Completion(_)
            | Self::Config(_) => Format::Table,
        }
    }
}

/// The form asked for, as far as it can be made out of words that do not fit together.
pub(crate) fn format_asked(words: impl Iterator<Item = String>) -> Format {
    let words: Vec<String> = words.collect();
    let values = words.iter().enumerate().filter_map(|(index, word)| {
        let next = || words.get(index + 1).map(String::as_str);
        match word.as_str() {
            "-o" | "--output" => next(),
            word => word
                .strip_prefix("--output=")
                .or_else(|| word.strip_prefix("-o=").or_else(|| word.strip_prefix("-o"))),
        }
    });
    values
        .filter_map(|value| Format::from_str(value, true).ok())
        .next_back()
        .unwrap_or_default()
}

/// One line for each flag that a message names and a variable stands in for, saying what the variable holds.
pub(crate) fn environment_tip(message: &str) -> String {
    let command = Arguments::command();
    let parts = command.get_subcommands().flat_map(clap::Command::get_arguments);
    let all = command.get_arguments().chain(parts);
    let mut lines: Vec<String> = Vec::new();
    for argument in all {
        let (Some(flag), Some(variable)) = (argument.get_long(), argument.get_env()) else {
            continue;
        };
        let named = message
            .lines()
            .take_while(|line| !line.starts_with("Usage:"))
            .any(|line| {
                line.split([' ', '\'', '='])
                    .any(|word| word == format!("--{flag}"))
            });
        let variable = variable.to_string_lossy();
        let held = match std::env::var_os(variable.as_ref()) {
            None => "is not set".to_owned(),
            Some(value) if value.is_empty() => "is set, but empty".to_owned(),
            Some(value) => format!("is {:?}", value.to_string_lossy()),
        };
        let line = format!("the variable {variable} stands in for --{flag}; it {held}\n");
        if named && !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Format {
        format_asked(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn the_form_is_made_out_of_a_wrong_line() {
        assert_eq!(asked("lightship why -o json --nonsense"), Format::Json);
        assert_eq!(asked("lightship why --output=yaml"), Format::Yaml);
        assert_eq!(asked("lightship nonsense -ojson"), Format::Json);
        assert_eq!(asked("lightship why -o cbor"), Format::Table);
        assert_eq!(asked("lightship why -o"), Format::Table);
    }

    #[test]
    fn a_variable_is_told_with_what_it_holds() {
        let message = "error: a value is required for '--node-name <NODE>' but none was supplied\n";
        let tip = environment_tip(message);
        assert!(
            tip.starts_with("the variable NODE_NAME stands in for --node-name; it is "),
            "{tip}"
        );
        assert_eq!(environment_tip("error: unrecognized subcommand 'x'"), "");
    }
}
