//! Runs a real tool to its end. A tool that fails becomes an error that shows its command line and what it said.

use std::{
    ffi::OsString,
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// What a tool left behind.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Everything written to standard output.
    pub stdout: String,
    /// Everything written to standard error.
    pub stderr: String,
}

impl Outcome {
    /// Whether the tool ended with exit code 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.code == 0
    }
}

/// A command line and, if wanted, what is written to its standard input.
#[derive(Debug, Clone)]
pub struct Tool {
    argv: Vec<String>,
    input: Option<String>,
    env: Vec<(&'static str, OsString)>,
}

impl Tool {
    /// The command line to run; its first item is looked up on PATH.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            input: None,
            env: Vec::new(),
        }
    }

    /// Feeds `input` to the tool.
    #[must_use]
    pub fn input(mut self, input: impl Into<String>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// The command line.
    #[must_use]
    pub fn argv(&self) -> &[String] {
        &self.argv
    }

    /// Runs the tool; its exit code is for the caller to judge.
    pub fn attempt(&self) -> Result<Outcome> {
        let mut child = self
            .command()?
            .stdin(if self.input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| {
                format!("failed to run `{self}`; ./hack/prerequisites installs the tools the lab uses")
            })?;
        if let (Some(input), Some(mut stdin)) = (&self.input, child.stdin.take()) {
            // A tool that ends before it has read everything says why on its standard error.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child
            .wait_with_output()
            .with_context(|| format!("failed to wait for `{self}`"))?;
        Ok(Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs the tool, which must succeed, and returns its standard output.
    pub fn run(&self) -> Result<String> {
        let outcome = self.attempt()?;
        if !outcome.succeeded() {
            bail!(
                "failed to run `{self}` (exit code {}): {}{}",
                outcome.code,
                outcome.stderr,
                outcome.stdout
            );
        }
        Ok(outcome.stdout)
    }

    /// Runs the tool on the caller's own terminal and returns its exit code.
    pub fn pass_through(&self) -> Result<i32> {
        let status = self
            .command()?
            .status()
            .with_context(|| format!("failed to run `{self}`"))?;
        Ok(status.code().unwrap_or(-1))
    }

    fn command(&self) -> Result<Command> {
        let Some((program, args)) = self.argv.split_first() else {
            bail!("failed to run an empty command line; name a command");
        };
        let mut command = Command::new(program);
        command.args(args);
        without_proxies(&mut command);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

impl std::fmt::Display for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.argv.join(" "))
    }
}

/// The lab's addresses are on this machine: a proxy of the surroundings cannot reach them.
pub(crate) fn without_proxies(command: &mut Command) {
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
}
