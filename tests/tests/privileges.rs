//! What operator and agents ask the API server for is what the shipped roles grant: nothing is missing, nothing unused.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{
    Lab, Options, eventually,
    journey::{Walk, failover, j0},
    lab::{audit::Access, host::CONTROL_PLANE, network::LAN, testing::TestLab, unit::Action},
    metrics,
    objects::PATIENCE,
};
use serde_json::Value;

/// Granted and not asked for on this walk, with the reason.
const KEPT: [(&str, &str, &str, &str); 4] = [
    ("lightship-operator", "get", "services", REREAD),
    ("lightship-operator", "get", "ciliumloadbalancerippools", REREAD),
    (
        "lightship-operator",
        "get",
        "ciliuml2announcementpolicies",
        REREAD,
    ),
    ("lightship-operator", "get", "configmaps", REREAD),
];
const REREAD: &str = "an object is read again after a write of it that was refused or not answered";

/// What the API server tells everybody who has an account.
const PUBLIC: [&str; 1] = ["/version"];

/// One thing that a role grants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    account: String,
    verb: String,
    group: String,
    resource: String,
    /// A Role's grant ends at its namespace.
    everywhere: bool,
}

impl Grant {
    fn covers(&self, access: &Access) -> bool {
        (&self.account, &self.verb, &self.group, &self.resource)
            == (&access.account, &access.verb, &access.group, &access.resource)
            && (self.everywhere || access.namespace == "kube-system")
    }

    fn is_kept(&self) -> bool {
        let own = (self.account.as_str(), self.verb.as_str(), self.resource.as_str());
        KEPT.iter()
            .any(|(account, verb, resource, _)| own == (account, verb, resource))
    }
}

/// What the shipped roles grant, as the API server has them.
fn grants(lab: &Lab) -> Result<BTreeSet<Grant>> {
    let selector = "--selector=app.kubernetes.io/name=lightship";
    let roles = lab.get(&["roles,clusterroles", "--namespace=kube-system", selector])?;
    let roles = roles["items"].as_array().context("a list has no items")?;
    ensure!(
        roles.len() == 3,
        "three roles are shipped, {} are there",
        roles.len()
    );
    let mut grants = BTreeSet::new();
    for role in roles {
        let account = role["metadata"]["name"].as_str().context("a role has no name")?;
        for rule in role["rules"].as_array().into_iter().flatten() {
            for (group, resource, verb) in cells(rule) {
                grants.insert(Grant {
                    account: account.to_owned(),
                    verb,
                    group,
                    resource,
                    everywhere: role["kind"] == "ClusterRole",
                });
            }
        }
    }
    Ok(grants)
}

fn cells(rule: &Value) -> Vec<(String, String, String)> {
    let words = |key: &str| -> Vec<String> {
        let all = rule[key].as_array().into_iter().flatten();
        all.filter_map(|one| one.as_str().map(str::to_owned)).collect()
    };
    let mut cells = Vec::new();
    for group in words("apiGroups") {
        for resource in words("resources") {
            cells.extend(
                words("verbs")
                    .into_iter()
                    .map(|verb| (group.clone(), resource.clone(), verb)),
            );
        }
    }
    cells
}

/// Every metric on an admin port is a documented one.
fn documented(lab: &Lab, host: &str, port: u16, documented: &str) -> Result<()> {
    let url = format!("http://127.0.0.1:{port}/metrics");
    let text = lab.exec(host, &["curl", "--silent", "--fail", "--max-time", "5", &url])?;
    let known = metrics::named(documented);
    let families = metrics::families(&text)?;
    ensure!(families.len() > 5, "{host} exports {families:?}");
    for family in families {
        let row = family.row();
        let name = row.split('`').nth(1).unwrap_or_default();
        ensure!(known.contains(name), "{name} of {host} is in no table");
    }
    Ok(())
}

/// Addresses from nothing, a crash, a drain, a restart of everything, a Gateway, and the end of all of it.
fn walk_through(lab: &Lab) -> Result<()> {
    let walk = Walk::silent(lab);
    j0::announce(&walk)?;
    let crashed = failover::crash_holder(&walk)?;
    lab.revive(&crashed.old)?;
    lab.drain(&crashed.new)?;
    eventually("another holder than the drained one", PATIENCE, || {
        let lease = lab.get(&["lease", "-n", "kube-system", j0::LEASE])?;
        ensure!(
            lease["spec"]["holderIdentity"] != crashed.new.as_str(),
            "it still holds"
        );
        Ok(())
    })?;
    lab.undrain(&crashed.new)?;
    lab.agent(Action::Stop, &crashed.new)?;
    lab.agent(Action::Start, &crashed.new)?;
    lab.operator(Action::Start, 2)?;
    lab.operator(Action::Stop, 1)?;
    // A new address of a card is news for all members.
    lab.exec(
        CONTROL_PLANE,
        &["ip", "link", "set", LAN, "address", "02:00:00:00:aa:aa"],
    )?;
    lab.install_gateway_api()?;
    eventually("the members' update and the watch of Gateways", PATIENCE, || {
        let asked = lab.accesses()?;
        ensure!(
            asked
                .iter()
                .any(|one| one.resource == "configmaps" && one.verb == "update"),
            "no update yet"
        );
        ensure!(
            asked
                .iter()
                .any(|one| one.resource == "gateways" && one.verb == "watch"),
            "not asked yet"
        );
        Ok(())
    })?;
    lab.kubectl(&["delete", "service", j0::SERVICE])?;
    eventually("the end of the lease", PATIENCE, || {
        let lease = lab.try_kubectl(&["get", "lease", "-n", "kube-system", j0::LEASE])?;
        ensure!(lease.stderr.contains("NotFound"), "it is still there");
        Ok(())
    })
}

#[test]
fn roles_grant_what_is_asked_for_and_no_more() -> Result<()> {
    let options = Options {
        audited: true,
        ..Options::default()
    };
    let lab = TestLab::up("privileges", &options)?;
    walk_through(&lab)?;
    let table =
        std::fs::read_to_string(lightship_tests::binaries::source().join("docs/reference/metrics.md"))?;
    documented(&lab, "fabric", 9965, &table)?;
    documented(&lab, "node-1", 9964, &table)?;

    let (grants, asked) = (grants(&lab)?, lab.accesses()?);
    for access in &asked {
        ensure!(access.allowed, "{access:?} was refused");
        if PUBLIC.contains(&access.resource.as_str()) {
            continue;
        }
        ensure!(
            grants.iter().any(|grant| grant.covers(access)),
            "no shipped role grants {access:?}"
        );
    }
    let idle: Vec<&Grant> = grants
        .iter()
        .filter(|grant| !grant.is_kept() && !asked.iter().any(|access| grant.covers(access)))
        .collect();
    ensure!(
        idle.is_empty(),
        "these are granted and were not asked for: {idle:#?}"
    );
    lab.down()
}
