//! `lightship doctor`: whether a cluster, or this machine as a node, has what Lightship needs, before and after it is
//! installed.

mod agents;
mod announcers;
mod definitions;
mod machine;
mod permissions;
mod proxy;

use kube::Client;
use serde::Serialize;

use super::ask;
use crate::args::{Connection, DoctorArgs};
use crate::exit::{Exit, Failure};
use crate::output::{self, Colours, Tone};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// It may be meant so; it works, or is not there yet.
    Warn,
    /// It could not be looked at.
    Unknown,
    /// Addresses are not answered, or not only by us, while this is so.
    Fail,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    #[serde(rename = "check")]
    name: &'static str,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            state: State::Ok,
            found: found.into(),
            remedy: None,
        }
    }

    fn warn(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            state: State::Warn,
            remedy: Some(remedy.into()),
            ..Self::ok(name, found)
        }
    }

    fn fail(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            state: State::Fail,
            ..Self::warn(name, found, remedy)
        }
    }

    /// A check that could not be made: what it would say is not known.
    fn unknown(name: &'static str, error: &kube::Error) -> Self {
        let (because, remedy) = match error {
            kube::Error::Api(status) if status.code == 403 => (
                format!("you may not look at this: {}", status.message),
                "ask again as somebody who may read it, a cluster's administrator for example",
            ),
            _ => (
                format!("this could not be looked at: {error}"),
                "ask again; if it stays so, look after the API server",
            ),
        };
        Self {
            state: State::Unknown,
            ..Self::warn(name, because, remedy)
        }
    }
}

pub(crate) fn run(connection: &Connection, args: &DoctorArgs) -> anyhow::Result<()> {
    if args.here {
        return report(&machine::checks(args)?, args);
    }
    ask(connection, async |client| {
        report(&of_cluster(&client, &connection.namespace).await, args)
    })
}

async fn of_cluster(client: &Client, namespace: &str) -> Vec<Check> {
    let mut checks = vec![definitions::api_server(client).await];
    checks.extend(definitions::checks(client).await);
    checks.extend(permissions::checks(client, namespace).await);
    checks.extend(agents::checks(client, namespace).await);
    checks.push(proxy::check(client).await);
    checks.extend(announcers::checks(client).await);
    checks
}

fn report(checks: &[Check], args: &DoctorArgs) -> anyhow::Result<()> {
    let colours = Colours::of_stdout();
    output::object(&checks, args.output, |_| render(checks, colours))?;
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    let sentence = match (count(State::Fail), count(State::Unknown)) {
        (0, 0) => return Ok(()),
        (0, unknown) => format!("checks that could not be made: {unknown}"),
        (failed, _) => format!("checks that failed: {failed}"),
    };
    let sentence = format!("{sentence}; what to do stands behind each ->");
    Err(Failure::new(Exit::Disorder, sentence).into())
}

fn render(checks: &[Check], colours: Colours) -> String {
    let width = checks
        .iter()
        .map(|check| check.name.len())
        .max()
        .unwrap_or_default();
    let line = |check: &Check| {
        let (tone, mark) = match check.state {
            State::Ok => (Tone::Good, "OK"),
            State::Warn => (Tone::Notable, "WARN"),
            State::Unknown => (Tone::Notable, "?"),
            State::Fail => (Tone::Bad, "FAIL"),
        };
        let mark = colours.paint(tone, &format!("{mark:4}"));
        let remedy = check.remedy.as_ref();
        let remedy = remedy.map(|remedy| format!("{:4}  {:width$}  -> {remedy}\n", "", ""));
        format!(
            "{mark}  {:width$}  {}\n{}",
            check.name,
            check.found,
            remedy.unwrap_or_default()
        )
    };
    checks.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_stands_below_what_was_found() {
        let checks = [
            Check::ok("kernel", "6.18"),
            Check::fail("bpffs", "it is not mounted", "mount it"),
        ];
        assert_eq!(
            render(&checks, Colours::Off),
            "OK    kernel  6.18\nFAIL  bpffs   it is not mounted\n              -> mount it\n"
        );
    }

    #[test]
    fn who_may_not_look_is_told_so_in_a_sentence() {
        let status = kube::core::Status::failure("leases is forbidden", "Forbidden").with_code(403);
        let check = Check::unknown("agents", &kube::Error::Api(Box::new(status)));
        assert_eq!(check.state, State::Unknown);
        assert_eq!(check.found, "you may not look at this: leases is forbidden");
        assert!(check.remedy.is_some());
    }
}
