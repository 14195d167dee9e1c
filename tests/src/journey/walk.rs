//! Typing commands, with or without an audience.

use std::io::{Write as _, stdout};

use anyhow::{Context as _, Result, bail};

use crate::{
    command::{Outcome, Tool},
    lab::Lab,
};

/// Somebody who types commands in a lab. Aloud, each command is printed with the output it really had.
#[derive(Debug, Clone, Copy)]
pub struct Walk<'a> {
    /// Where.
    pub lab: &'a Lab,
    aloud: bool,
}

impl<'a> Walk<'a> {
    /// For tests: nothing is printed.
    #[must_use]
    pub fn silent(lab: &'a Lab) -> Self {
        Self { lab, aloud: false }
    }

    /// For the demo: everything is printed.
    #[must_use]
    pub fn aloud(lab: &'a Lab) -> Self {
        Self { lab, aloud: true }
    }

    /// A sentence for the audience.
    pub fn say(&self, sentence: &str) -> Result<()> {
        if self.aloud {
            print(&format!("\n# {sentence}\n"))
        } else {
            Ok(())
        }
    }

    /// Plain lines for the audience.
    pub fn show(&self, lines: &str) -> Result<()> {
        if self.aloud { print(lines) } else { Ok(()) }
    }

    /// kubectl, typed on the machine itself; it must succeed.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        let tool = self.lab.kubectl_tool(args)?;
        self.must("$ kubectl", args, &tool)
    }

    /// A command typed on a host; it must succeed.
    pub fn on(&self, host: &str, argv: &[&str]) -> Result<String> {
        let tool = self.lab.tool(host, argv)?;
        self.must(&format!("{host}$"), argv, &tool)
    }

    /// A command typed on a host; whether it succeeds is for the caller to judge.
    pub fn try_on(&self, host: &str, argv: &[&str]) -> Result<Outcome> {
        let tool = self.lab.tool(host, argv)?;
        self.typed(&format!("{host}$"), argv, &tool)
    }

    /// Applies a manifest of a journey.
    pub fn apply(&self, sample: &str) -> Result<String> {
        let path = crate::binaries::source().join("manifests/samples").join(sample);
        let tool = self
            .lab
            .kubectl_tool(&["apply", "--validate=strict", "-f", &path.to_string_lossy()])?;
        // Shown relative to the source tree, in which the demo is started.
        self.must(
            "$ kubectl",
            &["apply", "-f", &format!("manifests/samples/{sample}")],
            &tool,
        )
    }

    fn must(&self, prompt: &str, shown: &[&str], tool: &Tool) -> Result<String> {
        let outcome = self.typed(prompt, shown, tool)?;
        if !outcome.succeeded() {
            bail!(
                "failed to run `{tool}` (exit code {}): {}{}",
                outcome.code,
                outcome.stderr,
                outcome.stdout
            );
        }
        Ok(outcome.stdout)
    }

    fn typed(&self, prompt: &str, shown: &[&str], tool: &Tool) -> Result<Outcome> {
        let outcome = tool.attempt()?;
        if self.aloud {
            let end = if outcome.succeeded() {
                String::new()
            } else {
                format!("(exit code {})\n", outcome.code)
            };
            print(&format!(
                "\n{prompt} {}\n{}{}{end}",
                shown.join(" "),
                outcome.stderr,
                outcome.stdout
            ))?;
        }
        Ok(outcome)
    }
}

fn print(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("failed to write to standard output")
}
