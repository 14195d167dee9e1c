//! Keys, certificates, static tokens and kubeconfigs of a lab.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{folder::Folder, network};
use crate::command::Tool;

/// User, and group if any, of each static token. kube-proxy's role comes with every cluster.
const USERS: [(&str, &str, &str); 2] = [
    ("admin", "admin", "system:masters"),
    ("kube-proxy", "system:kube-proxy", ""),
];

/// Makes everything that the control plane and its first clients need.
pub(super) fn issue(folder: &Folder, slot: u8) -> Result<()> {
    let path = |name: &str| folder.key(name).to_string_lossy().into_owned();
    let (authority, authority_key) = (path("ca.crt"), path("ca.key"));
    certificate(&[
        "-keyout",
        &authority_key,
        "-out",
        &authority,
        "-subj",
        "/CN=lightship-lab-ca",
    ])?;
    let names = format!(
        "subjectAltName=IP:{},IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes.default.svc",
        network::management_address(slot, 254)
    );
    certificate(&[
        "-CA",
        &authority,
        "-CAkey",
        &authority_key,
        "-keyout",
        &path("apiserver.key"),
        "-out",
        &path("apiserver.crt"),
        "-subj",
        "/CN=kube-apiserver",
        "-addext",
        &names,
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ])?;
    Tool::new([
        "openssl",
        "ecparam",
        "-name",
        "prime256v1",
        "-genkey",
        "-noout",
        "-out",
        &path("accounts.key"),
    ])
    .run()?;
    let mut tokens = Vec::new();
    for (name, user, group) in USERS {
        let token = fs::read_to_string("/proc/sys/kernel/random/uuid").context("failed to draw a token")?;
        tokens.push(format!("{},{user},{user},{group}\n", token.trim()));
        let target = if name == "admin" {
            folder.kubeconfig()
        } else {
            folder.component_kubeconfig(name)
        };
        write_kubeconfig(folder, slot, &target, token.trim())?;
    }
    fs::write(folder.key("tokens.csv"), tokens.concat()).context("failed to write the token file")
}

/// A kubeconfig for the lab's API server. JSON is YAML, and needs no quoting rules of its own.
pub(super) fn write_kubeconfig(folder: &Folder, slot: u8, target: &Path, token: &str) -> Result<()> {
    let server = format!("https://{}:6443", network::management_address(slot, 254));
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": {"server": server, "certificate-authority": folder.key("ca.crt")}}],
        "users": [{"name": "lab", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
        "current-context": "lab",
    });
    fs::write(target, format!("{config:#}\n"))
        .with_context(|| format!("failed to write {}", target.display()))
}

fn certificate(more: &[&str]) -> Result<()> {
    let common = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "90",
    ];
    Tool::new(common.iter().chain(more).copied()).run().map(drop)
}
