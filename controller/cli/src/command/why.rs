//! `lightship why`: from address to frames, what a service has, what is missing, and what to do.

mod address;
mod announcement;
mod backends;
mod remedy;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use anyhow::anyhow;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt as _;
use lightship_core::names::ServiceId;
use lightship_core::service::DefaultClass;
use lightship_operator::rehearsal::{Rehearsal, age};
use serde::Serialize;

use super::ask;
use crate::args::{Connection, WhyArgs};
use crate::cluster::Cluster;
use crate::duration;
use crate::exit::{Exit, Failure};
use crate::output::{self, Colours, Tone};

/// How a step of the way stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Well,
    /// Worth knowing.
    Note,
    /// This is why nothing arrives.
    Wrong,
}

/// One finding on the way from address to frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Step {
    #[serde(rename = "step")]
    name: &'static str,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Step {
    fn well(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            state: State::Well,
            found: found.into(),
            remedy: None,
        }
    }

    fn note(name: &'static str, found: impl Into<String>, remedy: Option<String>) -> Self {
        Self {
            state: State::Note,
            remedy,
            ..Self::well(name, found)
        }
    }

    fn wrong(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            state: State::Wrong,
            remedy: Some(remedy.into()),
            ..Self::well(name, found)
        }
    }
}

/// The whole way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Explanation {
    service: String,
    addresses: Vec<IpAddr>,
    holder: Option<String>,
    state: State,
    steps: Vec<Step>,
}

impl Explanation {
    /// The sentence that ends the command where something is wrong.
    fn wrong(&self) -> String {
        let wrong = self.steps.iter().filter(|step| step.state == State::Wrong);
        format!(
            "{}: wrong: {}; what to do stands behind each ->",
            self.service,
            wrong.count()
        )
    }
}

/// What is known when a step is looked at.
struct View<'a> {
    cluster: &'a Cluster,
    rehearsal: &'a Rehearsal,
    namespace: &'a str,
    id: &'a ServiceId,
    service: &'a Service,
}

pub(crate) fn run(connection: &Connection, args: &WhyArgs) -> anyhow::Result<()> {
    ask(connection, async |client| {
        let given = args
            .service
            .namespace
            .as_ref()
            .or(args.service_namespace.as_ref());
        let namespace = given.map_or(client.default_namespace(), String::as_str);
        let id = ServiceId::new(namespace, &*args.service.name);
        let cluster = Cluster::read(&client, &connection.namespace).await?;
        let default = args.operator.default_lb_service_ipam.into();
        let explanation = explain(&cluster, &connection.namespace, &id, default)?;
        let colours = Colours::of_stdout();
        output::object(&explanation, args.output, |_| render(&explanation, colours))?;
        match explanation.state {
            State::Well | State::Note => Ok(()),
            State::Wrong => Err(Failure::new(Exit::Disorder, explanation.wrong()).into()),
        }
    })
}

/// Every step of a service's way.
fn explain(
    cluster: &Cluster,
    namespace: &str,
    id: &ServiceId,
    default: DefaultClass,
) -> anyhow::Result<Explanation> {
    let services = &cluster.objects.services;
    let is_it = |one: &&Service| {
        one.name_any() == id.name && one.namespace().as_deref() == Some(id.namespace.as_str())
    };
    let service = services.iter().find(is_it).ok_or_else(|| {
        let elsewhere = services.iter().filter(|one| one.name_any() == id.name);
        let elsewhere: Vec<_> = elsewhere
            .filter_map(kube::ResourceExt::namespace)
            .take(8)
            .collect();
        let advice = if elsewhere.is_empty() {
            "see kubectl get services -A".to_owned()
        } else {
            format!("there is one in {}: name it with -n", elsewhere.join(", "))
        };
        anyhow!(
            "there is no service {} in namespace {}; {advice}",
            id.name,
            id.namespace
        )
    })?;
    let rehearsal = Rehearsal::of(cluster.objects.clone(), default, cluster.wall);
    let view = View {
        cluster,
        rehearsal: &rehearsal,
        namespace,
        id,
        service,
    };
    let mut steps = vec![operator(&view)];
    steps.extend(address::steps(&view));
    steps.extend(announcement::steps(&view));
    steps.extend(backends::step(&view));
    let worst = |state| steps.iter().any(|step| step.state == state);
    let state = if worst(State::Wrong) {
        State::Wrong
    } else if worst(State::Note) {
        State::Note
    } else {
        State::Well
    };
    Ok(Explanation {
        service: id.to_string(),
        addresses: address::of(&view),
        holder: rehearsal.binding(id).map(|binding| binding.holder.to_string()),
        state,
        steps,
    })
}

fn operator(view: &View<'_>) -> Step {
    let remedy = format!(
        "start it and read what it says: kubectl -n {0} get pods, kubectl -n {0} logs deployment/lightship-operator",
        view.namespace
    );
    match (view.cluster.leads(), &view.cluster.leader) {
        (Some(leader), _) => Step::well("operator", format!("{leader} leads")),
        (None, None) => Step::wrong(
            "operator",
            format!(
                "no operator has ever led in namespace {}: what follows is what one would decide",
                view.namespace
            ),
            format!(
                "kubectl apply -k manifests; if it is installed elsewhere, say where with --namespace. Else {remedy}"
            ),
        ),
        (None, Some(lease)) => {
            let ago = std::time::Duration::from_secs(age(lease, view.cluster.wall).as_secs());
            Step::wrong(
                "operator",
                format!(
                    "no operator leads; the last sign of one is {} old: what follows is what one would decide",
                    duration::format(ago)
                ),
                remedy,
            )
        }
    }
}

fn render(explanation: &Explanation, colours: Colours) -> String {
    let addresses: Vec<_> = explanation.addresses.iter().map(ToString::to_string).collect();
    let addresses = if addresses.is_empty() {
        "no address".to_owned()
    } else {
        addresses.join(", ")
    };
    let holder = explanation.holder.as_ref();
    let holder = holder.map_or_else(
        || "no node announces it".to_owned(),
        |node| format!("held by {node}"),
    );
    let mut text = format!("{}: {addresses}, {holder}\n", explanation.service);
    for step in &explanation.steps {
        let (tone, mark) = match step.state {
            State::Well => (Tone::Good, "ok"),
            State::Note => (Tone::Notable, "note"),
            State::Wrong => (Tone::Bad, "WRONG"),
        };
        let mark = colours.paint(tone, &format!("{mark:5}"));
        let remedy = step.remedy.as_ref();
        let remedy = remedy.map(|remedy| format!("{:5}  {:9}  -> {remedy}\n", "", ""));
        let line = format!("{mark}  {:9}  {}\n", step.name, step.found);
        text.extend([line, remedy.unwrap_or_default()]);
    }
    text
}
