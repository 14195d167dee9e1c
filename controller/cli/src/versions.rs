//! Agents of another version than this program: what they report may mean something else than what is shown.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt as _;
use lightship_crd::annotation;
use lightship_operator::rehearsal::{age, lasts};
use serde::Serialize;

use crate::output::Row;

/// The version of this program.
pub(crate) const OWN: &str = env!("CARGO_PKG_VERSION");

/// How an agent's version compares to this program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Age {
    Older,
    Newer,
}

/// A living agent of another version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Other {
    pub(crate) node: String,
    /// What it says; the first versions said nothing.
    pub(crate) version: Option<String>,
    pub(crate) age: Age,
}

impl Other {
    /// Its node, and its version in brackets.
    pub(crate) fn named(&self) -> String {
        let version = self.version.as_deref().unwrap_or("no version told");
        format!("{} ({version})", self.node)
    }
}

impl Row for Other {
    const HEADINGS: &'static [&'static str] = &["AGENT OF ANOTHER VERSION", "VERSION", "THIS PROGRAM"];

    fn cells(&self) -> Vec<String> {
        let version = self.version.clone().unwrap_or_else(|| "not told".to_owned());
        vec![self.node.clone(), version, OWN.to_owned()]
    }
}

/// Those of the living agents that are not of this version, by node.
pub(crate) fn others(beats: &[Lease], now: Timestamp) -> Vec<Other> {
    let living = beats.iter().filter(|beat| age(beat, now) <= lasts(beat));
    let mut others: Vec<_> = living.filter_map(other).collect();
    others.sort_unstable_by(|one, two| one.node.cmp(&two.node));
    others
}

fn other(beat: &Lease) -> Option<Other> {
    let version = beat.annotations().get(annotation::AGENT_VERSION).cloned();
    let age = match &version {
        Some(version) if version == OWN => return None,
        Some(version) if numbers(version) > numbers(OWN) => Age::Newer,
        _ => Age::Older,
    };
    let node = beat.spec.as_ref()?.holder_identity.clone()?;
    Some(Other { node, version, age })
}

/// The three numbers, and whether it is the release itself: `1.2.0-rc.1` came before `1.2.0`.
fn numbers(version: &str) -> (Vec<u64>, bool) {
    let (release, candidate) = version.split_once('-').unwrap_or((version, ""));
    let numbers = release.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.collect(), candidate.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn beat(node: &str, version: Option<&str>) -> Lease {
        let mut beat: Lease = serde_json::from_value(json!({
            "spec": {"holderIdentity": node, "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:55.000000Z"},
        }))
        .unwrap();
        let said = version.map(|version| (annotation::AGENT_VERSION.to_owned(), version.to_owned()));
        beat.metadata.annotations = Some(said.into_iter().collect());
        beat
    }

    fn found(node: &str, version: Option<&str>, age: Age) -> Other {
        Other {
            node: node.to_owned(),
            version: version.map(str::to_owned),
            age,
        }
    }

    #[test]
    fn agents_of_other_versions_are_named_and_the_dead_are_not() {
        let beats = [
            beat("node-4", Some("0.0.9")),
            beat("node-1", Some(OWN)),
            beat("node-3", None),
            beat("node-2", Some("10.0.0")),
            beat("node-5", Some(&format!("{OWN}-rc.1"))),
        ];
        let now = "2026-01-01T00:01:00Z".parse().unwrap();
        assert_eq!(
            others(&beats, now),
            [
                found("node-2", Some("10.0.0"), Age::Newer),
                found("node-3", None, Age::Older),
                found("node-4", Some("0.0.9"), Age::Older),
                found("node-5", Some(&format!("{OWN}-rc.1")), Age::Older),
            ]
        );
        assert_eq!(others(&beats, "2026-01-01T00:02:00Z".parse().unwrap()), []);
    }
}
