//! The commands, and what each does.

use std::{
    io::{Write as _, stdout},
    time::Instant,
};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand, ValueEnum};
use lightship_tests::{
    Lab, Options,
    backend::{self, Protocol},
    lab::{DEFAULT_NAME, daemons::OPERATORS, folder::Folder, host::Host, residue::residue, unit::Action},
};

use crate::demo;

/// A Kubernetes cluster of namespaces on this machine, for trying and testing Lightship.
#[derive(Debug, Parser)]
#[command(name = "hack/lab", version)]
pub(crate) struct Arguments {
    /// Which lab; labs of different names run side by side.
    #[arg(long, env = "LIGHTSHIP_LAB", default_value = DEFAULT_NAME, global = true)]
    lab: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the lab; nothing happens when it is up already.
    Up {
        /// Number of workers, besides the control-plane node.
        #[arg(long, default_value_t = 3)]
        nodes: u32,
        /// Without Lightship: only control plane, nodes, kube-proxy and client.
        #[arg(long)]
        bare: bool,
    },
    /// Take the lab away; nothing of it is left.
    Down,
    /// Show hosts and processes.
    Status,
    /// List what the lab has on this machine; nothing when it is down.
    Residue,
    /// Print the path of the admin's kubeconfig.
    Kubeconfig,
    /// Run kubectl as the admin.
    Kubectl {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run a command on a host: node-1 and so on, control-plane, jumpbox, fabric.
    Exec {
        host: String,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Act on the agent of one node, or of every node.
    Agent { verb: Verb, node: Option<String> },
    /// Act on one replica of the operator, or on both (start: on the first).
    Operator { verb: Verb, replica: Option<u32> },
    /// Pull a node's power, or build it again.
    Node { verb: NodeVerb, node: String },
    /// Cut or mend the cable of an interface: eth0 (the LAN) or eth1 (the way to the API server).
    Link {
        verb: LinkVerb,
        node: String,
        interface: String,
    },
    /// Freeze or thaw the API server.
    Api { verb: ApiVerb },
    /// Print the log of a process, or of all whose names begin so.
    Logs { what: String },
    /// A web server on a node, to be named by an `EndpointSlice`.
    Backend {
        /// What it is asked by.
        #[arg(long, value_enum, default_value = "tcp")]
        protocol: Protocol,
        verb: BackendVerb,
        node: String,
        service: String,
        #[arg(default_value = "8080")]
        ports: Vec<u16>,
    },
    /// Walk the first journey and a failover with real commands.
    Demo {
        /// Leave the lab up at the end.
        #[arg(long)]
        keep: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Verb {
    Start,
    Stop,
    Kill,
    Freeze,
    Thaw,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NodeVerb {
    Crash,
    Revive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LinkVerb {
    Down,
    Up,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ApiVerb {
    Freeze,
    Thaw,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BackendVerb {
    Start,
    Stop,
    /// Serve in the foreground; the others start and stop this.
    #[value(hide = true)]
    Serve,
}

impl From<Verb> for Action {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Start => Self::Start,
            Verb::Stop => Self::Stop,
            Verb::Kill => Self::Kill,
            Verb::Freeze => Self::Freeze,
            Verb::Thaw => Self::Thaw,
        }
    }
}

/// Runs one command; the exit code is 0, or that of the command it passed on.
pub(crate) fn run(arguments: Arguments) -> Result<u8> {
    let name = arguments.lab;
    let lab = || Lab::attach(&name);
    match arguments.command {
        Command::Up { nodes, bare } => {
            let start = Instant::now();
            let lab = Lab::up(
                &name,
                &Options {
                    nodes,
                    bare,
                    ..Options::default()
                },
            )?;
            say(&lab.status())?;
            say(&format!(
                "\nLab {name} is up ({:.1} s).\n",
                start.elapsed().as_secs_f64()
            ))?;
        }
        Command::Down => Lab::down(&name)?,
        Command::Status => say(&lab()?.status())?,
        Command::Residue => {
            let folder = Folder::of(&name)?;
            for line in residue(&folder) {
                say(&format!(
                    "{line}
"
                ))?;
            }
        }
        Command::Kubeconfig => say(&format!("{}\n", lab()?.folder().kubeconfig().display()))?,
        Command::Kubectl { args } => return Ok(code(lab()?.kubectl_tool(&args)?.pass_through()?)),
        Command::Exec { host, command } => return Ok(code(lab()?.tool(&host, &command)?.pass_through()?)),
        Command::Agent { verb, node } => {
            let lab = lab()?;
            let all = || {
                Host::nodes(lab.nodes())
                    .iter()
                    .map(|node| node.name().to_owned())
                    .collect()
            };
            for node in node.map_or_else(all, |node| vec![node]) {
                lab.agent(verb.into(), &node)?;
            }
        }
        Command::Operator { verb, replica } => {
            let last = if matches!(verb, Verb::Start) { 1 } else { OPERATORS };
            for replica in replica.map_or(1..=last, |replica| replica..=replica) {
                lab()?.operator(verb.into(), replica)?;
            }
        }
        Command::Node {
            verb: NodeVerb::Crash,
            node,
        } => {
            lab()?.crash(&node)?;
        }
        Command::Node {
            verb: NodeVerb::Revive,
            node,
        } => lab()?.revive(&node)?,
        Command::Link {
            verb,
            node,
            interface,
        } => lab()?.link(&node, &interface, verb == LinkVerb::Up)?,
        Command::Api {
            verb: ApiVerb::Freeze,
        } => lab()?.api(Action::Freeze)?,
        Command::Api { verb: ApiVerb::Thaw } => lab()?.api(Action::Thaw)?,
        Command::Logs { what } => say(&lab()?.logs(&what)?)?,
        Command::Backend {
            verb: BackendVerb::Start,
            protocol,
            node,
            service,
            ports,
        } => lab()?.start_backend_of(protocol, &node, &service, &ports)?,
        Command::Backend {
            verb: BackendVerb::Stop,
            node,
            service,
            ..
        } => lab()?.stop_backend(&node, &service)?,
        Command::Backend {
            verb: BackendVerb::Serve,
            protocol,
            node,
            service,
            ports,
        } => backend::serve(&service, &node, protocol, &ports)?,
        Command::Demo { keep } => demo::run(&name, keep)?,
    }
    Ok(0)
}

pub(crate) fn say(text: &str) -> Result<()> {
    stdout()
        .write_all(text.as_bytes())
        .context("failed to write to standard output")
}

fn code(code: i32) -> u8 {
    // A command ended by a signal has no code that fits.
    u8::try_from(code).unwrap_or(1)
}
