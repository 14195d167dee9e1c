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

/// One request, whatever became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// As roles name it.
    pub verb: String,
    /// What kind of object, as in [`Access`].
    pub resource: String,
    /// Which one; empty for lists.
    pub name: String,
    /// What the server answered, as HTTP says it.
    pub code: u64,
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
        Ok(self.events()?.iter().map(access).collect())
    }

    /// Every request that our accounts have made so far, in the order of the answers.
    pub fn requests(&self) -> Result<Vec<Request>> {
        let request = |event: &Value| Request {
            verb: text(event, "/verb"),
            resource: resource(event),
            name: text(event, "/objectRef/name"),
            code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
        };
        Ok(self.events()?.iter().map(request).collect())
    }

    fn events(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(self.folder.log("audit")).context("failed to read the audit log")?;
        // The last line may be on its way.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).context("failed to understand the audit log"))
            .collect()
    }
}

fn text(event: &Value, pointer: &str) -> String {
    let found = event.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

fn resource(event: &Value) -> String {
    let part = |pointer| text(event, pointer);
    match (part("/objectRef/resource"), part("/objectRef/subresource")) {
        (resource, _) if resource.is_empty() => part("/requestURI"),
        (resource, part) if part.is_empty() => resource,
        (resource, part) => format!("{resource}/{part}"),
    }
}

fn access(event: &Value) -> Access {
    let text = |pointer: &str| text(event, pointer);
    let account = text("/user/username");
    Access {
        account: account.rsplit(':').next().unwrap_or_default().to_owned(),
        verb: text("/verb"),
        group: text("/objectRef/apiGroup"),
        resource: resource(event),
        namespace: text("/objectRef/namespace"),
        allowed: event["responseStatus"]["code"] != 403,
    }
}
