//! `lightship import metallb`: MetalLB's pools and advertisements as ours, with what could not be carried over.

mod advertisement;
mod metallb;
mod pool;
mod service;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};
use lightship_crd::{CiliumL2AnnouncementPolicy, CiliumLoadBalancerIPPool, yaml};
use serde::Serialize;
use serde_json::Value;

use super::ask;
use super::validate::document;
use crate::args::{Connection, Format, ImportArgs, ImportCommand};
use crate::cluster;
use crate::exit::{Exit, Failure};
use crate::output;
use metallb::Found;

/// Something of an object that has no like here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Lost {
    object: String,
    what: String,
}

/// What MetalLB's objects become.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Import {
    pools: Vec<CiliumLoadBalancerIPPool>,
    policies: Vec<CiliumL2AnnouncementPolicy>,
    /// What is to be typed, so that services keep their addresses.
    commands: Vec<String>,
    not_carried_over: Vec<Lost>,
}

pub(crate) fn run(connection: &Connection, args: &ImportArgs) -> anyhow::Result<()> {
    let ImportCommand::Metallb { filename, output } = &args.command;
    if filename.is_empty() {
        return ask(connection, async |client| {
            report(&convert(&of_cluster(&client).await?), *output)
        });
    }
    let mut found = Found::default();
    for path in filename {
        for one in document::split(&text(path)?) {
            let value = one
                .value()
                .with_context(|| format!("{} is no YAML; correct it", path.display()))?;
            found.add(value);
        }
    }
    report(&convert(&found), *output)
}

fn text(path: &Path) -> anyhow::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        return read
            .map(|_| text)
            .context("failed to read what comes in; it has to be YAML as text");
    }
    std::fs::read_to_string(path)
        .with_context(|| format!("failed to read {}; check the path given by -f", path.display()))
}

async fn of_cluster(client: &Client) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for (version, kind) in metallb::KINDS {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(metallb::GROUP, version, kind));
        let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
        match api.list(&ListParams::default()).await {
            Ok(listed) => {
                for object in listed.items {
                    let mut value = serde_json::to_value(object).context("failed to read an object")?;
                    value["kind"] = kind.into();
                    value["apiVersion"] = format!("{}/{version}", metallb::GROUP).into();
                    found.add(value);
                }
            }
            // An older MetalLB does not have all of them.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(cluster::reading("MetalLB's objects", error)),
        }
    }
    let everything = ListParams::default();
    let services = Api::<Service>::all(client.clone()).list(&everything).await;
    found.services = services
        .map_err(|error| cluster::reading("services", error))?
        .items;
    let namespaces = Api::<Namespace>::all(client.clone()).list(&everything).await;
    found.namespaces = Some(
        namespaces
            .map_err(|error| cluster::reading("namespaces", error))?
            .items,
    );
    if found.pools.is_empty() {
        let sentence = "this cluster has no IPAddressPool of MetalLB; name files with -f, or another cluster with --kubeconfig";
        return Err(Failure::new(Exit::NotInstalled, sentence).into());
    }
    Ok(found)
}

/// Everything that MetalLB's objects become.
fn convert(found: &Found) -> Import {
    let mut import = Import {
        not_carried_over: found.strange.clone(),
        ..Import::default()
    };
    let pools = pool::convert(found, &mut import);
    advertisement::convert(found, &pools, &mut import);
    service::convert(found, &pools, &mut import);
    import
}

fn report(import: &Import, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => output::object(import, format, |_| String::new())?,
        Format::Yaml | Format::Table | Format::Wide => output::print(&manifest(import)?)?,
    }
    if import.not_carried_over.is_empty() {
        return Ok(());
    }
    let sentence = format!(
        "not carried over: {}; each is told in a comment, with what to do",
        import.not_carried_over.len()
    );
    Err(Failure::new(Exit::Disorder, sentence).into())
}

/// The objects, ready for `kubectl apply -f -`, and before them what a person has to know.
fn manifest(import: &Import) -> anyhow::Result<String> {
    let mut text = String::from(
        "# What MetalLB's objects are here: look through it, then kubectl apply -f this file.\n",
    );
    for lost in &import.not_carried_over {
        writeln!(text, "# NOT CARRIED OVER: {}: {}", lost.object, lost.what)
            .context("failed to write a comment")?;
    }
    if !import.commands.is_empty() {
        text.push_str("# Before MetalLB is stopped, so that every service keeps what it has:\n");
    }
    for command in &import.commands {
        writeln!(text, "#   {command}").context("failed to write a comment")?;
    }
    let pools = import.pools.iter().map(serde_json::to_value);
    let policies = import.policies.iter().map(serde_json::to_value);
    let objects: Vec<Value> = pools
        .chain(policies)
        .collect::<Result<_, _>>()
        .context("failed to write the objects as YAML")?;
    text.push_str(&yaml::render_all(&objects).context("failed to write the objects as YAML")?);
    Ok(text)
}
