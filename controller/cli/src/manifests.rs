//! What can be said of `manifests/` without a cluster: every file is applied, every object has only fields that its
//! kind knows, and the pods have the rights and settings this binary needs, and no more.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use clap::CommandFactory as _;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::args::Arguments;

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "manifests"]
        .iter()
        .collect()
}

fn read(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder().join(file)).unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}

fn listed() -> BTreeSet<String> {
    let kustomization = read("kustomization.yaml").remove(0);
    serde_json::from_value(kustomization["resources"].clone()).unwrap()
}

/// Every object of the two parts (the definitions have tests of their own).
fn objects() -> Vec<Value> {
    listed()
        .iter()
        .filter(|file| !file.starts_with("crds/"))
        .flat_map(|file| read(file))
        .collect()
}

fn object(kind: &str, name: &str) -> Value {
    let is_it = |object: &Value| object["kind"] == kind && object["metadata"]["name"] == name;
    objects().into_iter().find(is_it).unwrap()
}

/// The object as its kind's type keeps it: what the type does not know is gone.
fn kept<T: DeserializeOwned + Serialize>(object: &Value) -> Value {
    serde_json::to_value(serde_json::from_value::<T>(object.clone()).unwrap()).unwrap()
}

#[test]
fn every_file_is_applied() {
    let mut found = BTreeSet::new();
    for part in ["crds", "operator", "agent"] {
        for entry in fs::read_dir(folder().join(part)).unwrap() {
            found.insert(format!("{part}/{}", entry.unwrap().file_name().to_str().unwrap()));
        }
    }
    assert_eq!(found, listed());
}

#[test]
fn every_field_is_known_to_its_kind() {
    for object in objects() {
        let kept = match object["kind"].as_str().unwrap() {
            "ServiceAccount" => kept::<ServiceAccount>(&object),
            "ClusterRole" => kept::<ClusterRole>(&object),
            "ClusterRoleBinding" => kept::<ClusterRoleBinding>(&object),
            "Role" => kept::<Role>(&object),
            "RoleBinding" => kept::<RoleBinding>(&object),
            "Deployment" => kept::<Deployment>(&object),
            "DaemonSet" => kept::<DaemonSet>(&object),
            "PodDisruptionBudget" => kept::<PodDisruptionBudget>(&object),
            "ValidatingAdmissionPolicy" => kept::<ValidatingAdmissionPolicy>(&object),
            "ValidatingAdmissionPolicyBinding" => kept::<ValidatingAdmissionPolicyBinding>(&object),
            other => panic!("no test knows the kind {other}"),
        };
        assert_eq!(kept, object);
        assert!(
            object["metadata"].get("namespace").is_none(),
            "the kustomization chooses the namespace"
        );
    }
}

#[test]
fn the_agent_may_touch_leases_read_the_members_and_nothing_else() {
    let rules = object("Role", "lightship-agent")["rules"].clone();
    let leases = json!([{
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "verbs": ["get", "list", "watch", "create", "update"],
    }, {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": [lightship_crd::members::NAME],
        "verbs": ["list", "watch"],
    }]);
    assert_eq!(rules, leases);
    let cluster_wide = |object: &Value| {
        object["kind"] == "ClusterRoleBinding" && object["subjects"][0]["name"] == "lightship-agent"
    };
    assert!(!objects().iter().any(cluster_wide));
}

#[test]
fn no_rule_reaches_beyond_what_it_names() {
    for object in objects() {
        for rule in object["rules"].as_array().into_iter().flatten() {
            assert!(!rule.to_string().contains('*'), "{rule}");
        }
    }
}

#[test]
fn the_pods_have_no_more_rights_than_they_need() {
    let security = |kind, name| {
        let container = &object(kind, name)["spec"]["template"]["spec"]["containers"][0];
        container["securityContext"].clone()
    };
    let operator = security("Deployment", "lightship-operator");
    let agent = security("DaemonSet", "lightship-agent");
    assert_eq!(operator["capabilities"], json!({"drop": ["ALL"]}));
    let kernel = json!({"drop": ["ALL"], "add": ["BPF", "NET_ADMIN", "NET_RAW", "PERFMON"]});
    assert_eq!(agent["capabilities"], kernel);
    for (kind, name) in [
        ("Deployment", "lightship-operator"),
        ("DaemonSet", "lightship-agent"),
    ] {
        let pod = &object(kind, name)["spec"]["template"]["spec"]["securityContext"];
        assert_eq!(pod["seccompProfile"], json!({"type": "RuntimeDefault"}), "{name}");
    }
    for context in [operator, agent] {
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert!(context.get("privileged").is_none());
    }
}

#[test]
fn the_pods_settings_are_settings_of_this_binary() {
    for (kind, name, part) in [
        ("Deployment", "lightship-operator", "operator"),
        ("DaemonSet", "lightship-agent", "agent"),
    ] {
        let container = object(kind, name)["spec"]["template"]["spec"]["containers"][0].clone();
        assert_eq!(container["args"], json!([part]));
        let mut command = Arguments::command();
        command.build();
        let arguments = command.find_subcommand(part).unwrap().get_arguments();
        let known: BTreeSet<_> = arguments.filter_map(clap::Arg::get_env).collect();
        for variable in container["env"].as_array().unwrap() {
            let variable = variable["name"].as_str().unwrap();
            let ours = variable.starts_with("LIGHTSHIP_");
            assert!(
                !ours || known.contains(std::ffi::OsStr::new(variable)),
                "{part} does not know {variable}"
            );
        }
    }
}
