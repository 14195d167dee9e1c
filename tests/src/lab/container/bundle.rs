//! From a pod to an OCI bundle: what a kubelet and a container runtime make of its fields. Fields that are not understood are
//! errors, so that the manifests cannot gain one that is never tried.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::{Image, Runtime};

const MOUNTS: [(&str, &str, &[&str]); 6] = [
    ("/proc", "proc", &["nosuid", "noexec", "nodev"]),
    (
        "/dev",
        "tmpfs",
        &["nosuid", "strictatime", "mode=755", "size=65536k"],
    ),
    (
        "/dev/pts",
        "devpts",
        &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
    ),
    (
        "/dev/shm",
        "tmpfs",
        &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
    ),
    ("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
];

/// What the pod cannot say about itself.
pub(super) struct Surroundings<'a> {
    /// Of the pod, and of its node.
    pub(super) address: &'a str,
    /// The folder with the token.
    pub(super) account: &'a str,
    /// Where the API server is.
    pub(super) server: String,
    /// Whose defaults are in force.
    pub(super) runtime: Runtime,
}

/// The bundle's `config.json`.
pub(super) fn config(pod: &Value, image: &Image, surroundings: &Surroundings<'_>) -> Result<Value> {
    let spec = &pod["spec"];
    let containers = spec["containers"]
        .as_array()
        .context("a pod without containers")?;
    let [container] = &containers[..] else {
        bail!("a pod of {} containers", containers.len());
    };
    let security = &container["securityContext"];
    let granted = capabilities(security)?;
    let (uid, gid) = user(&spec["securityContext"], security, &image.config)?;
    let mut linux = json!({
        "namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "ipc"}, {"type": "cgroup"}],
        "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        "resources": {"devices": [{"allow": false, "access": "rwm"}]},
    });
    match spec["securityContext"]["seccompProfile"]["type"].as_str() {
        Some("RuntimeDefault") => linux["seccomp"] = surroundings.runtime.profile(&granted)?,
        Some("Unconfined") => {}
        other => bail!("a seccomp profile of the type {other:?}"),
    }
    Ok(json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": uid, "gid": gid},
            "args": arguments(container, &image.config),
            "env": environment(pod, container, image, surroundings)?,
            "cwd": "/",
            "noNewPrivileges": security["allowPrivilegeEscalation"] == false,
            "capabilities": {"bounding": granted, "effective": granted, "permitted": granted},
        },
        "root": {"path": image.root, "readonly": security["readOnlyRootFilesystem"] == true},
        "mounts": mounts(spec, container, surroundings)?,
        "linux": linux,
    }))
}

pub(super) fn words(value: &Value) -> impl Iterator<Item = String> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(|one| one.as_str().map(str::to_owned))
}

fn arguments(container: &Value, image: &Value) -> Vec<String> {
    let own = words(&container["command"]).chain(words(&container["args"]));
    let entrypoint = words(&image["Entrypoint"]).filter(|_| container["command"].is_null());
    entrypoint.chain(own).collect()
}

/// Those added; a pod that does not drop the runtime's own first would have more.
fn capabilities(security: &Value) -> Result<Vec<String>> {
    let dropped = &security["capabilities"]["drop"];
    ensure!(
        *dropped == json!(["ALL"]),
        "a container that drops {dropped} and not ALL"
    );
    ensure!(security["privileged"] != true, "a privileged container");
    let added = words(&security["capabilities"]["add"]);
    Ok(added.map(|one| format!("CAP_{one}")).collect())
}

fn user(pod: &Value, container: &Value, image: &Value) -> Result<(u64, u64)> {
    let asked = |key: &str| container[key].as_u64().or_else(|| pod[key].as_u64());
    let (uid, gid) = image["User"]
        .as_str()
        .and_then(|user| user.split_once(':'))
        .unwrap_or(("0", "0"));
    let uid = asked("runAsUser").map_or_else(|| uid.parse(), Ok)?;
    // A user that is asked for without a group has the root group.
    let gid = match (asked("runAsGroup"), asked("runAsUser")) {
        (Some(gid), _) => gid,
        (None, Some(_)) => 0,
        (None, None) => gid.parse()?,
    };
    let not_root = container["runAsNonRoot"] == true || pod["runAsNonRoot"] == true;
    ensure!(
        uid != 0 || !not_root,
        "a container that must not run as root, but does"
    );
    Ok((uid, gid))
}

fn environment(
    pod: &Value,
    container: &Value,
    image: &Image,
    surroundings: &Surroundings<'_>,
) -> Result<Vec<String>> {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for one in words(&image.config["Env"]) {
        let (name, value) = one
            .split_once('=')
            .context("a variable of the image without value")?;
        known.insert(name.to_owned(), value.to_owned());
    }
    known.insert("KUBERNETES_SERVICE_HOST".into(), surroundings.server.clone());
    known.insert("KUBERNETES_SERVICE_PORT".into(), "6443".into());
    for one in container["env"].as_array().into_iter().flatten() {
        let name = one["name"].as_str().context("a variable without a name")?;
        let field = one["valueFrom"]["fieldRef"]["fieldPath"].as_str();
        let value = match (one["value"].as_str(), field) {
            (Some(value), _) => {
                let of = |text: String, (name, value): (&String, &String)| {
                    text.replace(&format!("$({name})"), value)
                };
                known.iter().fold(value.to_owned(), of)
            }
            (None, Some("status.hostIP" | "status.podIP")) => surroundings.address.to_owned(),
            (None, Some(field)) => {
                let found = pod.pointer(&format!("/{}", field.replace('.', "/")));
                found
                    .and_then(Value::as_str)
                    .with_context(|| format!("a pod without {field}"))?
                    .to_owned()
            }
            (None, None) => bail!("a variable that is not understood: {one}"),
        };
        known.insert(name.to_owned(), value);
    }
    Ok(known
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect())
}

fn mounts(spec: &Value, container: &Value, surroundings: &Surroundings<'_>) -> Result<Vec<Value>> {
    let mut mounts: Vec<Value> = MOUNTS
        .iter()
        .map(|(to, kind, options)| json!({"destination": to, "type": kind, "source": kind, "options": options}))
        .collect();
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let volumes = spec["volumes"].as_array().context("mounts without volumes")?;
        let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]);
        let volume = volume.with_context(|| format!("no volume for {mount}"))?;
        let source = match (volume["hostPath"]["path"].as_str(), &volume["projected"]) {
            (Some(path), _) => path,
            (None, projected) if projected.is_object() => surroundings.account,
            (None, _) => bail!("a volume that is not understood: {volume}"),
        };
        let mode = if mount["readOnly"] == true { "ro" } else { "rw" };
        mounts.push(json!({
            "destination": mount["mountPath"], "type": "bind", "source": source, "options": ["rbind", "rprivate", mode],
        }));
    }
    Ok(mounts)
}
