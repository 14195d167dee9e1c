//! Which cluster to talk to, and where in it Lightship keeps its leases.

use std::path::PathBuf;

use clap::Args;
use lightship_crd::lease;

#[derive(Clone, Debug, Args)]
pub(crate) struct Connection {
    /// The kubeconfig to use; without it that of `KUBECONFIG`, else the pod's own service account.
    // KUBECONFIG is not bound here: unlike the flag it may name several files.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The namespace of Lightship's leases.
    #[arg(
        long,
        global = true,
        default_value = lease::DEFAULT_NAMESPACE,
        env = "LIGHTSHIP_NAMESPACE",
        value_parser = namespace
    )]
    pub(crate) namespace: String,
}

fn namespace(text: &str) -> Result<String, &'static str> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let valid = !text.is_empty()
        && text.len() <= 63
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if valid {
        Ok(text.to_owned())
    } else {
        Err("a namespace is 1 to 63 lower-case letters, digits and hyphens, with no hyphen at either end")
    }
}
