//! What the commands that explain and move are told.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{DefaultIpam, Format};
use crate::duration;

/// What only the operator knows, and a command that decides as it does has to be told.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct AsOperator {
    /// Who gives addresses to services without a loadBalancerClass, as the operator is told.
    #[arg(
        long,
        value_enum,
        default_value = "lbipam",
        env = "LIGHTSHIP_DEFAULT_LB_SERVICE_IPAM"
    )]
    pub(crate) default_lb_service_ipam: DefaultIpam,
}

/// A service as it is typed, with or without its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedService {
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
}

fn named(typed: &str) -> Result<NamedService, &'static str> {
    let (namespace, name) = match typed.split_once('/') {
        Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
        None => (None, typed.to_owned()),
    };
    if name.is_empty() || name.contains('/') || namespace.as_deref() == Some("") {
        return Err("a service is NAME or NAMESPACE/NAME");
    }
    Ok(NamedService { namespace, name })
}

#[derive(Clone, Debug, Args)]
pub(crate) struct WhyArgs {
    /// The service, by its name or as NAMESPACE/NAME.
    #[arg(value_parser = named)]
    pub(crate) service: NamedService,
    /// The service's namespace; without it that of the kubeconfig's context.
    // --namespace is where Lightship's leases are, for every command.
    #[arg(short = 'n', long, value_name = "NAMESPACE")]
    pub(crate) service_namespace: Option<String>,
    #[command(flatten)]
    pub(crate) operator: AsOperator,
    /// How the result is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Format,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DrainArgs {
    /// The node.
    pub(crate) node: String,
    /// How long to wait until the node holds no address.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
    /// Do not wait.
    #[arg(long, conflicts_with = "timeout")]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) operator: AsOperator,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct UndrainArgs {
    /// The node.
    pub(crate) node: String,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SimulateArgs {
    #[command(subcommand)]
    pub(crate) command: SimulateCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SimulateCommand {
    /// Show where the addresses of a node would go if it were drained, and which could not.
    Drain {
        /// The node.
        node: String,
        #[command(flatten)]
        operator: AsOperator,
        /// How the result is printed.
        #[arg(short, long, value_enum, default_value = "table")]
        output: Format,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The file, of one or more YAML documents; - is what comes in.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) filename: PathBuf,
    #[command(flatten)]
    pub(crate) operator: AsOperator,
    /// How the result is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Format,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct CompletionArgs {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Shells that can be helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// `source <(lightship completion bash)`
    Bash,
    /// `source <(lightship completion zsh)`
    Zsh,
    /// `lightship completion fish | source`
    Fish,
}
