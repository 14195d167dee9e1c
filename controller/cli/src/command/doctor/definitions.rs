//! The API server and the definitions in it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, ResourceExt as _};
use lightship_crd::crds;
use lightship_crd::standing::{APPLY, Standing};

use super::Check;

const API_SERVER: &str = "api-server";
const DEFINITIONS: &str = "definitions";

/// The first minor version whose rules (CEL) know IP addresses.
const LEAST_MINOR: u32 = 31;

pub(super) async fn api_server(client: &Client) -> Check {
    match client.apiserver_version().await {
        Ok(version) => judge_version(&version.major, &version.minor, &version.git_version),
        Err(error) => Check::unknown(API_SERVER, &error),
    }
}

fn judge_version(major: &str, minor: &str, named: &str) -> Check {
    // Some distributions write 31+.
    let digits = minor.trim_end_matches(|c: char| !c.is_ascii_digit());
    let recent = major.parse::<u32>().is_ok_and(|major| major > 1)
        || digits.parse::<u32>().is_ok_and(|minor| minor >= LEAST_MINOR);
    if recent {
        Check::ok(API_SERVER, named)
    } else {
        Check::fail(
            API_SERVER,
            format!("{named} does not know the rules by which impossible pools are refused"),
            format!("upgrade Kubernetes to 1.{LEAST_MINOR} or newer"),
        )
    }
}

pub(super) async fn checks(client: &Client) -> Vec<Check> {
    let expected = match crds() {
        Ok(expected) => expected,
        Err(error) => {
            return vec![Check::fail(
                DEFINITIONS,
                error.to_string(),
                "this is a mistake in Lightship: report it",
            )];
        }
    };
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let mut found = Vec::new();
    for one in &expected {
        match api.get_opt(&one.name_any()).await {
            Ok(installed) => found.push((one, installed)),
            Err(error) => return vec![Check::unknown(DEFINITIONS, &error)],
        }
    }
    if found.iter().all(|(_, installed)| installed.is_none()) {
        return vec![Check::warn(
            DEFINITIONS,
            "not installed yet",
            "kubectl apply -k manifests installs all of Lightship",
        )];
    }
    found
        .into_iter()
        .map(|(expected, installed)| judge(expected, installed.as_ref()))
        .collect()
}

fn judge(expected: &CustomResourceDefinition, installed: Option<&CustomResourceDefinition>) -> Check {
    let name = expected.name_any();
    let Some(installed) = installed else {
        return Check::fail(DEFINITIONS, format!("{name} is not installed"), APPLY);
    };
    match Standing::of(expected, installed) {
        Standing::Ours => {}
        Standing::Unprotected => {
            return Check::warn(
                DEFINITIONS,
                format!("{name} has no label that keeps Cilium's operator from replacing it"),
                APPLY,
            );
        }
        Standing::Replaced(by) => return Check::fail(DEFINITIONS, by.to_string(), APPLY),
    }
    let established = installed
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    if established
        .filter(|condition| condition.type_ == "Established")
        .any(|condition| condition.status != "True")
    {
        return Check::fail(
            DEFINITIONS,
            format!("the API server does not serve {name} yet"),
            format!("kubectl describe crd {name} says why"),
        );
    }
    let served = installed.spec.versions.iter().filter(|version| version.served);
    let served: Vec<_> = served.map(|version| version.name.as_str()).collect();
    Check::ok(DEFINITIONS, format!("{name}: {}", served.join(", ")))
}

#[cfg(test)]
mod tests {
    use lightship_crd::label;

    use super::super::State;
    use super::*;

    #[test]
    fn versions_as_distributions_write_them() {
        for (major, minor, state) in [
            ("1", "36", State::Ok),
            ("1", "31+", State::Ok),
            ("1", "30", State::Fail),
            ("2", "0", State::Ok),
        ] {
            assert_eq!(judge_version(major, minor, "v").state, state, "{major}.{minor}");
        }
    }

    #[test]
    fn what_cilium_put_in_place_of_ours_is_told_with_the_field_that_is_missing() {
        let ours = crds().unwrap().remove(0);
        assert_eq!(judge(&ours, Some(&ours)).state, State::Ok);
        let mut theirs = ours.clone();
        theirs
            .labels_mut()
            .insert(label::SCHEMA_VERSION.to_owned(), "1.31.5".to_owned());
        assert_eq!(judge(&ours, Some(&theirs)).state, State::Warn);
        for version in &mut theirs.spec.versions {
            let schema = version
                .schema
                .as_mut()
                .unwrap()
                .open_api_v3_schema
                .as_mut()
                .unwrap();
            let spec = schema.properties.as_mut().unwrap().get_mut("spec").unwrap();
            spec.properties.as_mut().unwrap().remove("reserved");
        }
        let check = judge(&ours, Some(&theirs));
        assert_eq!(check.state, State::Fail);
        assert!(check.found.contains("lacks spec.reserved"), "{}", check.found);
        assert_eq!(judge(&ours, None).state, State::Fail);
    }
}
