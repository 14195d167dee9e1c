//! The Helm chart is made of the manifests, and renders to the same objects.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use lightship_tests::{binaries, chart, command::Tool};
use serde_json::Value;

/// Set to write the templates instead of comparing them.
const UPDATE: &str = "LIGHTSHIP_UPDATE_MANIFESTS";
const KEEP: &str = "/metadata/annotations/helm.sh~1resource-policy";

/// The least version of Kubernetes that the chart takes.
const LEAST: &str = "1.31.0";

/// Objects by what tells them apart.
type Objects = BTreeMap<String, Value>;

#[test]
fn templates_are_what_the_manifests_make() -> Result<()> {
    let folder = chart::folder();
    let made = chart::templates()?;
    if env::var_os(UPDATE).is_some() {
        for (path, text) in &made {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().context("a template without folder")?)?;
            fs::write(path, text)?;
        }
    }
    let again = format!("run: {UPDATE}=1 cargo test -p lightship-tests --test chart");
    for (path, text) in &made {
        let present = fs::read_to_string(folder.join(path)).unwrap_or_default();
        ensure!(
            present == *text,
            "{} is not what the manifests make; {again}",
            path.display()
        );
    }
    let stale: Vec<PathBuf> = files(&folder.join("templates"))?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .filter(|path| {
            path.strip_prefix(&folder)
                .is_ok_and(|path| !made.contains_key(path))
        })
        .collect();
    ensure!(
        stale.is_empty(),
        "these are made of no manifest any more: {stale:?}"
    );
    Ok(())
}

#[test]
fn the_chart_renders_to_what_the_manifests_are() -> Result<()> {
    let shipped = kustomized()?;
    let mut rendered = rendered(&[])?;
    for (name, object) in &mut rendered {
        if name.starts_with("CustomResourceDefinition/") {
            ensure!(
                object.pointer(KEEP).is_some_and(|kept| kept == "keep"),
                "{name} would go with the release"
            );
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.remove("annotations");
            }
        }
    }
    let names = |objects: &Objects| objects.keys().cloned().collect::<Vec<_>>();
    ensure!(
        names(&rendered) == names(&shipped),
        "the chart has {:?}, the manifests {:?}",
        names(&rendered),
        names(&shipped)
    );
    for (name, object) in &shipped {
        if let Some(difference) = difference(&rendered[name], object) {
            bail!("{name} differs from the manifests' at {difference}");
        }
    }
    Ok(())
}

#[test]
fn what_an_administrator_chooses_is_rendered() -> Result<()> {
    let flags = [
        "image.repository=registry.example/ship",
        "image.tag=9",
        "image.pullPolicy=Always",
        "image.pullSecrets[0].name=key",
        "crds.install=false",
        "operator.replicas=3",
        "operator.extraArgs={--rebalance=false}",
        "agent.extraEnv[0].name=OTEL_SDK_DISABLED",
        "agent.nodeSelector.rack=a",
        "agent.tolerations=null",
        "agent.resources.requests.memory=1Gi",
        "agent.seccompProfile.type=Unconfined",
    ];
    let objects = rendered(&flags)?;
    ensure!(
        !objects
            .keys()
            .any(|name| name.starts_with("CustomResourceDefinition/")),
        "the definitions are still there"
    );
    let shows = |name: &str, pointer: &str, wanted: Value| {
        let found = objects.get(name).and_then(|object| object.pointer(pointer));
        ensure!(
            found == Some(&wanted),
            "{name} has {found:?} at {pointer}, not {wanted}"
        );
        Ok(())
    };
    let (operator, agent) = (
        "Deployment/kube-system/lightship-operator",
        "DaemonSet/kube-system/lightship-agent",
    );
    shows(operator, "/spec/replicas", 3.into())?;
    for name in [operator, agent] {
        let pod = "/spec/template/spec";
        shows(
            name,
            &format!("{pod}/containers/0/image"),
            "registry.example/ship:9".into(),
        )?;
        shows(
            name,
            &format!("{pod}/containers/0/imagePullPolicy"),
            "Always".into(),
        )?;
        shows(name, &format!("{pod}/imagePullSecrets/0/name"), "key".into())?;
    }
    shows(
        operator,
        "/spec/template/spec/containers/0/args/1",
        "--rebalance=false".into(),
    )?;
    shows(
        agent,
        "/spec/template/spec/containers/0/env/4/name",
        "OTEL_SDK_DISABLED".into(),
    )?;
    shows(agent, "/spec/template/spec/nodeSelector/rack", "a".into())?;
    shows(
        agent,
        "/spec/template/spec/securityContext/seccompProfile/type",
        "Unconfined".into(),
    )?;
    shows(
        agent,
        "/spec/template/spec/containers/0/resources/requests/memory",
        "1Gi".into(),
    )
}

