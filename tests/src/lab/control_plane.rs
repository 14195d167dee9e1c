//! etcd and kube-apiserver, run in the fabric.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};

use super::{
    Lab, Options, audit, network,
    unit::{Action, Unit},
};
use crate::{binaries, eventually};

/// Addresses of Services; nothing else in the lab uses these networks.
const SERVICE_NETWORKS: &str = "10.96.0.0/16,fd00:10:96::/112";

impl Lab {
    /// Starts both and waits until the API server is ready.
    pub(super) fn start_control_plane(&self, options: &Options) -> Result<()> {
        let folder = &self.folder;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let data = text(&folder.path().join("etcd"));
        // The lab's data does not outlive it: no disk needs to be waited for.
        let mut etcd = Unit::new(
            "etcd",
            &self.fabric,
            [
                text(&binaries::control_plane("etcd")?),
                "--unsafe-no-fsync".into(),
                format!("--data-dir={data}"),
                "--listen-client-urls=http://127.0.0.1:2379".into(),
                "--advertise-client-urls=http://127.0.0.1:2379".into(),
                "--listen-peer-urls=http://127.0.0.1:2380".into(),
                "--log-level=warn".into(),
            ],
        );
        etcd.act(folder, Action::Start)?;
        let key = |name: &str| text(&folder.key(name));
        let address = network::management_address(self.slot, self.fabric.number());
        let mut api = Unit::new(
            "kube-apiserver",
            &self.fabric,
            [
                text(&binaries::control_plane("kube-apiserver")?),
                "--etcd-servers=http://127.0.0.1:2379".into(),
                "--secure-port=6443".into(),
                format!("--advertise-address={address}"),
                format!("--tls-cert-file={}", key("apiserver.crt")),
                format!("--tls-private-key-file={}", key("apiserver.key")),
                format!("--token-auth-file={}", key("tokens.csv")),
                "--authorization-mode=Node,RBAC".into(),
                format!("--service-account-key-file={}", key("accounts.key")),
                format!("--service-account-signing-key-file={}", key("accounts.key")),
                "--service-account-issuer=https://kubernetes.default.svc".into(),
                format!("--service-cluster-ip-range={SERVICE_NETWORKS}"),
                "--allow-privileged=true".into(),
                // Nodes are born ready: nobody would ever take the taint away that this adds to new ones.
                "--disable-admission-plugins=TaintNodesByCondition".into(),
            ],
        );
        if options.audited {
            api.argv.extend(audit::flags(folder)?);
        }
        api.act(folder, Action::Start)?;
        eventually("a ready API server", Duration::from_mins(1), || {
            self.kubectl(&["get", "--raw", "/readyz"])
                .with_context(|| api.last_words(folder))
        })?;
        // Both are made by the API server itself, a moment after it is ready.
        eventually("the first namespaces", Duration::from_secs(30), || {
            self.kubectl(&["get", "namespace", "default", "kube-system"])
        })?;
        Ok(())
    }

    /// Freezes or thaws the API server.
    pub fn api(&self, action: Action) -> Result<()> {
        Unit::find(&self.folder, "kube-apiserver")?.act(&self.folder, action)
    }
}
