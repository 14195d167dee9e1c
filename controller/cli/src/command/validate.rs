//! `lightship validate`: what the API server would refuse and the operator would complain of, without either.

pub(super) mod document;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Read as _;

use anyhow::Context as _;
use kube::ResourceExt as _;
use lightship_core::ipam::{Reason, Verdict};
use lightship_core::names::{PoolName, ServiceId};
use lightship_core::service::DefaultClass;
use lightship_operator::rehearsal::{Objects, Rehearsal};
use serde::Serialize;

use crate::args::ValidateArgs;
use crate::exit::{Exit, Failure};
use crate::output::{self, Row};

/// Something wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    /// The line its document begins in.
    line: usize,
    object: String,
    #[serde(rename = "problem")]
    what: String,
}

impl Row for Problem {
    const HEADINGS: &'static [&'static str] = &["LINE", "OBJECT", "PROBLEM"];

    fn cells(&self) -> Vec<String> {
        vec![self.line.to_string(), self.object.clone(), self.what.clone()]
    }
}

pub(crate) fn run(args: &ValidateArgs) -> anyhow::Result<()> {
    let path = &args.filename;
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map(|_| text)
            .context("failed to read what comes in; it has to be YAML as text")?
    } else {
        std::fs::read_to_string(path)
            .with_context(|| format!("failed to read {}; check the path given by -f", path.display()))?
    };
    let problems = problems(&text, args.operator.default_lb_service_ipam.into())?;
    output::rows(&problems, args.output, "Nothing is wrong.")?;
    if problems.is_empty() {
        Ok(())
    } else {
        let found = format!("problems found: {}; correct them and ask again", problems.len());
        Err(Failure::new(Exit::Disorder, found).into())
    }
}

/// Everything wrong, by line.
pub(super) fn problems(text: &str, default: DefaultClass) -> anyhow::Result<Vec<Problem>> {
    let schemas = document::Schemas::new()?;
    let mut objects = Objects::default();
    let mut lines = BTreeMap::new();
    let mut problems = Vec::new();
    for one in document::split(text) {
        let read = document::read(&one, &schemas, &mut objects);
        if read.problems.is_empty() {
            lines.insert(read.object.clone(), one.line);
        }
        problems.extend(read.problems.into_iter().map(|what| Problem {
            line: one.line,
            object: read.object.clone(),
            what,
        }));
    }
    let names = objects.pools.iter().map(|pool| PoolName::from(pool.name_any()));
    let names: Vec<_> = names.collect();
    let services: Vec<_> = objects.services.iter().map(id).collect();
    let rehearsal = Rehearsal::of(objects, default, jiff::Timestamp::UNIX_EPOCH);
    let mut found: Vec<(String, String)> = Vec::new();
    for name in &names {
        found.extend(of_pool(&rehearsal, name));
    }
    for (policy, wrong) in rehearsal.policy_problems() {
        let object = format!("{}/{policy}", document::POLICY);
        found.extend(
            wrong
                .into_iter()
                .map(|(field, why)| (object.clone(), format!("{field}: {why}"))),
        );
    }
    for service in &services {
        found.extend(of_service(&rehearsal, service, names.is_empty()));
    }
    // What the API server refuses is told once, and nothing of it twice.
    problems.extend(found.into_iter().filter_map(|(object, what)| {
        let line = *lines.get(&object)?;
        Some(Problem { line, object, what })
    }));
    problems.sort_by_key(|problem| problem.line);
    Ok(problems)
}

fn id(service: &k8s_openapi::api::core::v1::Service) -> ServiceId {
    ServiceId::new(service.namespace().unwrap_or_default(), service.name_any())
}

fn of_pool(rehearsal: &Rehearsal, name: &PoolName) -> Vec<(String, String)> {
    let Some(report) = rehearsal.pool(name) else {
        return vec![];
    };
    let conflict = report
        .conflict
        .map(|conflict| format!("{conflict}; take the addresses that overlap out of one of the two"));
    let all = report.problems.into_iter().chain(conflict);
    all.map(|problem| (format!("{}/{name}", document::POOL), problem))
        .collect()
}

/// Without a pool in the file it is not known what the cluster's pools give.
fn of_service(rehearsal: &Rehearsal, service: &ServiceId, no_pools: bool) -> Vec<(String, String)> {
    let verdict = rehearsal
        .allocation(service)
        .and_then(|allocation| allocation.verdict);
    let Some(Verdict::Unsatisfied(reasons)) = verdict else {
        return vec![];
    };
    let known = reasons
        .into_iter()
        .filter(|reason| !no_pools || matches!(reason, Reason::Unreadable(_)));
    known
        .map(|reason| (format!("{}/{service}", document::SERVICE), reason.to_string()))
        .collect()
}