#[test]
fn versions_are_the_programs() -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let chart = fs::read_to_string(chart::folder().join("Chart.yaml"))?;
    let manifests = fs::read_to_string(binaries::source().join("manifests/kustomization.yaml"))?;
    for line in [format!("version: {version}"), format!("appVersion: {version}")] {
        ensure!(chart.lines().any(|one| one == line), "Chart.yaml lacks {line:?}");
    }
    ensure!(
        manifests.contains(&format!("newTag: {version}\n")),
        "the kustomization names another version"
    );
    Ok(())
}

fn files(folder: &PathBuf) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(files(&path)?);
        } else {
            all.push(path);
        }
    }
    Ok(all)
}

fn kustomized() -> Result<Objects> {
    let kubectl = binaries::control_plane("kubectl")?.to_string_lossy().into_owned();
    let manifests = binaries::source()
        .join("manifests")
        .to_string_lossy()
        .into_owned();
    let mut documents = objects(&Tool::new([kubectl, "kustomize".into(), manifests]).run()?)?;
    // Kustomize does not know these kinds and gives them a namespace, which the API server passes over.
    for (name, object) in std::mem::take(&mut documents) {
        let plain = name.replacen("/kube-system", "", 1);
        let mut object = object;
        if !name.starts_with("ValidatingAdmissionPolicy") {
            documents.insert(name, object);
        } else if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("namespace");
            documents.insert(plain, object);
        }
    }
    Ok(documents)
}

fn rendered(values: &[&str]) -> Result<Objects> {
    let helm = binaries::control_plane("helm")?.to_string_lossy().into_owned();
    let chart = chart::folder().to_string_lossy().into_owned();
    let mut line = vec![helm, "template".into(), "lightship".into(), chart];
    line.extend(["--namespace", "kube-system", "--kube-version", LEAST].map(str::to_owned));
    for value in values {
        line.extend(["--set".into(), (*value).to_owned()]);
    }
    objects(&Tool::new(line).run()?)
}

/// Each object of a stream of documents, as JSON.
fn objects(documents: &str) -> Result<Objects> {
    let all: Vec<Value> = serde_saphyr::from_multiple(documents).context("failed to understand the YAML")?;
    let mut objects = Objects::new();
    for object in all.into_iter().filter(|object| !object.is_null()) {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let parts = [text("/kind"), text("/metadata/namespace"), text("/metadata/name")];
        let name = parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("/");
        ensure!(
            objects.insert(name.clone(), object).is_none(),
            "{name} is there twice"
        );
    }
    Ok(objects)
}

fn bits(number: &serde_json::Number) -> Option<u64> {
    number.as_f64().map(f64::to_bits)
}

/// Where and how the first is not the second.
fn difference(one: &Value, other: &Value) -> Option<String> {
    let below = |key: &dyn std::fmt::Display, one, other| {
        let deeper = difference(one, other)?;
        Some(format!("/{key}{deeper}"))
    };
    match (one, other) {
        (Value::Object(fields), Value::Object(others)) if fields.keys().eq(others.keys()) => {
            fields.iter().find_map(|(key, one)| below(key, one, &others[key]))
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            let mut pairs = items.iter().zip(others).enumerate();
            pairs.find_map(|(index, (one, other))| below(&index, one, other))
        }
        // Kustomize folds long lines anew.
        (Value::String(one), Value::String(other)) if one.split_whitespace().eq(other.split_whitespace()) => {
            None
        }
        // It writes 0.0 as 0 too.
        (Value::Number(one), Value::Number(other)) if bits(one) == bits(other) => None,
        _ => (one != other).then(|| format!(": {one} is not {other}")),
    }
}
