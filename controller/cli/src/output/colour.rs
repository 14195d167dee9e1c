//! Colours, on a terminal only, and not where `NO_COLOR` is set (no-color.org).

use std::env;
use std::io::{self, IsTerminal as _};

/// What a word is to say at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Notable,
    Bad,
}

/// Whether what is printed is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    On,
    Off,
}

impl Colours {
    /// For what is printed to stdout.
    pub(crate) fn of_stdout() -> Self {
        Self::of(io::stdout().is_terminal())
    }

    /// For what is printed to stderr.
    pub(crate) fn of_stderr() -> Self {
        Self::of(io::stderr().is_terminal())
    }

    fn of(terminal: bool) -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        if terminal && !refused && !dumb {
            Self::On
        } else {
            Self::Off
        }
    }

    /// The text in the colour of its tone.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => 32,
            Tone::Notable => 33,
            Tone::Bad => 31,
        };
        match self {
            Self::On => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Off => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_end_with_the_word() {
        assert_eq!(Colours::On.paint(Tone::Bad, "WRONG"), "\x1b[31mWRONG\x1b[0m");
        assert_eq!(Colours::Off.paint(Tone::Bad, "WRONG"), "WRONG");
    }
}
