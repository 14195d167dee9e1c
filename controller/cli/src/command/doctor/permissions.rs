//! Whether the operator and the agents may do what they do, asked of the API server rule by rule of the shipped roles.

use anyhow::Context as _;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::PostParams;
use kube::{Api, Client};
use serde::Deserialize;

use super::Check;

const PERMISSIONS: &str = "permissions";
const APPLY: &str = "kubectl apply -k manifests";

/// The roles as they are shipped, with whom they are for and where they hold.
const ROLES: [(&str, Scope, &str); 3] = [
    (
        "lightship-operator",
        Scope::Cluster,
        include_str!("../../../../../manifests/operator/cluster-role.yaml"),
    ),
    (
        "lightship-operator",
        Scope::Namespace,
        include_str!("../../../../../manifests/operator/role.yaml"),
    ),
    (
        "lightship-agent",
        Scope::Namespace,
        include_str!("../../../../../manifests/agent/role.yaml"),
    ),
];

/// Where a role holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Cluster,
    Namespace,
}

/// The part of a role's file that is read; a binding has no rules.
#[derive(Debug, Deserialize)]
struct Role {
    #[serde(default)]
    rules: Vec<PolicyRule>,
}

pub(super) async fn checks(client: &Client, namespace: &str) -> Vec<Check> {
    let mut checks = Vec::new();
    for account in ["lightship-operator", "lightship-agent"] {
        let there = Api::<ServiceAccount>::namespaced(client.clone(), namespace)
            .get_opt(account)
            .await;
        checks.push(match there {
            Ok(Some(_)) => match denied(client, namespace, account).await {
                Ok(denied) if denied.is_empty() => {
                    Check::ok(PERMISSIONS, format!("{account} may do all it does"))
                }
                Ok(denied) => Check::fail(
                    PERMISSIONS,
                    format!("{account} may not {}", denied.join(", ")),
                    APPLY,
                ),
                Err(error) => match error.downcast_ref::<kube::Error>() {
                    Some(error) => Check::unknown(PERMISSIONS, error),
                    None => Check::fail(PERMISSIONS, format!("{error:#}"), APPLY),
                },
            },
            Ok(None) => Check::warn(
                PERMISSIONS,
                format!("there is no service account {account} in namespace {namespace}"),
                format!("{APPLY}; if Lightship is installed elsewhere, say where with --namespace"),
            ),
            Err(error) => Check::unknown(PERMISSIONS, &error),
        });
    }
    checks
}

/// What of the shipped roles the API server would refuse.
async fn denied(client: &Client, namespace: &str, account: &str) -> anyhow::Result<Vec<String>> {
    let mut denied = Vec::new();
    for (_, scope, text) in ROLES.iter().filter(|(whose, ..)| *whose == account) {
        for wanted in requests(text)? {
            let user = format!("system:serviceaccount:{namespace}:{account}");
            let review = SubjectAccessReview {
                spec: SubjectAccessReviewSpec {
                    user: Some(user),
                    resource_attributes: Some(ResourceAttributes {
                        namespace: (*scope == Scope::Namespace).then(|| namespace.to_owned()),
                        ..wanted.clone()
                    }),
                    ..SubjectAccessReviewSpec::default()
                },
                ..SubjectAccessReview::default()
            };
            let answer = Api::<SubjectAccessReview>::all(client.clone())
                .create(&PostParams::default(), &review)
                .await?;
            if !answer.status.is_some_and(|status| status.allowed) {
                denied.push(told(&wanted));
            }
        }
    }
    Ok(denied)
}

/// Every single thing that the rules of a file allow.
fn requests(text: &str) -> anyhow::Result<Vec<ResourceAttributes>> {
    let roles: Vec<Role> =
        serde_saphyr::from_multiple(text).context("failed to read the roles this program was built with")?;
    let mut all = Vec::new();
    for rule in roles.into_iter().flat_map(|role| role.rules) {
        let names: Vec<Option<String>> = match rule.resource_names {
            Some(names) if !names.is_empty() => names.into_iter().map(Some).collect(),
            _ => vec![None],
        };
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                let (resource, subresource) = match resource.split_once('/') {
                    Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
                    None => (resource.as_str(), None),
                };
                for (verb, name) in rule
                    .verbs
                    .iter()
                    .flat_map(|verb| names.iter().map(move |name| (verb, name)))
                {
                    all.push(ResourceAttributes {
                        group: Some(group.clone()),
                        resource: Some(resource.to_owned()),
                        subresource: subresource.clone(),
                        verb: Some(verb.clone()),
                        name: name.clone(),
                        ..ResourceAttributes::default()
                    });
                }
            }
        }
    }
    Ok(all)
}

fn told(wanted: &ResourceAttributes) -> String {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let below = wanted.subresource.as_ref().map(|one| format!("/{one}"));
    let name = wanted.name.as_ref().map(|name| format!(" {name}"));
    format!(
        "{} {}{}{}",
        text(&wanted.verb),
        text(&wanted.resource),
        below.unwrap_or_default(),
        name.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_role_is_understood() {
        for (account, _, text) in ROLES {
            let all: Vec<_> = requests(text).unwrap().iter().map(told).collect();
            assert!(!all.is_empty(), "{account}");
        }
        let operator: Vec<_> = requests(ROLES[0].2).unwrap().iter().map(told).collect();
        assert!(
            operator.contains(&"patch services/status".to_owned()),
            "{operator:?}"
        );
    }
}
