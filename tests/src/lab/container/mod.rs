//! The shipped pods for real: an image unpacked, and run by runc as a kubelet and a container runtime would have it run.

mod bundle;
mod image;
mod seccomp;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

pub use image::Image;
pub use seccomp::Runtime;

use self::bundle::Surroundings;
use super::{
    Lab,
    host::Host,
    network,
    unit::{Action, Unit},
};

/// A host's own /sys shows no control groups, and a runtime cannot do without.
const RUN: &str = "[ \"$(stat -f -c %T /sys/fs/cgroup)\" = cgroup2fs ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup; \
                   exec runc --root \"$0\" run --bundle \"$1\" \"$2\"";

/// A pod of ours that runs on a host of the lab.
#[derive(Debug)]
pub struct Container {
    /// Its name, which is also its unit's.
    pub name: String,
    host: Host,
    state: PathBuf,
    /// The pod as the API server has it.
    pub pod: Value,
    address: String,
}

impl Lab {
    /// Starts a pod of a shipped workload, `kind/name`, on a host. The API server has the pod too, bound to `node`.
    pub fn start_container(
        &self,
        image: &Image,
        workload: &str,
        host: &str,
        node: &str,
        runtime: Runtime,
    ) -> Result<Container> {
        let host = self.host(host)?;
        let pod = self.bind_pod(workload, node)?;
        let name = pod["metadata"]["name"]
            .as_str()
            .context("a pod without a name")?
            .to_owned();
        let address = if host.is_node() {
            self.address_of(&host)
        } else {
            network::management_address(self.slot, host.number())
        };
        let folder = self.folder.path().join("containers").join(&name);
        let (account, state) = (folder.join("account"), self.folder.path().join("runc"));
        fs::create_dir_all(&account).context("failed to make the folder of a container")?;
        self.fill_account(&account, &pod)?;
        let surroundings = Surroundings {
            address: &address,
            account: &account.to_string_lossy(),
            server: network::management_address(self.slot, 254),
            runtime,
        };
        let config = bundle::config(&pod, image, &surroundings)?;
        fs::write(folder.join("config.json"), format!("{config:#}")).context("failed to write a bundle")?;
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        let argv = [
            "sh".into(),
            "-c".into(),
            RUN.into(),
            text(&state),
            text(&folder),
            name.clone(),
        ];
        Unit::new(&name, &host, argv).act(&self.folder, Action::Start)?;
        Ok(Container {
            name,
            host,
            state,
            pod,
            address,
        })
    }

    /// Ends a pod's process as a kubelet does.
    pub fn stop_container(&self, container: &Container) -> Result<()> {
        Unit::find(&self.folder, &container.name)?.act(&self.folder, Action::Stop)
    }

    /// Removes a pod that does not run, at the API server too.
    pub fn remove_container(&self, container: &Container) -> Result<()> {
        let grace = ["--grace-period=0", "--force"];
        let pod = ["-n", "kube-system", "delete", "pod", &container.name];
        self.kubectl(&[&pod[..], &grace].concat()).map(drop)
    }

    /// The pod that a workload's template makes, as the API server completes it.
    fn bind_pod(&self, workload: &str, node: &str) -> Result<Value> {
        let object = self.get(&["-n", "kube-system", workload])?;
        let mut pod = object["spec"]["template"].clone();
        let name = object["metadata"]["name"]
            .as_str()
            .context("a workload without a name")?;
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"]["name"] = json!(format!("{name}-{node}"));
        pod["metadata"]["namespace"] = json!("kube-system");
        pod["spec"]["nodeName"] = json!(node);
        let made = self
            .kubectl_tool(&["create", "--validate=strict", "-o", "json", "-f", "-"])?
            .input(pod.to_string())
            .run()?;
        serde_json::from_str(&made).context("failed to understand the pod that was made")
    }

    /// What a kubelet projects into the pod: the token, bound to it, and whom to trust.
    fn fill_account(&self, folder: &std::path::Path, pod: &Value) -> Result<()> {
        let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let bound = format!("--bound-object-name={}", text("/metadata/name"));
        let account = text("/spec/serviceAccountName");
        let namespace = "--namespace=kube-system";
        let token = self.kubectl(&[
            "create",
            "token",
            account,
            namespace,
            "--bound-object-kind=Pod",
            &bound,
        ])?;
        fs::write(folder.join("token"), token.trim())?;
        fs::write(folder.join("namespace"), "kube-system")?;
        fs::copy(self.folder.key("ca.crt"), folder.join("ca.crt"))?;
        Ok(())
    }
}

impl Container {
    /// Where a kubelet asks for a probe of the pod: `livenessProbe` or `readinessProbe`.
    pub fn probe(&self, probe: &str) -> Result<String> {
        let container = &self.pod["spec"]["containers"][0];
        let get = &container[probe]["httpGet"];
        let port = match &get["port"] {
            Value::Number(port) => port.as_u64(),
            name => {
                let ports = container["ports"].as_array().into_iter().flatten();
                let mut named = ports.filter(|port| port["name"] == *name);
                named.next().and_then(|port| port["containerPort"].as_u64())
            }
        };
        let (Some(path), Some(port)) = (get["path"].as_str(), port) else {
            bail!("failed to find out where {probe} asks: {container}");
        };
        Ok(format!("http://{}:{port}{path}", self.address))
    }

    /// Runs a command in it, as `kubectl exec` does.
    pub fn exec(&self, lab: &Lab, argv: &[&str]) -> Result<String> {
        let state = self.state.to_string_lossy();
        let line = [&["runc", "--root", &state, "exec", &self.name], argv].concat();
        lab.exec(self.host.name(), &line)
    }

    /// A field of its first process's `/proc/…/status`.
    pub fn status(&self, lab: &Lab, field: &str) -> Result<String> {
        let state = self.state.to_string_lossy();
        let shown = lab.exec(self.host.name(), &["runc", "--root", &state, "state", &self.name])?;
        let shown: Value = serde_json::from_str(&shown).context("failed to understand runc's state")?;
        let text = fs::read_to_string(format!("/proc/{}/status", shown["pid"]))
            .context("failed to read the status of the container's process")?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
            .with_context(|| format!("/proc has no {field}"))
    }
}
