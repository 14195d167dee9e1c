//! The subcommands, one file each.

pub(crate) mod agent;
pub(crate) mod cleanup;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod crd;
pub(crate) mod doctor;
pub(crate) mod drain;
pub(crate) mod holders;
pub(crate) mod import;
pub(crate) mod ips;
pub(crate) mod map;
pub(crate) mod operator;
mod plan;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod trace;
pub(crate) mod uninstall;
pub(crate) mod validate;
pub(crate) mod why;

use std::future::Future;

use anyhow::Context as _;
use kube::Client;

use crate::args::Connection;
use crate::kubeconfig::{self, Asker};

/// Runs a short question to the cluster.
fn ask<F: Future<Output = anyhow::Result<()>>>(
    connection: &Connection,
    question: impl FnOnce(Client) -> F,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .context("failed to start the async runtime")?
        .block_on(async {
            question(kubeconfig::client(connection.kubeconfig.as_deref(), Asker::Person).await?).await
        })
}
