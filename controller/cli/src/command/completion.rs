//! `lightship completion`: what a shell needs to complete this command line, made from its definition.

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::generate;

use crate::args::{Arguments, CompletionArgs, Shell};
use crate::output::print;

pub(crate) fn run(args: CompletionArgs) -> anyhow::Result<()> {
    print(&script(args.shell)?)
}

fn script(shell: Shell) -> anyhow::Result<String> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut text = Vec::new();
    generate(shell, &mut Arguments::command(), "lightship", &mut text);
    String::from_utf8(text).context("failed to write the script as text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_is_told_of_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell).unwrap();
            for command in Arguments::command().get_subcommands() {
                assert!(
                    script.contains(command.get_name()),
                    "{shell:?} does not know {}",
                    command.get_name()
                );
            }
        }
    }
}
