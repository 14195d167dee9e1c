//! What Lightship asks the API server for, by the server's own audit log.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Lab, folder::Folder};

/// Only what was asked by our accounts, and not what it contained.
const POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    users: ['system:serviceaccount:kube-system:lightship-operator', 'system:serviceaccount:kube-system:lightship-agent']
  - level: None
";

/// One kind of request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// The service account.
    pub account: String,
    /// As roles name it.
    pub verb: String,
    /// Group of the API; empty for the core's.
    pub group: String,
    /// With its subresource, as roles name it; a path where it is no resource.
    pub resource: String,
    /// Empty for what lives in none, and for requests across all.
    pub namespace: String,
    /// Whether the server let it through.
    pub allowed: bool,
}

/// Flags that switch the log on.
pub(super) fn flags(folder: &Folder) -> Result<Vec<String>> {
    let policy = folder.path().join("audit-policy.yaml");
    fs::write(&policy, POLICY).context("failed to write the audit policy")?;
    Ok(vec![
        format!("--audit-policy-file={}", policy.display()),
        format!("--audit-log-path={}", folder.log("audit").display()),
    ])
}

impl Lab {
    /// Everything that our accounts have asked for, in a lab that was made to be audited.
    pub fn accesses(&self) -> Result<BTreeSet<Access>> {
        let text = fs::read_to_string(self.folder.log("audit")).context("failed to read the audit log")?;
        text.lines()
            .map(|line| {
                let event = serde_json::from_str(line).context("failed to understand the audit log")?;
                Ok(access(&event))
            })
            .collect()
    }
}

fn access(event: &Value) -> Access {
    let text = |pointer: &str| {
        let found = event.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let resource = match (text("/objectRef/resource"), text("/objectRef/subresource")) {
        (resource, _) if resource.is_empty() => text("/requestURI"),
        (resource, part) if part.is_empty() => resource,
        (resource, part) => format!("{resource}/{part}"),
    };
    let account = text("/user/username");
    Access {
        account: account.rsplit(':').next().unwrap_or_default().to_owned(),
        verb: text("/verb"),
        group: text("/objectRef/apiGroup"),
        resource,
        namespace: text("/objectRef/namespace"),
        allowed: event["responseStatus"]["code"] != 403,
    }
}
